# `make test` does its own set-up.
PYTHON ?= python3
BIN := .venv/bin
LAB := PYTHONPATH=ci $(BIN)/python -m slipway_lab
TESTS := $(BIN)/python -m pytest --durations=25

.PHONY: chaos checks demo journeys parts rest test unit lint lock schema screenshots lab-up lab-down lab-reset lab-status clean

$(BIN)/.made: pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1'
	$(BIN)/python -m pip install --quiet --editable '.[lab]' --group dev
	touch $@

lint: $(BIN)/.made
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

demo: $(BIN)/.made
	$(LAB) demo

unit: $(BIN)/.made
	$(BIN)/python -m pytest tests/unit

# Side by side, since both halves of each pair wait a lot: the lab is built while the units run, and what tests
# parts waits for clusters while end-to-end tests wait for the engine. The lane that is done with its parts takes
# end-to-end files from the last one on, until both meet; a test that measures time has no other beside it. Of the
# chaos harness, `make test` takes small sizes and `make chaos` the full ones (some 40 minutes).
test: $(BIN)/.made
	$(MAKE) --jobs=2 lab-up checks
	share=$$(mktemp -d) && trap 'rm -r "$$share"' EXIT && $(MAKE) --jobs=2 SHARE=--share=$$share journeys rest

checks: lint
	$(MAKE) unit

journeys: $(BIN)/.made
	$(TESTS) tests/e2e $(SHARE)

rest: parts
	$(TESTS) tests/e2e $(SHARE) --backwards

parts: $(BIN)/.made
	$(TESTS) tests/integration tests/chaos

chaos: lab-up
	SLIPWAY_CHAOS=full $(BIN)/python -m pytest tests/chaos

# What a `dagger call` installs: everything but dagger-io, which the engine's own runtime brings.
lock: $(BIN)/.made
	$(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes \
	  --no-emit-package dagger-io --custom-compile-command "make lock" --output-file requirements.lock pyproject.toml

# All are checked in, and unit tests say when they are stale.
schema: $(BIN)/.made
	PYTHONPATH=ci $(BIN)/python -m slipway_host.schema > schema/slipway.schema.json
	PYTHONPATH=ci $(BIN)/python -m slipway_host.receipt_model > schema/receipt.schema.json
	PYTHONPATH=ci $(BIN)/python -m slipway_host.kpi_report > schema/kpis.schema.json
	PYTHONPATH=ci $(BIN)/python -m slipway_host.reference > docs/configuration.md
	PYTHONPATH=ci $(BIN)/python -m slipway.functions > docs/functions.md

# Also checked in; they need the browser that lab-up installs, and the fonts of the machine are seen in them.
screenshots: $(BIN)/.made
	PYTHONPATH=ci:tests $(BIN)/python -m support.screenshots

lab-up: $(BIN)/.made
	$(LAB) up

lab-down: $(BIN)/.made
	$(LAB) down

lab-reset: $(BIN)/.made
	$(LAB) reset

lab-status: $(BIN)/.made
	$(LAB) status

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache
