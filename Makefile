# Pointsman. `make help` lists what there is; only make and Python 3.11 or newer are needed.
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# Two workers with a bench each and two without (tests/workers.py). Only root can give a worker,
# which has threads, a network of its own (tests/bench/netns.py).
WORKERS := $(if $(filter 0,$(shell id -u)),-n 4 --dist loadscope)
# What every bench's API server was asked by our accounts, for the comparison with the chart's Roles.
AUDIT := $(abspath $(VENV))/audit
# Hundreds of processes start in the tests; each would compile everything anew.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: help demo venv outfit test test-extended rights docs test-compiled test-pods e2e-kind faults faults-every-write bench-upgrade bench-scale images check bench bench-router bench-predictor bench-drift demo-drift fmt generate sim-scaling figures clean

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

# `pointsman` in .venv/bin, and no more.
venv: $(STAMP)

# What tests need besides Python: built or fetched once, cached outside the tree.
outfit: $(STAMP)
	@$(BIN)/python -m tests.bench build
	@$(BIN)/python -m tests.sdk
	@$(BIN)/python -m tests.postgres
	@$(BIN)/python -m tests.monitoring

test: outfit ## all but what takes minutes (test-extended), with a real Kubernetes control plane (built once, cached outside the tree)
	@$(BIN)/python -m tests.kind --build
	@rm -rf $(AUDIT) $(AUDIT).partial
	@POINTSMAN_AUDIT=$(AUDIT) $(BIN)/python -m pytest -q $(WORKERS) -m "not extended"

# What takes minutes each: long tables, windows of minutes, a browser, compiled code.
test-extended: outfit
	@$(BIN)/python -m tests.browser
	@$(BIN)/python -m tests.images build build/images
	@POINTSMAN_AUDIT=$(AUDIT) $(BIN)/python -m pytest -q $(WORKERS) -m extended

# The chart's Roles beside what `make test` and `make test-extended` have asked of the API server.
rights: $(STAMP)
	@$(BIN)/python -m tests.security.rights $(AUDIT)

# The site of the documentation, into build/site.
docs: $(STAMP)
	@$(BIN)/python -m tests.docs.site

check: $(STAMP) ## lint, types, import rules, generated files, all quick tests; about a minute
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --check --quiet .
	@{ $(BIN)/lint-imports --no-logo && $(BIN)/python -m pointsman.api.schema --check && \
	$(BIN)/mypy --no-error-summary; } > .check.log 2>&1 & rules=$$!; \
	$(BIN)/python -m pytest -q -n 3 --dist worksteal -m "not bench and not local and not slow and not hypothesis" --timeout 60; \
	tests=$$?; wait $$rules || { cat .check.log; exit 1; }; exit $$tests

bench: $(STAMP) ## a shell beside a real control plane with CRDs, operator, routers, models
	@$(BIN)/python -m tests.e2e

bench-router: $(STAMP) ## the router beside nginx, haproxy and routers for models (QUICK=1: under a minute; PEERS=all)
	@$(BIN)/python -m tests.perf.router $(if $(JSON),--json $(JSON))

# The router's tests on the compiled request path (docs/performance.md).
test-compiled: $(STAMP)
	@$(BIN)/python -m tests.compiled -m pytest -q -n 2 --timeout 120 tests/router tests/routing tests/fuzz tests/faults/router tests/sdk/test_answers.py
	@$(BIN)/python -m pytest -q tests/test_compiled.py

# Real kubelet, containerd and runc; the end-to-end tests on kind (docs/testing.md).
test-pods: $(STAMP)
	@$(BIN)/python -m tests.pods

# Each promise of docs/reliability.md with what proves it; each story there with its operator killed after each of its writes.
faults: $(STAMP)
	@$(BIN)/python -m tests.faults.table $(if $(JSON),--json $(JSON))

faults-every-write: $(STAMP)
	@failed=; for story in objects rollout cycle suite_runs replicas; do \
	echo $$story; $(BIN)/python -m tests.faults.$$story || failed="$$failed $$story"; done; \
	test -z "$$failed" || { echo "broken:$$failed"; exit 1; }

# The last release and this one, to and fro, under load (docs/upgrade.md); a thousand backends (docs/scale.md).
bench-upgrade: $(STAMP)
	@$(BIN)/python -m tests.upgrade

bench-scale: $(STAMP)
	@$(BIN)/python -m tests.perf.scale $(if $(JSON),--json $(JSON))

# The images, without Docker, into build/images (docs/images.md).
images: $(STAMP)
	@$(BIN)/python -m tests.images build build/images

e2e-kind: $(STAMP)
	@$(BIN)/python -m tests.kind

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
	@rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .check.log
