# Parsimony. Each of these is enough on a fresh clone: it makes .venv, installs, and does it.
#
#   make demo    the service, three experiments over HTTP, the loss curves in demo/loss.png
#   make serve   the service in the foreground, on http://127.0.0.1:8000
#   make doctor  what this machine offers, and whether it is fit
#   make test    the quick tests, with real Redis, workers and databases; make check has the others
#   make contract  the OpenAPI document, read by programs written for Node, where there is Node
#   make check   what takes too long for every change: the tests marked slow
#   make guide   the pages for people, from docs/; served at /guide
#   make bench   how fast it trains and answers, beside its peers
#   make image   the container image; BASE=ubuntu:24.04 for one without CUDA's tools
#   make lint    ruff: style and format
#   make types   mypy, strict
#   make audit   known vulnerabilities of what is pinned, where their service can be reached
#   make sbom    what is pinned, as CycloneDX: build/sbom.json
#   make lock    requirements*.lock from pyproject.toml; ARGS=--upgrade for the newest versions

SHELL := bash
.DEFAULT_GOAL := help
.SILENT:
.PHONY: help install develop demo serve doctor test contract check guide bench image lint types audit sbom lock clean

VENV := .venv
BIN := $(VENV)/bin
RUNS := $(VENV)/.runs
DEVELOPS := $(VENV)/.develops
PROCESSES := 2
# Tests wait for processes and clocks, a fifth of the time.
TESTERS := 3
PIP := PIP_DISABLE_PIP_VERSION_CHECK=1 $(BIN)/python -m pip install --quiet

help:
	sed -n 's/^#   //p' Makefile

install: $(RUNS)

develop: $(DEVELOPS)

# The first Python that runs and is 3.11 or newer; PYTHON=… overrides.
$(BIN)/python:
	set -euo pipefail; \
	python=""; \
	for candidate in $${PYTHON:-} python3.11 python3.12 python3.13 python3 python; do \
	  if "$$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then \
	    python="$$candidate"; break; \
	  fi; \
	done; \
	if [ -z "$$python" ]; then \
	  echo "Parsimony needs Python 3.11 or newer; set PYTHON=/path/to/python3.11" >&2; exit 1; \
	fi; \
	echo "→ creating $(VENV) with $$("$$python" --version)"; \
	"$$python" -m venv $(VENV) || { \
	  echo "no venv module; install it (Debian, Ubuntu: python3-venv)" >&2; rm -rf $(VENV); exit 1; }

# Two calls of pip, since it asks for the hashes of all packages or of none: see
# docs/decisions/0011-dependencies.md.
$(RUNS): requirements.lock requirements-torch.lock pyproject.toml | $(BIN)/python
	set -euo pipefail; \
	echo "→ installing the pinned packages (torch is large; this takes a minute or two) …"; \
	$(PIP) --require-hashes -r requirements.lock; \
	$(PIP) -r requirements-torch.lock; \
	$(PIP) --no-deps --no-build-isolation --editable .; \
	touch $@; \
	echo "→ installed"

$(DEVELOPS): requirements-dev.lock $(RUNS)
	set -euo pipefail; \
	echo "→ installing what tests, lint and types need …"; \
	$(PIP) --require-hashes -r requirements-dev.lock; \
	touch $@

demo: $(RUNS)
	$(BIN)/parsimony demo

serve: $(RUNS)
	exec $(BIN)/parsimony up $(ARGS)

doctor: $(RUNS)
	$(BIN)/parsimony doctor

test: $(DEVELOPS)
	$(BIN)/python -m pytest -q -n $(TESTERS) --dist worksteal -m "not slow" $(ARGS)

contract: $(DEVELOPS)
	$(BIN)/python -m tests.contract_node.run $(ARGS)

check: $(DEVELOPS)
	$(BIN)/python -m pytest -q -n $(PROCESSES) --dist worksteal -m slow $(ARGS)

# Strict: a link that leads nowhere ends it. The variable silences a notice of the theme's.
guide: $(DEVELOPS)
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict -f docs/site/mkdocs.yml
	echo "→ service/web/guide; make serve shows it at /guide"

bench: $(DEVELOPS)
	failed=; for file in benchmarks/[a-z]*.py; do \
	  echo "→ $$file"; $(BIN)/python "$$file" || failed="$$failed $$file"; \
	done; test -z "$$failed" || { echo "did not run:$$failed (some need a folder of data)"; false; }

# deploy/check.sh builds it, runs it by Compose, and kills parts of it.
image: guide
	docker build $(if $(BASE),--build-arg BASE=$(BASE)) --tag $(or $(IMAGE),parsimony) $(ARGS) .
	docker image inspect --format '{{.Size}}' $(or $(IMAGE),parsimony) | awk '{printf "→ %.2f GB\n", $$1 / 1e9}'

lint: $(DEVELOPS)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(DEVELOPS)
	$(BIN)/mypy

# Like `uv` below, these have an environment of their own.
SUPPLY := build/supply/bin
$(SUPPLY)/cyclonedx-py: | $(BIN)/python
	set -euo pipefail; \
	$(BIN)/python -m venv build/supply; \
	$(SUPPLY)/pip install --quiet "pip-audit>=2.10,<3" "cyclonedx-bom>=7.5,<8"

audit: $(SUPPLY)/cyclonedx-py
	$(BIN)/python .ci/audit.py $(SUPPLY)/pip-audit $(ARGS)

sbom: $(SUPPLY)/cyclonedx-py
	mkdir -p build
	cat requirements.lock requirements-torch.lock | $(SUPPLY)/cyclonedx-py requirements - \
	  --pyproject pyproject.toml --short-PURLs --output-reproducible --output-file build/sbom.json
	echo "→ build/sbom.json"

# The versions written down stay unless pyproject.toml no longer allows them. One version for every
# Python and system; `uv` has an environment of its own, since nothing else needs it.
COMPILE := build/lock/bin/uv pip compile --quiet --universal --fork-strategy fewest \
  --python-version 3.11 --generate-hashes --no-annotate --custom-compile-command "make lock"

lock: $(BIN)/python
	set -euo pipefail; \
	test -x build/lock/bin/uv || $(BIN)/python -m venv build/lock; \
	build/lock/bin/pip install --quiet "uv>=0.13,<0.14"; \
	$(COMPILE) --all-extras --no-emit-package torch -c requirements-torch.lock \
	  -o requirements.lock $(ARGS) pyproject.toml; \
	$(COMPILE) --group dev -c requirements.lock -o requirements-dev.lock $(ARGS)

clean:
	rm -rf $(VENV) build dist demo service/web/guide .pytest_cache .mypy_cache .ruff_cache .hypothesis *.egg-info
