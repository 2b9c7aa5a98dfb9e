# Pointsman. `make help` lists what there is; only make and Python 3.11 or newer are needed.
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# Three workers with a bench each and one without. Only root can give a worker, which has threads, a
# network of its own (tests/bench/netns.py).
WORKERS := $(if $(filter 0,$(shell id -u)),-n 4 --dist loadscope)
# Hundreds of processes start in the tests; each would compile everything anew.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: help demo test check bench bench-router bench-predictor bench-drift demo-drift fmt generate sim-scaling figures clean

help:
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed, this is " + sys.version.split()[0] + "; make PYTHON=python3.12 takes another") if sys.version_info < (3, 11) else None'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing the locked dependencies into $(VENV), once; this may take two minutes ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

demo: $(STAMP) ## the support desk on this machine: a day's traffic, a table, one curl (ONCE=1 ends by itself, PORT=9000)
	@$(BIN)/pointsman demo $(if $(ONCE),--once) $(if $(PORT),--port $(PORT))

test: $(STAMP) ## everything, with a real Kubernetes control plane (built once, cached outside the tree)
	@$(BIN)/python -m tests.bench build
	@$(BIN)/python -m tests.sdk
	@$(BIN)/python -m tests.postgres
	@$(BIN)/python -m tests.monitoring
	@$(BIN)/python -m pytest -q $(WORKERS)

check: $(STAMP) ## lint, types, import rules, generated files, all quick tests; under a minute
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/lint-imports --no-logo > .lint-imports.log 2>&1 || { cat .lint-imports.log; exit 1; }
	@$(BIN)/python -m pointsman.api.schema --check
	@$(BIN)/mypy --no-error-summary > .mypy.log 2>&1 & types=$$!; \
	$(BIN)/python -m pytest -q -n 4 --dist worksteal -m "not bench and not local and not slow" --timeout 60; \
	tests=$$?; wait $$types || { cat .mypy.log; exit 1; }; exit $$tests

bench: $(STAMP) ## a shell beside a real control plane with CRDs, operator, routers, models
	@$(BIN)/python -m tests.e2e

bench-router: $(STAMP) ## the router's CPU beside nginx and sglang-router (QUICK=1: under a minute)
	@$(BIN)/python -m tests.perf.router $(if $(JSON),--json $(JSON))

# These are not in `make help`, which lists ten: docs/prediction.md and docs/drift.md tell of them
# (bench-*: QUICK=1 takes under a minute).
bench-predictor: $(STAMP)
	@OPENBLAS_NUM_THREADS=1 nice -n 10 $(BIN)/python -m tests.perf.predictor $(if $(JSON),--json $(JSON))

bench-drift: $(STAMP)
	@OPENBLAS_NUM_THREADS=1 $(BIN)/python -m tests.sim.drift $(if $(JSON),--json $(JSON))

demo-drift: $(STAMP)
	@$(BIN)/pointsman demo --drift --once $(if $(PICTURE),--picture $(PICTURE)) $(if $(PORT),--port $(PORT))

fmt: $(STAMP) ## format and sort
	@$(BIN)/ruff check --fix --quiet . ; $(BIN)/ruff format --quiet .

generate: $(STAMP) ## CRD manifests and pages of the kinds, from the pydantic types
	@$(BIN)/python -m pointsman.api.schema

sim-scaling: $(STAMP) ## autoscalers side by side in virtual time (QUICK=1: under a minute)
	@$(BIN)/python -m tests.sim.scaling $(if $(JSON),--json $(JSON))

figures: $(STAMP) ## the measured numbers of the README (QUICK=1: small and under a minute each)
	@$(BIN)/python -m tests.perf

clean: ## remove the virtual environment and caches in the tree
	@rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .lint-imports.log .mypy.log
