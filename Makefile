# `make pareto` and `make test` need Python 3.11 or newer and git, and nothing else.
PYTHON ?= python3
BIN = .venv/bin
RUN ?= results/runs/default
FIRST = $(patsubst %,--system %,lqr differential_drive quadrotor) \
	$(patsubst %,--theta %,optimal perturbed initial) --problem quadrotor_smooth trained

.PHONY: pareto test lint
pareto: .venv/runs
	$(BIN)/gradpareto pareto --out $(RUN) $(FIRST)

test: .venv/tests
	$(BIN)/python -m pytest -n 2 --dist loadfile -m "not slow"

lint: .venv/tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

.venv/runs: pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e .
	touch $@

.venv/tests: .venv/runs
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[test]'
	touch $@
