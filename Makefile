# Everything a newcomer needs. `make setup` wants Python 3.11+, make and git; `make demo` needs no more,
# `make stack` also maven, through which Trino comes.
# `make test` also installs the system packages that the tests of faults, of the README's examples and of the
# stack need:
SYSTEM_PACKAGES := curl fuse libfuse2 faketime strace maven

PYTHON ?= python3
BIN := .venv/bin
SEED ?= 1
EVENTS ?= 40000
PART ?=
PROFILE ?= embedded
SUPERSET := cluster/stack/superset/requirements

.PHONY: setup demo stack superset system test test-full check pytest pytest-full faults mutants bench lock

setup: .venv/ready

.venv/ready: requirements-dev.lock pyproject.toml
	@echo "1 of 3: making the environment .venv"
	@$(PYTHON) -m venv .venv
	@echo "2 of 3: downloading and installing the locked packages, one to three minutes"
	@rm -f .venv/failed
	@{ $(BIN)/python -m pip install --disable-pip-version-check --progress-bar off --require-hashes \
	  -r requirements-dev.lock || touch .venv/failed; } | awk ' \
	  /^Collecting/ { if (++n % 25 == 0) { print "  " n " packages found"; fflush() } } \
	  /^Installing/ { print "  installing " n " packages"; fflush() }'
	@test ! -e .venv/failed
	@echo "3 of 3: installing beejan itself"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@
	@echo "ready: make demo, or $(BIN)/beejan --help"

demo: setup
	$(BIN)/beejan demo --events $(EVENTS)

stack: setup
	$(BIN)/beejan stack up

superset: stack
	$(BIN)/beejan stack superset up

system:
	@missing=""; for p in $(SYSTEM_PACKAGES); do dpkg -s $$p >/dev/null 2>&1 || missing="$$missing $$p"; done; \
	if [ -n "$$missing" ]; then echo "installing$$missing"; \
	  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq $$missing; fi

# What every change is held to, in a quarter of an hour on two idle cores; what is left to `test-full` (Superset,
# the demo, two deployments, the mutants) takes as long again and runs before an issue is closed.
test: setup system check pytest

test-full: setup system check pytest-full mutants

check:
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy --strict
	$(BIN)/lint-imports

pytest:
	$(BIN)/pytest -q -n 2 --dist worksteal --durations 20

pytest-full:
	$(BIN)/pytest -q -n 2 --dist worksteal --durations 20 -m ""

faults: setup system
	$(BIN)/python -m benchmarks.faults --part "$(PART)" --profile $(PROFILE) --seed $(SEED)

mutants: setup system
	$(BIN)/python -m benchmarks.mutants

bench: setup
	$(BIN)/python -m benchmarks.flow_throughput

lock: setup
	$(BIN)/uv pip compile pyproject.toml --generate-hashes --no-header --no-annotate --no-emit-index-url \
	  --no-emit-find-links --quiet --output-file requirements.lock
	$(BIN)/uv pip compile pyproject.toml --extra dev --extra stack --constraint requirements.lock --generate-hashes \
	  --no-header --no-annotate --no-emit-index-url --no-emit-find-links --quiet --output-file requirements-dev.lock
	$(BIN)/uv pip compile $(SUPERSET).in --python-version 3.11 --generate-hashes --no-header --no-annotate \
	  --no-emit-index-url --no-emit-find-links --quiet --output-file $(SUPERSET).lock
