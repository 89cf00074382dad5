# One image, two commands: `api` answers HTTP, `worker` trains.
#
#   docker build -t parsimony .
#   docker build -t parsimony:cpu --build-arg BASE=ubuntu:24.04 .
#
# The CUDA base brings what torch's wheel does not: the driver's user-space tools. Its version
# should match the CUDA version that the torch wheel was built for.
ARG BASE=nvidia/cuda:13.0.1-base-ubuntu24.04

FROM ${BASE} AS build
RUN apt-get update \
 && apt-get install --yes --no-install-recommends python3 python3-venv \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /src
RUN python3 -m venv /opt/parsimony
ENV PATH=/opt/parsimony/bin:$PATH PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
COPY requirements.lock pyproject.toml README.md LICENSE ./
COPY service service
COPY worker worker
# The lock serves as constraints, so that the image holds no development tools.
RUN pip install --constraint requirements.lock ".[s3]"

FROM ${BASE}
RUN apt-get update \
 && apt-get install --yes --no-install-recommends python3 \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --uid 10001 --create-home parsimony \
 && install --directory --owner parsimony --group parsimony --mode 0700 /var/lib/parsimony
COPY --from=build /opt/parsimony /opt/parsimony
ENV PATH=/opt/parsimony/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PARSIMONY_STATE=/var/lib/parsimony
USER parsimony
WORKDIR /var/lib/parsimony
VOLUME /var/lib/parsimony
EXPOSE 8000
ENTRYPOINT ["parsimony"]
CMD ["api"]
