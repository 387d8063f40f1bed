# Everything a user or developer does, one line of help each: `make help`.
# A target shows the commands it runs; only Python 3.11 or newer is needed beforehand.

SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON := .venv/bin/python
READY := .venv/.installed
LOCK := requirements.lock
PYTEST := $(PYTHON) -m pytest
# Two files of tests at once, each with servers of its own; servers that are given are shared by nobody.
SIDE_BY_SIDE := $(if $(PERDURE_TEST_POSTGRES_URL)$(PERDURE_TEST_NATS_URL),,-n auto --maxprocesses 2 --dist loadfile)
COMPILE := uv pip compile pyproject.toml --group build --group dev --universal --python-version 3.11 \
	--generate-hashes --no-header --no-annotate --no-emit-index-url --no-emit-find-links

##@ Use
.PHONY: run demo help
run: $(READY) ## Start everything on this machine; Ctrl-C stops it
	@exec .venv/bin/perdure up

demo: $(READY) ## Run one of each kind of work on the running system and watch it
	@exec $(PYTHON) -m perdure_cli.demo

help: ## Show this help
	@awk -F ':.*## ' '/^##@ /{printf "\n%s\n", substr($$0, 5)} /^[a-z-]+:.*## /{printf "  %-14s %s\n", $$1, $$2}' Makefile

##@ Test
.PHONY: test test-tools test-unit test-fault load load-bulk load-items load-rsync load-schedules load-walk cover
test: $(READY) test-tools ## All tests on real PostgreSQL and NATS; installs what they need
	$(PYTEST) tests --ignore=tests/load $(SIDE_BY_SIDE)

test-tools: $(READY) ## Browser and rsync for the tests: the machine's, else apt's, else the installer's
	@bash infra/devstack/test_tools.sh

test-unit: $(READY) ## The quick ones: no servers, no processes
	$(PYTEST) -q $(wildcard tests/unit tests/properties tests/contract)

test-fault: $(READY) ## Kill, stop and cut off parts of the running system, again and again
	PERDURE_TEST_FLOODS=3 PERDURE_TEST_WALKS=20 PERDURE_TEST_WALK_STEPS=200 $(PYTEST) tests/fault

load: $(READY) test-tools ## Bounded load on loopback; prints a table
	$(PYTEST) -s tests/load

load-bulk: $(READY) ## Restart 100,000 failed runs by filter (COUNT=5000: so many); prints a table
	PERDURE_TEST_BULK_RUNS=$(or $(COUNT),100000) $(PYTEST) -q tests/load/test_restart_of_many.py

load-items: $(READY) ## A batch of 1,000,000 items, cancelled and resumed (COUNT=5000: so many); prints a table
	PERDURE_TEST_ITEMS=$(or $(COUNT),1000000) $(PYTEST) -q tests/load/test_very_many_items.py

load-rsync: $(READY) test-tools ## Backups of 20,000 files and of 2 GB, killed and cancelled (FILES=, BYTES=)
	PERDURE_TEST_BACKUP_FILES=$(or $(FILES),20000) PERDURE_TEST_BACKUP_BYTES=$(or $(BYTES),2000000000) \
	  $(PYTEST) -q -s tests/load/test_large_backups.py

load-schedules: $(READY) ## 200 schedules under kills for MINUTES=10, and COUNT=10000 at rest; prints a table
	PERDURE_TEST_SCHEDULE_MINUTES=$(or $(MINUTES),10) PERDURE_TEST_SCHEDULES=$(or $(COUNT),10000) \
	  $(PYTEST) -q -s tests/load/test_many_schedules.py

load-walk: $(READY) ## 2,000 runs under random actions, kills and pauses (COUNT=, SEED=), then checked
	PERDURE_TEST_SYSTEM_WALK_RUNS=$(or $(COUNT),2000) PERDURE_TEST_SYSTEM_WALK_SEED=$(or $(SEED),1) \
	  $(PYTEST) -q -s tests/fault/test_a_walk_of_people_and_faults.py

cover: $(READY) test-tools ## All tests but load, with branch coverage
	$(PYTHON) -m coverage run -m pytest tests --ignore=tests/load
	$(PYTHON) -m coverage combine -q
	$(PYTHON) -m coverage report

##@ Check
.PHONY: check lint types layers vendor-check format ci
check: lint types layers vendor-check test-unit ## Before each commit

lint: $(READY) ## Style: ruff, and the format
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .

types: $(READY) ## Types: mypy, strict
	.venv/bin/mypy

layers: $(READY) ## Imports run downwards only
	.venv/bin/lint-imports --no-logo

vendor-check: $(READY) ## Vendored files are what VENDORED.toml says
	$(PYTHON) infra/vendor_static.py check

format: $(READY) ## Format, and fix what is safe
	.venv/bin/ruff check --fix .
	.venv/bin/ruff format .

ci: ## What CI runs
	bash .ci/run

##@ Develop
.PHONY: sync lock stack migrate package
sync: $(READY) ## Make .venv hold exactly what the lock says

lock: $(READY) ## Resolve the dependencies anew into requirements.lock
	$(COMPILE) --upgrade --quiet --output-file $(LOCK)
	! grep -E 'https?://' $(LOCK)

stack: $(READY) ## Only PostgreSQL and NATS; prints where they are
	@exec $(PYTHON) -m perdure_devstack

migrate: $(READY) ## Bring the database of PERDURE_MIGRATE_URL to this version
	.venv/bin/perdure migrate

package: $(READY) ## Build the wheel and try it in an environment of its own
	@bash infra/devstack/try_package.sh

# Made anew when the interpreter is gone; the newest Python that really runs and can make
# environments is taken (version managers leave commands behind that only fail).
$(READY): $(LOCK) pyproject.toml
	@$(PYTHON) -c '' 2>/dev/null || bash infra/devstack/make_venv.sh
	@echo "Installing what Perdure needs into .venv (once)"
	@$(PYTHON) -m pip install --quiet --disable-pip-version-check --require-hashes -r $(LOCK)
	@$(PYTHON) -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps --editable .
	@touch $@
