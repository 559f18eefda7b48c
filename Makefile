# `make reproduce` and `make test` each start from nothing: they make .venv and install the locked requirements first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
RECIPE ?= nano
# Tests run in two processes, a core each, a file in one of them; more need about 4 GiB of memory each.
SIDE_BY_SIDE ?= -n 2 --dist loadfile --no-loadscope-reorder

.PHONY: help install cuda-libraries reproduce test test-all lint clean

help:
	@echo "make reproduce   install, then train, examine, serve and ask the embedded default (RECIPE=nano)"
	@echo "make install     install the locked requirements into .venv"
	@echo "make test        install, then run the linters and the tests that are neither slow nor long"
	@echo "make test-all    the same with all tests"
	@echo "make lint        ruff and mypy"
	@echo "make clean       remove the runs, not the environment"

install: $(VENV)/installed

# --no-deps: the lock names every package; the processor build of vLLM asks for three that it does not need and that would
# break torch's CPU build.
$(VENV)/installed: requirements/cpu.txt pyproject.toml
	@$(PYTHON) -c "import sys; v = sys.version_info[:2]; sys.exit(None if (3, 11) <= v <= (3, 13) else \
		'$(PYTHON) is Python %d.%d, and 3.11 to 3.13 is needed: name another, as in make $(MAKECMDGOALS) PYTHON=python3.12' % v)"
	@echo "installing $$(grep -c == requirements/cpu.txt) packages into $(VENV): 3 to 5 minutes, in which pip says nothing"
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --progress-bar off --no-deps -r requirements/cpu.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	$(BIN)/python -c "import torch" 2>/dev/null || $(MAKE) --no-print-directory cuda-libraries
	touch $@

# Where pip is not told of torch's CPU builds it takes the CUDA one, which does not start without libraries that --no-deps
# leaves out. They are some gigabytes; an index of CPU builds in PIP_EXTRA_INDEX_URL saves them.
cuda-libraries:
	@echo "pip chose torch's CUDA build: its libraries are installed as well, which takes longer"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --progress-bar off "$$(grep '^torch==' requirements/cpu.txt)"

reproduce: install
	$(BIN)/osler reproduce $(RECIPE)

test: install lint
	$(BIN)/python -m pytest -m "not slow and not long" $(SIDE_BY_SIDE)

test-all: install lint
	$(BIN)/python -m pytest $(SIDE_BY_SIDE)

lint: install
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

clean:
	rm -rf runs
