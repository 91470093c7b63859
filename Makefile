# `make test` does its own set-up.
PYTHON ?= python3
BIN := .venv/bin
LAB := PYTHONPATH=ci $(BIN)/python -m slipway_lab

.PHONY: test lint lab-up lab-down lab-status clean

$(BIN)/.made: pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1'
	$(BIN)/python -m pip install --quiet --editable '.[lab]' --group dev
	touch $@

lint: $(BIN)/.made
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

test: lint
	$(BIN)/python -m pytest tests/unit

lab-up: $(BIN)/.made
	$(LAB) up

lab-down: $(BIN)/.made
	$(LAB) down

lab-status: $(BIN)/.made
	$(LAB) status

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache
