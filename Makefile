# Two words are all a newcomer needs: `make up` and `make test`.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
export PATH := $(CURDIR)/$(BIN):$(PATH)

.DEFAULT_GOAL := help
.PHONY: help setup up test fast check format load load-ui bench-setup bench bench-quick clean

help: ## show this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

$(STAMP): pyproject.toml constraints.txt
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing into $(VENV) (a minute, once)"
	@$(BIN)/python -m pip install -q --upgrade "pip>=25.1"
	@# setuptools warns about every editable install, and there is nothing that one could do about it.
	@PYTHONWARNINGS=ignore $(BIN)/python -m pip install -q -c constraints.txt -e ".[load]" --group dev
	@touch $(STAMP)

setup: $(STAMP) ## create the environment and install

up: setup ## start the whole edge in the foreground; Ctrl-C ends it
	@exec $(BIN)/edge up

test: setup ## every test
	@EDGE_TESTS=thorough $(BIN)/python -m pytest tests

fast: setup ## the tests that take seconds
	@$(BIN)/python -m pytest tests -m "not e2e" -n auto

check: setup ## format, lint, strict types, fast tests: before each commit
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/python -m pytest tests -m "not e2e" -n auto

format: setup ## let ruff format and fix
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

load: setup ## fifty phones for a minute against the running edge, with a report
	@$(BIN)/edge load

load-ui: setup ## Locust's page, for loads of your own
	@$(BIN)/edge load --ui

# The benchmark runs on Debian's interpreter where it is complete: one that was built without profile-guided
# optimisation (pyenv's default) makes everything in Python a fifth slower, ours and the peers' alike.
DEBIAN_PYTHON := $(shell /usr/bin/python3 -c 'import ensurepip, sys; sys.version_info >= (3, 11) and print(sys.executable)' 2>/dev/null)
BENCH_PYTHON ?= $(or $(DEBIAN_PYTHON),$(PYTHON))
BENCH := .bench/venv

bench-setup:
	@$(MAKE) --no-print-directory setup VENV=$(BENCH) PYTHON=$(BENCH_PYTHON)

bench: bench-setup ## ours and real peers side by side, under fifteen minutes (needs wrk nginx haproxy)
	@$(BENCH)/bin/python -m bench --keep

bench-quick: bench-setup ## the four most telling rows, under three minutes
	@$(BENCH)/bin/python -m bench --quick

clean: ## remove the environment and all run-time files
	rm -rf $(VENV) $(BENCH) run build *.egg-info
