# `make repro` and `make test` need Python 3.11 or newer, git and make; everything else they install into .venv.
PYTHON ?= python3
BIN := $(CURDIR)/.venv/bin
STAMP := .venv/.installed
AT_ONCE := --numprocesses auto --maxprocesses 4 --dist worksteal
export PATH := $(BIN):$(PATH)
export DVC_NO_ANALYTICS := 1
export MLFLOW_DISABLE_TELEMETRY := true

.PHONY: help setup repro demo verify doctor test test-all check docs experiments ui

help:  ## list the commands
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup: $(STAMP)  ## make .venv with the pinned versions

# torch goes first: what depends on it must not choose another build.
$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; run: make PYTHON=/path/to/python3.11 ...")'
	$(PYTHON) -m venv .venv
	@echo 'torch comes first: 200 MB on a machine without a GPU, gigabytes with one'
	.venv/bin/python -m pip install --constraint constraints.txt torch $(PIP_ARGS)
	@echo 'the other packages, about a minute'
	.venv/bin/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]' $(PIP_ARGS)
	@.venv/bin/python pipeline/plots.py
	@.venv/bin/dvc config --local plots.html_template tmp/plots.html
	touch $(STAMP)

repro: $(STAMP)  ## run the pipeline of params.yaml
	@python pipeline/repro.py

demo: $(STAMP)  ## bring the published studies into MLflow and into Optuna's database
	python pipeline/sweep.py import

verify: $(STAMP)  ## hold this machine's metrics against the published ones
	@python pipeline/verify.py

# Also where `make setup` failed: with the Python of .venv if there is one.
doctor:  ## look at what the pipeline needs of this machine
	@if [ -x .venv/bin/python ]; then python pipeline/doctor.py; else PYTHONPATH=src $(PYTHON) pipeline/doctor.py; fi

test: $(STAMP)  ## run the tests (minutes)
	pytest $(AT_ONCE)

test-all: $(STAMP)  ## run the slow tests too
	pytest $(AT_ONCE)
	pytest -m slow  # they measure memory and time: one after the other

check: $(STAMP)  ## lint, formatting, docstrings, types
	ruff check
	ruff format --check
	mypy

# The extra is installed where it is missing; the build itself needs no network.
docs: $(STAMP)  ## build the site of the documents in .work/site
	@python -c 'import material, nbclient' 2>/dev/null || \
	  python -m pip install --quiet --constraint constraints.txt --editable '.[docs]' $(PIP_ARGS)
	@NO_MKDOCS_2_WARNING=1 mkdocs build --strict
	@echo 'site: .work/site/index.html; to search it: python -m http.server --bind 127.0.0.1 --directory .work/site'

experiments: $(STAMP)  ## list DVC's experiments, best FID first, with what differs
	@dvc exp show --no-pager --only-changed --sort-by eval/fid --drop '(artifacts|reports|pipeline|src|oracle|toy|matched_floor|reference/|Created|.*(precision|recall)$$)'

ui: $(STAMP)  ## show the runs in MLflow's UI on this machine
	python pipeline/ui.py
