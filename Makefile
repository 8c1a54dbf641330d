# Two commands do everything: `make serve` and `make test`. Each makes .venv if it is missing.
# PYTHON= picks the interpreter (3.11 or later), PORT= the port of the studio, ARGS= is passed on to pytest,
# WORKERS= is the number of parallel test processes (default: one a core).

PYTHON ?= python3
PORT   ?= 5006
WORKERS ?= auto
VENV   := .venv
BIN    := $(VENV)/bin
NOTEBOOK_OPTIONS := --nbval-lax --nbval-current-env --nbval-cell-timeout=300

# An environment whose interpreter is gone (upgraded, moved) is made anew.
ifneq ($(shell $(BIN)/python -c 'print(1)' 2>/dev/null),1)
$(shell rm -f $(VENV)/.installed-*)
endif

.DEFAULT_GOAL := help
.PHONY: help serve compare posterior test lab lint format bench slow readme screenshot clean

help:  ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## /{printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# The stamp is newer than both files, or the environment is brought up to date.
$(VENV)/.installed-%: pyproject.toml constraints.txt tools/environment
	@tools/environment "$(PYTHON)" "$*"
	@touch $@ $(if $(filter dev,$*),$(VENV)/.installed-export $(VENV)/.installed-notebooks)

serve: $(VENV)/.installed-export  ## the studio on http://localhost:$PORT (5006)
	$(BIN)/python -m workbench serve --port $(PORT)

compare: $(VENV)/.installed-export  ## studies and runs side by side, on the same port
	$(BIN)/python -m workbench serve --page compare --port $(PORT)

posterior: $(VENV)/.installed-export  ## the posterior of any trained model, on the same port
	$(BIN)/python -m workbench explore --port $(PORT)

test: $(VENV)/.installed-dev  ## the whole suite, notebooks and browser journey included
	@tools/chromium
	WORKBENCH_FAST=1 $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile $(NOTEBOOK_OPTIONS) $(ARGS)

lab: $(VENV)/.installed-notebooks  ## JupyterLab on the notebooks
	$(BIN)/python -m jupyter lab --notebook-dir=notebooks $(if $(filter 0,$(shell id -u)),--allow-root)

lint: $(VENV)/.installed-dev  ## format, lint, import contracts, types and vocabulary
	$(BIN)/python -m ruff format --check .
	$(BIN)/python -m ruff check .
	$(BIN)/python -c 'import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports(no_logo=True))'
	$(BIN)/python -m mypy
	$(BIN)/python tools/vocabulary.py

format: $(VENV)/.installed-dev  ## ruff format over everything
	$(BIN)/python -m ruff format .

slow: $(VENV)/.installed-dev  ## the tests that take minutes
	$(BIN)/python -m pytest -m "slow and not gpu" tests $(ARGS)

bench: $(VENV)/.installed-dev  ## measurements as tables; never fails on a time
	@for script in tests/bench/*.py; do echo "== $$script"; $(BIN)/python $$script $(ARGS) || exit 1; done
	$(BIN)/python -m pytest -m bench -s tests || [ $$? = 5 ]  # 5: nothing is marked

readme: $(VENV)/.installed-dev  ## write the generated tables of README.md anew
	$(BIN)/python tools/readme.py

screenshot: $(VENV)/.installed-dev  ## write docs/studio.png and docs/posterior.png anew
	@tools/chromium
	$(BIN)/python tools/screenshot.py

clean:  ## remove .venv, caches and build products (runs stay where they are)
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .ruff_cache .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
