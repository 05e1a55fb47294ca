# `make repro` and `make test` need Python 3.11 or newer, git and make; everything else they install into .venv.
PYTHON ?= python3
BIN := $(CURDIR)/.venv/bin
STAMP := .venv/.installed
AT_ONCE := --numprocesses auto --maxprocesses 4 --dist worksteal
export PATH := $(BIN):$(PATH)
export DVC_NO_ANALYTICS := 1
export MLFLOW_DISABLE_TELEMETRY := true

.PHONY: help setup repro test test-all check ui

help:  ## list the commands
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup: $(STAMP)  ## make .venv with the pinned versions

# torch goes first: what depends on it must not choose another build.
$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; run: make PYTHON=/path/to/python3.11 ...")'
	$(PYTHON) -m venv .venv
	.venv/bin/python -m pip install --quiet --constraint constraints.txt torch $(PIP_ARGS)
	.venv/bin/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]' $(PIP_ARGS)
	touch $(STAMP)

# A download without git runs too: DVC is told so in .dvc/config.local, which git ignores, until there is git.
# DVC killed while it writes its list of locks leaves it broken, and refuses it from then on.
repro: $(STAMP)  ## run the pipeline of params.yaml
	@above=.; until [ -e "$$above/.git" ] || [ "$$(cd "$$above" && pwd)" = / ]; do above=$$above/..; done; \
	if [ ! -e "$$above/.git" ]; then dvc config --local core.no_scm true; \
	elif grep -qs no_scm .dvc/config.local; then dvc config --local --unset core.no_scm; fi
	@if [ -e .dvc/tmp/rwlock ] && ! python -m json.tool .dvc/tmp/rwlock >/dev/null 2>&1; then rm .dvc/tmp/rwlock; fi
	dvc repro

test: $(STAMP)  ## run the tests (minutes)
	pytest $(AT_ONCE)

test-all: $(STAMP)  ## run the slow tests too
	pytest $(AT_ONCE)
	pytest -m slow  # they measure memory and time: one after the other

check: $(STAMP)  ## lint, formatting, docstrings, types
	ruff check
	ruff format --check
	mypy

ui: $(STAMP)  ## show the runs in MLflow's UI on this machine
	python pipeline/ui.py
