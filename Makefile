# Everything a fresh machine needs is installed here, from PyPI, into .venv and .venv-synapse.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
# Tests wait more than they compute: two at a time, each file by one worker. WORKERS=0 runs them one after another.
WORKERS ?= 2
PYTEST := $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile
UV := $(BIN)/uv

.PHONY: setup demo scene test lint unit integration acceptance chaos bench lock clean

setup: $(VENV)/.ready .venv-synapse/.ready ## both environments, pinned

$(UV):
	@command -v $(PYTHON) >/dev/null || { echo "Python 3.11 or newer is needed: apt-get install python3.11 (or: make PYTHON=python3.12)"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "Python's venv module is missing: apt-get install python3-venv"; exit 1; }
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check "$$(grep -E '^uv==' requirements/bootstrap.txt)"

$(VENV)/.ready: requirements/dev.txt pyproject.toml $(UV)
	@$(UV) pip sync --quiet --python $(BIN)/python requirements/dev.txt requirements/bootstrap.txt
	@touch $@

.venv-synapse/.ready: requirements/synapse.txt $(UV)
	@$(UV) venv --quiet --allow-existing --python $(BIN)/python .venv-synapse
	@$(UV) pip sync --quiet --python .venv-synapse/bin/python requirements/synapse.txt
	@touch $@

demo: setup ## the main job, on a real embedded Synapse; Ctrl-C stops all
	@$(BIN)/inglenook demo

scene: setup ## the whole scene in a fresh community, judged by what other people see
	@$(BIN)/inglenook demo --scene

test: lint unit integration acceptance chaos ## all that CI runs

lint: $(VENV)/.ready
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

unit: setup
	$(PYTEST) tests/unit

integration: setup
	$(PYTEST) tests/integration

acceptance: setup
	$(PYTEST) tests/acceptance

chaos: setup
	$(PYTEST) tests/chaos

bench: setup ## every figure of the README, as ratios within one run; JSON in benchmarks/results/
	$(BIN)/python -m benchmarks

lock: $(UV) ## pin anew
	$(UV) pip compile --quiet --no-emit-index-url --no-header --python-version 3.11 requirements/dev.in -o requirements/dev.txt
	$(UV) pip compile --quiet --no-emit-index-url --no-header --python-version 3.11 requirements/synapse.in -o requirements/synapse.txt

clean:
	rm -rf $(VENV) .venv-synapse .inglenook
