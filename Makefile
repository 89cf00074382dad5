# Parsimony. Each of these is enough on a fresh clone: it makes .venv, installs, and does it.
#
#   make demo    the service, two experiments over HTTP, the loss curves in demo/loss.png
#   make serve   the service in the foreground, on http://127.0.0.1:8000
#   make test    all tests, with real Redis, real worker, real database
#   make bench   how fast it trains and answers, beside its peers
#   make lint    ruff: style and format
#   make types   mypy, strict

SHELL := bash
.DEFAULT_GOAL := help
.SILENT:
.PHONY: help install demo serve test bench lint types clean

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

help:
	sed -n 's/^#   //p' Makefile

install: $(STAMP)

# The first Python that runs and is 3.11 or newer; PYTHON=… overrides.
$(STAMP): requirements.lock pyproject.toml
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
	if [ ! -x $(BIN)/python ]; then \
	  echo "→ creating $(VENV) with $$("$$python" --version)"; \
	  "$$python" -m venv $(VENV) || { \
	    echo "no venv module; install it (Debian, Ubuntu: python3-venv)" >&2; rm -rf $(VENV); exit 1; }; \
	fi; \
	echo "→ installing the pinned packages (torch is large; this takes a minute or two) …"; \
	PIP_DISABLE_PIP_VERSION_CHECK=1 $(BIN)/python -m pip install --quiet -r requirements.lock; \
	PIP_DISABLE_PIP_VERSION_CHECK=1 $(BIN)/python -m pip install --quiet --no-deps \
	  --no-build-isolation --editable .; \
	touch $@; \
	echo "→ installed"

demo: $(STAMP)
	$(BIN)/parsimony demo

serve: $(STAMP)
	exec $(BIN)/parsimony up $(ARGS)

test: $(STAMP)
	$(BIN)/python -m pytest -q $(ARGS)

bench: $(STAMP)
	failed=; for file in benchmarks/[a-z]*.py; do \
	  echo "→ $$file"; $(BIN)/python "$$file" || failed="$$failed $$file"; \
	done; test -z "$$failed" || { echo "did not run:$$failed (some need a folder of data)"; false; }

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(STAMP)
	$(BIN)/mypy

clean:
	rm -rf $(VENV) build dist demo .pytest_cache .mypy_cache .ruff_cache .hypothesis *.egg-info
