# `make pareto` and `make test` need Python 3.11 or newer and git, and nothing else.
PYTHON ?= python3
BIN = .venv/bin
RUN ?= results/runs/default

.PHONY: pareto test lint
pareto: .venv/installed
	$(BIN)/gradpareto pareto --out $(RUN)

test: .venv/installed
	$(BIN)/python -m pytest -n 2 --dist loadfile

lint: .venv/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

.venv/installed: pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[test]'
	touch $@
