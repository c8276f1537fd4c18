# Every target does all of its own set-up on a machine with Python >= 3.11, pip and make.
# Environments live in .venv (and .venv-bench, .venv-3.12...); their stamp files depend on the
# locks, so a changed lock is installed by whichever target runs next.

PYTHON  ?= $(shell tools/find-python.sh)
JOBS    ?= 3
MINUTES ?= 10
PYTHONS ?= 3.12 3.13
VENV    := .venv
BIN     := $(VENV)/bin
PIP     := $(BIN)/python -m pip --disable-pip-version-check --no-input
EDITABLE = -m pip --disable-pip-version-check install --quiet --no-deps --no-build-isolation --editable .

.DEFAULT_GOAL := help
.PHONY: help demo test slow stress check lint format types imports surface generated mutants docs \
        docs-html coverage bench wheel encryption pythons lock clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# --- environments ----------------------------------------------------------------------------

$(VENV)/.made:
	@test -n "$(PYTHON)" || { echo "No Python >= 3.11 found: set PYTHON=/path/to/python3" >&2; exit 1; }
	tools/make-venv.sh "$(PYTHON)" $(VENV)
	@touch $@

$(VENV)/.run: $(VENV)/.made requirements/run.txt pyproject.toml
	$(PIP) install --quiet --no-deps --require-hashes -r requirements/run.txt
	$(BIN)/python $(EDITABLE)
	@touch $@

$(VENV)/.test: $(VENV)/.run requirements/test.txt
	$(PIP) install --quiet --no-deps --require-hashes -r requirements/test.txt
	@touch $@

$(VENV)/.check: $(VENV)/.test requirements/check.txt
	$(PIP) install --quiet --no-deps --require-hashes -r requirements/check.txt
	@touch $@

$(VENV)/.demo: $(VENV)/.run requirements/demo.txt
	$(PIP) install --quiet --no-build-isolation --no-deps --require-hashes -r requirements/demo.txt
	@touch $@

$(VENV)/.lock: $(VENV)/.made requirements/lock.txt
	$(PIP) install --quiet --no-deps --require-hashes -r requirements/lock.txt
	@touch $@

.venv-bench/.made: requirements/bench.txt pyproject.toml
	tools/make-venv.sh "$(PYTHON)" .venv-bench
	.venv-bench/bin/python -m pip --disable-pip-version-check install --quiet --no-deps --require-hashes -r requirements/bench.txt
	.venv-bench/bin/python $(EDITABLE)
	@touch $@

# The apsw that encrypts has the module of the other apsw: it goes in last, over it.
.venv-encryption/.made: requirements/test.txt requirements/encryption.txt pyproject.toml
	tools/make-venv.sh "$(PYTHON)" .venv-encryption
	.venv-encryption/bin/python -m pip --disable-pip-version-check install --quiet --no-deps --require-hashes -r requirements/test.txt
	.venv-encryption/bin/python -m pip --disable-pip-version-check install --quiet --force-reinstall --no-deps --require-hashes -r requirements/encryption.txt
	.venv-encryption/bin/python $(EDITABLE)
	@touch $@

# --- what people run --------------------------------------------------------------------------

demo: $(VENV)/.demo ## the whole year of New York flights, end to end
	$(BIN)/pyesdb demo --year

test: $(VENV)/.test ## every test but those of `make slow` and `make stress`; at most 4 minutes on 2 cores
	$(BIN)/python -m pytest -n $(JOBS) --dist loadgroup

slow: $(VENV)/.test ## the tests that `make test` leaves out: rarer kinds of stores, kills that take seconds
	TESTS_REPLAY=1 $(BIN)/python -m pytest -q -n $(JOBS) --dist loadgroup -m slow

stress: $(VENV)/.test $(VENV)/.demo ## the long runs; MINUTES=10, PYESDB_SEED=... repeats what failed
	PYESDB_STRESS_MINUTES=$(MINUTES) $(BIN)/python -m pytest -m stress --timeout 0 -s

bench: .venv-bench/.made ## side by side with the peers; fails when a ratio is 20 % worse than landed; BENCH=--quick
	.venv-bench/bin/python -m benchmarks $(BENCH)

encryption: .venv-encryption/.made $(VENV)/.check ## encrypted stores, in an environment whose apsw can encrypt
	PYESDB_TEST_ENCRYPTION=1 .venv-encryption/bin/python -m pytest -n $(JOBS) --dist loadgroup -m encryption tests/encryption tests/docs
	.venv-encryption/bin/python -m pytest -q -n $(JOBS) --dist loadgroup tests/golden tests/crash/test_faults.py tests/contract/test_stores.py
	PYESDB_TEST_ENCRYPTION=1 .venv-encryption/bin/python tests/mutants/run.py --encryption
	$(BIN)/python tools/try_encryption.py

lint: $(VENV)/.check ## ruff: rules and format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: $(VENV)/.check ## let ruff rewrite what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

types: $(VENV)/.check ## basedpyright, strict on src
	$(BIN)/basedpyright

imports: $(VENV)/.check ## the rooms: arrows point down only
	$(BIN)/lint-imports --no-cache

surface: $(VENV)/.test ## the package against tests/surface/api.pyi, sync and async
	$(BIN)/python -m pytest -q tests/surface tests/tidy

generated: $(VENV)/.check $(VENV)/.demo ## regenerate what is generated and compare
	$(BIN)/python tools/generated.py --check
	$(BIN)/python tools/make_flights.py --check

mutants: $(VENV)/.test ## every patch in tests/mutants must make its test fail
	$(BIN)/python tests/mutants/run.py

docs: $(VENV)/.check ## build the docs with warnings as errors and run every example
	$(BIN)/python -m sphinx -W --keep-going -q -b html docs build/docs
	$(BIN)/python -m pytest -q tests/docs
	@echo "build/docs/index.html"

coverage: $(VENV)/.check ## branch coverage of the quick tests
	$(BIN)/python -m pytest -n $(JOBS) --dist loadgroup --cov --cov-report=term --cov-report=html:build/coverage

wheel: $(VENV)/.check ## build the wheel and try it in an empty environment outside the tree
	$(BIN)/python tools/try_wheel.py

pythons: $(VENV)/.test ## a short run on the other interpreters; PYTHONS="3.12 3.13"
	JOBS=$(JOBS) tools/other-pythons.sh $(PYTHONS)

# Those of one process each run two at a time.
check: ## everything that CI runs, at most 20 minutes
	$(MAKE) test
	$(MAKE) slow
	$(MAKE) $(VENV)/.check $(VENV)/.demo
	$(MAKE) -j2 --output-sync=target lint types imports generated docs wheel
	$(MAKE) mutants
	$(MAKE) encryption
	$(MAKE) pythons
	@echo "check: all of it passed"

lock: $(VENV)/.lock ## write requirements/*.txt anew; UPGRADE=--upgrade for newer releases
	UV=$(BIN)/uv UPGRADE=$(UPGRADE) tools/lock.sh

clean: ## remove environments and build output
	rm -rf .venv .venv-bench .venv-encryption .venv-3.* build dist
