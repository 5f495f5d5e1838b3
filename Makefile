# Image Factory. `make help` lists the targets; each sets up what it needs.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
VENV := .venv
PY := $(VENV)/bin/python
PYTHON ?= $(shell for each in python3.11 python3.12 python3.13 python3; do if $$each -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null; then echo $$each; break; fi; done)
TESTS ?= tests
PROFILES ?= cis_server_l1
MARKS ?= not campaign and not openapi and not content
# The unit tier: no process, no port, fewer examples of each property. `make matrix` runs it on each Python.
UNIT_TESTS := --hypothesis-profile=quick -m "not process and not slow and not campaign" tests/unit tests/setup/test_lock_is_complete.py
SCENARIO ?= release
# Without a home to write to, pip, npm and tools/ keep their caches in the checkout.
ifneq ($(shell test -w "$${HOME:-/nonexistent}" && echo yes),yes)
export XDG_CACHE_HOME ?= $(CURDIR)/.cache
export npm_config_cache ?= $(XDG_CACHE_HOME)/npm
endif
.PHONY: help setup run up test test-unit test-openapi campaign matrix check format simulate lock packer packer-test content-check clean

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 12

setup: $(VENV)/.command local/node_modules/.installed  ## set up .venv and Azurite in this checkout (done by every other target)

$(VENV)/.installed: requirements.txt requirements-dev.txt
	@tools/set_up.sh python "$(PYTHON)" $(VENV)

$(VENV)/.command: $(VENV)/.installed pyproject.toml
	@tools/set_up.sh command $(VENV)

local/node_modules/.installed: local/package.json local/package-lock.json
	@tools/set_up.sh node

run: setup  ## the main job, end to end, on this machine; SCENARIO=bad-child lets one child fail compliance
	@$(PY) -m local.run --scenario "$(SCENARIO)"

up: setup  ## the main job, then keep serving until Ctrl-C
	@$(PY) -m local.run --keep --scenario "$(SCENARIO)"

test: setup  ## every test but the long ones; MARKS=campaign runs the long ones
	@$(PY) -m pytest -n 2 --dist loadgroup -m "$(MARKS)" $(TESTS)

test-unit: setup  ## the quick tests: no process, no port
	@$(PY) -m pytest -q -n 2 $(UNIT_TESTS)

test-openapi: setup  ## schemathesis asks the API what its OpenAPI document promises, by each role; about 5 minutes
	@$(PY) -m pytest -n 0 tests/openapi

content-check: setup .cache/ansible-rhel9/.installed .cache/content-check/.installed  # a root like Azure's is hardened by the real steps and scanned; hygiene looks at real packages; PROFILES="cis stig" takes others
	@tools/check.sh ansible yaml shell && $(PY) -m tools.content.tailoring && IMAGE_FACTORY_PROFILES="$(PROFILES)" $(PY) -m pytest -n 0 -rPs tests/content tests/unit/images/test_tailoring.py tests/unit/images/test_guide.py tests/unit/images/test_rules_diff.py tests/unit/tools/test_hardening_tables.py

.cache/%/.installed: tools/%.txt $(VENV)/.installed
	@tools/install_lock.sh $(PY) $< -- --upgrade --target $(@D) && touch $@

campaign: setup  ## 2,000 seeds of the whole simulated story; stopped, it goes on where it was; ARGS="--seeds 100"
	@$(PY) -m simulation.campaign $(ARGS)

matrix: local/node_modules/.installed  ## set-up and the unit tests on each Python 3.11 to 3.13 of this machine, each in .matrix/
	@tools/matrix.sh $(UNIT_TESTS)

check: setup  ## the whole gate: format, lint, types, layers, documents, coverage of the domain
	@tools/check.sh

format: setup  ## format, and repair what can be repaired
	@$(VENV)/bin/ruff check --fix --quiet . || true
	@$(VENV)/bin/ruff format --quiet .

simulate: setup  ## the services under virtual time with faults; ARGS="--seeds 200 --images 60 --faults heavy"
	@$(PY) -m simulation $(ARGS)

lock: setup  ## compile the requirements again, hashed and without index addresses
	@for name in requirements requirements-dev tools/ansible-lint tools/newest-sdks tools/schemathesis tools/content-check tools/ansible-rhel9; do $(VENV)/bin/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-header --no-strip-extras --python-version 3.11 $$name.in -o $$name.txt; done

packer: setup  ## the real Packer and its azure plugin, built into .packer/; needs Go. packer-test runs the templates through it
	@$(PY) -m tools.build_packer

packer-test: packer  # the templates through the real Packer; PACKER_AZURE_PLUGIN=path takes another plugin
	@IMAGE_FACTORY_REQUIRE="packer,$${IMAGE_FACTORY_REQUIRE:-}" $(PY) -m pytest -n 2 --dist loadgroup tests/packer

clean:  ## remove what the targets made
	@rm -rf $(VENV) .matrix .packer local/node_modules .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage
