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
# What runs, S3 and PostgreSQL included, at the versions that the tests run with; the code comes after it, so that a
# change of the code does not install everything anew.
COPY requirements.lock requirements-torch.lock ./
RUN pip install --require-hashes -r requirements.lock \
 && pip install -r requirements-torch.lock
COPY pyproject.toml README.md LICENSE ./
COPY service service
COPY worker worker
RUN pip install --no-deps --no-build-isolation .

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
