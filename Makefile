# The same verbs for people and for CI: `make help` lists them.

SHELL := /bin/bash
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup check test test-real sim bench soak profile coefficients load load-ui demo serve lock clean

VENV := .venv
PY := $(VENV)/bin/python
JEDEL := $(VENV)/bin/jedel
INSTALLED := $(VENV)/.installed
# Test processes at once: one more than two cores, for a third of the time a test waits. Servers and databases are each test's
# own, so it may be raised.
WORKERS ?= 3
# Who is done takes from who is not: one would be left with ten blocks of the simulation when the others have nothing to do.
SHARED := --dist=worksteal
# Seeds that `make sim` runs; `make test` runs fewer of them.
SEEDS ?= 1000
# The folder with the real files that `make test-real` reads; it is never copied into the project.
REAL_DATA ?= ../shared/data
# What `make load` plays: which shape (day, new_year, earthquake, reconnect), for so many seconds, so many times as much, by so
# many locust workers (0: one process).
SHAPE ?= day
LOAD_S ?= 20
LOAD ?= 1
LOAD_WORKERS ?= 0
# Where `make load-ui` shows locust's page, on this machine only.
LOAD_UI_PORT ?= 8089
# How long `make soak` plays.
SOAK_S ?= 1800
# What `make serve` runs on: by default this machine only, with tokens that everybody knows.
CONFIG ?= ops/example.toml

help: ## lists the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup: $(INSTALLED) ## makes .venv with everything pinned in requirements.lock

# A venv that is half made is of no use to the next run, so the stamp is written last. A cloned file's time says nothing about
# its content, so the stamp is a file that only a finished installation touches.
$(INSTALLED): requirements.lock pyproject.toml
	@set -eu; \
	if [ ! -x "$(PY)" ]; then \
	  chosen=""; \
	  for candidate in $(PYTHON) python3.13 python3.12 python3.11 python3; do \
	    if "$$candidate" -c 'import ensurepip, venv, sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then \
	      chosen="$$candidate"; break; \
	    fi; \
	  done; \
	  if [ -z "$$chosen" ]; then \
	    echo "setup: needs Python 3.11 or newer with its venv module (Debian: apt-get install python3-venv);" \
	         "or name one: make setup PYTHON=/path/to/python3" >&2; \
	    exit 1; \
	  fi; \
	  echo "setup: $(VENV) with $$("$$chosen" --version)"; \
	  "$$chosen" -m venv $(VENV); \
	fi
	@"$(PY)" -c 'import sys; sys.exit("setup: $(VENV) has Python %d.%d, needs 3.11 or newer: make clean setup" % sys.version_info[:2] if sys.version_info < (3, 11) else 0)'
	@# Python compiles what is imported, when it is; all of it beforehand makes this a quarter longer.
	$(PY) -m pip install --quiet --disable-pip-version-check --no-compile --require-hashes -r requirements.lock
	$(PY) -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	@touch $@

check: $(INSTALLED) ## lints, checks the format and the types
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy

test: check ## check, then every test that needs nothing outside the project
	$(PY) -m pytest -q -n $(WORKERS) $(SHARED) -m "not real"

# A file's tests share what they have read, which takes them longest.
test-real: $(INSTALLED) ## the tests on the real files in REAL_DATA
	REAL_DATA="$(REAL_DATA)" $(PY) -m pytest -q -n 2 --dist=loadfile -m real

sim: $(INSTALLED) ## the seeded simulation on virtual time (SEEDS=1000, or one SEED=17)
ifdef SEED
	$(PY) -m tests.simulation $(SEED)
else
	SEEDS=$(SEEDS) $(PY) -m pytest -q -n $(WORKERS) $(SHARED) tests/simulation
endif

bench: $(INSTALLED) ## measures speed and memory against the baselines; results also in build/bench.json
	$(PY) -m loadtest.bench

soak: $(INSTALLED) ## a long run under 70 % load (SOAK_S=1800): whether memory and latency stay; pictures in build/soak
	$(PY) -m loadtest.soak --seconds $(SOAK_S)

profile: $(INSTALLED) ## where each microsecond of an event goes, by py-spy: writes loadtest/PROFILE.md
	$(PY) -m loadtest.profiling

coefficients: $(INSTALLED) ## measures what one event costs, for `jedel size`: writes ops/coefficients.json
	$(PY) -m loadtest.cost

load: $(INSTALLED) ## a short load run on a service and database of its own, proved; build/load/report.html (SHAPE, LOAD_S, LOAD)
	$(PY) -m loadtest.load --shape $(SHAPE) --seconds $(LOAD_S) --times $(LOAD) --workers $(LOAD_WORKERS)

load-ui: $(INSTALLED) ## the same, begun by hand in locust's page on 127.0.0.1:8089 (LOAD_UI_PORT); ^C ends it and proves what was played
	$(PY) -m loadtest.load --shape $(SHAPE) --seconds $(LOAD_S) --times $(LOAD) --web-port $(LOAD_UI_PORT)

demo: $(INSTALLED) ## a simulated city through real sockets, for DEMO_S seconds (30)
	$(JEDEL) demo

serve: $(INSTALLED) ## the service with CONFIG (ops/example.toml), its own PostgreSQL in ./jedel-data
	$(JEDEL) serve --config $(CONFIG)

# uv resolves for every Python from 3.11 on and every system at once; it has a venv of its own, for it is no dependency.
lock: $(INSTALLED) ## pins the newest versions that pyproject.toml allows (read the diff)
	$(PY) -m venv --clear build/lock
	build/lock/bin/python -m pip install --quiet --disable-pip-version-check uv
	build/lock/bin/uv pip compile --quiet --universal --python-version 3.11 --upgrade --generate-hashes --all-extras \
	  --no-header --output-file requirements.lock pyproject.toml
	rm -rf build/lock

clean: ## removes what setup and the tests have made (not jedel-data)
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .hypothesis *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
