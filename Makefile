# make run, make test and make check are all that one needs; the rest keeps the project.
# What is installed is pinned and hashed in requirements*.txt; a stamp says that it is there.

PYTHON ?= $(shell command -v python3.11 || echo python3)
ARGS ?=
BENCH ?=
PORT ?= 4200
BIN := .venv/bin
# Without dependencies: the lists are complete, and pip would look for newer ones of those that it meets without extras.
PIP := $(BIN)/python -m pip install --disable-pip-version-check --quiet --require-hashes --no-deps
UV_COMPILE := $(BIN)/python -m uv pip compile --universal --python-version 3.11 --generate-hashes --no-strip-extras --no-header \
	--no-emit-index-url --no-emit-find-links --quiet

.PHONY: help install run up down test check format bench lock clean
.DEFAULT_GOAL := help

help:  ## this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /make \1\t/' | expand -t 16

install: .venv/installed  ## install into .venv, and run nothing
	@echo "Installed. To go on: $(BIN)/digits --help, or make run."

run: .venv/installed  ## install, then digits run $(ARGS): from a file of digits to report and submission
	@$(BIN)/digits run $(ARGS)

test: .venv/installed-dev  ## install, then all tests
	@$(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder $(ARGS)

check: .venv/installed-dev  ## format, lint and types
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy

format: .venv/installed-dev  ## mend what ruff can mend
	@$(BIN)/ruff check --fix --quiet . ; $(BIN)/ruff format .

ifneq ($(origin AUTH),undefined)
up: export DIGITS_AUTH = $(value AUTH)
endif
up: .venv/installed  ## server with its UI, worker and schedules; AUTH=user:password, PORT=4200
	@$(BIN)/digits up --port $(PORT)

down: .venv/installed  ## end what up has started
	@$(BIN)/digits down

bench: .venv/installed-dev  ## measure speed and memory; BENCH=path/to/digit-recognizer.zip for the large ones
	@$(BIN)/python -m tests.benchmarks $(BENCH)

lock: .venv/installed-dev  ## choose versions anew within pyproject.toml's bounds
	@$(UV_COMPILE) --upgrade pyproject.toml --output-file requirements.txt
	@$(UV_COMPILE) --upgrade --extra dev --constraint requirements.txt pyproject.toml --output-file requirements-dev.txt

clean:  ## remove what was installed; data, artifacts and Prefect's state stay
	rm -rf .venv *.egg-info

.venv/installed: requirements.txt pyproject.toml
	@echo "Installing into .venv: two minutes or so, once."
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 is needed; name it with make PYTHON=...")'
	@$(PYTHON) -m venv .venv
	@$(PIP) -r requirements.txt
	@$(BIN)/python -m pip install --disable-pip-version-check --quiet --no-deps --no-build-isolation --no-index -e .
	@$(BIN)/python -m compileall -q flows tasks
	@touch $@

.venv/installed-dev: requirements-dev.txt .venv/installed
	@$(PIP) -r requirements-dev.txt
	@touch $@
