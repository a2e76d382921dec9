# `make demo` shows Upwell; `make test` is what a change must pass; `make help` lists the rest.
# Needs Python 3.11 or newer and Node 20.19 or newer; everything else is installed into the checkout.

PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
PORT ?= 8000
BIN := .venv/bin
UI := ui/node_modules/.installed
CLIENTS := tests/sdk/node_modules/.installed
PAGES := build/pages
UI_SOURCES := $(shell find ui/src ui/public ui/tools ui/index.html ui/vite*.ts -type f 2>/dev/null)
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

.DEFAULT_GOAL := help
# One thing at a time, but for the checks in `test`: most of them use one core.
ifndef SIDE_BY_SIDE
.NOTPARALLEL:
endif
.PHONY: again help demo build lock clean chromium postgresql mariadb test check format lint imports \
	types ui-lint ui-types ui unit journeys browser pictures faults-quick faults bench prove

help: ## This list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | expand -t 12

demo: .venv/.runs $(PAGES) ## The demo company on http://localhost:8000 (PORT=8100 for another)
	$(BIN)/upwell demo --port $(PORT)

build: .venv/.builds $(PAGES) ## The wheel, in dist/
	rm -rf dist
	$(BIN)/python -m build --wheel --no-isolation

# --- What is installed ---------------------------------------------------------------------------

.venv/.made:
	@test -n "$(PYTHON)" || { echo "Upwell needs Python 3.11 or newer: install it, or make PYTHON=..."; exit 1; }
	$(PYTHON) -m venv .venv
	@touch $@

.venv/.builds: requirements-build.lock .venv/.made
	@echo 'Installing the locked packages into .venv: a minute or two.'
	$(PIP) install --require-hashes -r requirements-build.lock
	@touch $@

.venv/.runs: requirements.lock pyproject.toml .venv/.builds
	$(PIP) install --require-hashes -r requirements.lock
	$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

.venv/.tests: requirements-dev.lock .venv/.runs
	$(PIP) install --require-hashes -r requirements-dev.lock
	@touch $@

.venv/.benches: requirements-bench.lock .venv/.tests
	$(PIP) install --require-hashes -r requirements-bench.lock
	@touch $@

$(UI): ui/package.json ui/package-lock.json
	@node -e 'const [a, b] = process.versions.node.split(".").map(Number); process.exit(a > 20 || (a === 20 && b >= 19) ? 0 : 1)' \
		|| { echo "The pages are built with Node 20.19 or newer: install it first."; exit 1; }
	cd ui && npm ci --no-fund --no-audit
	@touch $@

$(CLIENTS): tests/sdk/package.json tests/sdk/package-lock.json
	cd tests/sdk && npm ci --no-fund --no-audit
	@touch $@

$(PAGES): $(UI) $(UI_SOURCES) $(if $(wildcard src/upwell/web/pages/index.html),,again)
	cd ui && npm run build
	@mkdir -p $(@D) && touch $@

# What is missing of the system is installed where that may be, and named where not.
export CHROMIUM ?= $(or $(shell command -v chromium || command -v google-chrome),/usr/bin/chromium)
define system
	@$(2) || if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		apt-get update -qq && DEBIAN_FRONTEND=noninteractive \
			apt-get install -qq -y --no-install-recommends $(1); \
	else \
		echo 'This needs $(1). On Debian: apt-get install $(1)'; exit 1; \
	fi
endef

chromium:
	$(call system,chromium,test -x "$(CHROMIUM)")

postgresql:
	$(call system,postgresql,ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1)

mariadb:
	$(call system,mariadb-server,PATH=$$PATH:/usr/sbin command -v mariadbd >/dev/null)

# --- What a change must pass ---------------------------------------------------------------------

# One stage: its heading, its command, its time; the times are listed again at the end of `test`.
define stage
	@printf '\n== %s\n' '$(1)'; began=$$(date +%s); \
	if ( $(2) ); then said=passed; else said=FAILED; fi; \
	mkdir -p build; printf '%-28s %-8s %4d s\n' '$(1)' $$said $$(($$(date +%s) - began)) \
		| tee -a build/stages; test $$said = passed
endef
PYTEST = $(BIN)/python -m pytest -q
# A file stays with one of two workers, which share what it has set up; tests/conftest.py orders.
BY_TWO = $(PYTEST) -n 2 --dist loadfile --no-loadscope-reorder
# Most tests wait for the disk longer than they compute: where there is room in memory they use that
# (faults do not: what they cut is a disk).
IN_MEMORY = if [ "$$(df -Pk /dev/shm 2>/dev/null | awk 'END {print $$4}')" -gt 8000000 ] 2>/dev/null; then \
	TMPDIR=$$(mktemp -d /dev/shm/XXXX) && chmod 1777 "$$TMPDIR" && export TMPDIR && trap 'rm -rf "$$TMPDIR"' EXIT; fi;

test: chromium .venv/.tests $(PAGES) ## Everything a change must pass
	@rm -f build/stages
	@$(MAKE) --no-print-directory --keep-going postgresql mariadb \
		|| echo 'Without them the tests of databases are skipped, and say so.'
	@code=0; $(MAKE) --no-print-directory --keep-going -j2 --output-sync=target SIDE_BY_SIDE=1 \
		check ui || code=1; \
	$(MAKE) --no-print-directory --keep-going unit journeys browser faults-quick || code=1; \
	printf '\n== All stages\n'; cat build/stages; exit $$code

check: format lint imports types ui-lint ui-types ## Format, lint, types, imports; runs nothing

format: .venv/.tests
	$(call stage,Format (ruff),$(BIN)/ruff format --check --quiet .)

lint: .venv/.tests
	$(call stage,Lint (ruff),$(BIN)/ruff check --quiet .)

imports: .venv/.tests
	$(call stage,Imports (import-linter),$(BIN)/lint-imports --no-logo)

types: .venv/.tests
	$(call stage,Types (mypy --strict),$(BIN)/mypy)

ui-lint: $(UI)
	$(call stage,Lint of the pages (oxlint),cd ui && npm run --silent lint)

ui-types: $(UI)
	$(call stage,Types of the pages (svelte),cd ui && npm run --silent check)

ui: $(UI)
	$(call stage,Tests of the pages (vitest),cd ui && npm test --silent)

unit: .venv/.tests $(PAGES) $(CLIENTS) ## Quick tests: units, laws, oracle, conformance, short journeys
	$(call stage,Units and laws,$(IN_MEMORY) $(BY_TWO) -m "not slow and not browser and not faults")

journeys: .venv/.tests $(PAGES) $(CLIENTS) ## Long journeys, among them the wheel in an empty environment
	$(call stage,Journeys,$(IN_MEMORY) $(BY_TWO) tests/journeys -m slow --durations 10)

browser: chromium .venv/.tests $(PAGES) $(CLIENTS) ## The pages in Chromium
	$(call stage,Browser,$(IN_MEMORY) $(BY_TWO) tests/browser --durations 10)

pictures: ## Every page and state as a picture, and one page of them all
	@rm -rf tests/browser/pictures
	@$(MAKE) --no-print-directory browser
	@$(BIN)/python -m tests.browser.sheet

faults-quick: .venv/.tests
	$(call stage,Faults - the quick part,UPWELL_FAULTS=quick $(PYTEST) tests/faults --durations 5)

faults: .venv/.tests ## The whole of kill, cut and damage: a thousand kills under load
	UPWELL_FAULTS=full $(PYTEST) tests/faults --durations 10

bench: chromium postgresql .venv/.benches $(PAGES) ## Figures, beside those of the peers
	$(BIN)/python -m bench $(ARGS)

prove: chromium .venv/.benches $(PAGES) ## The claims of the README, each with its command and figure
	$(BIN)/python -m bench.prove $(ARGS)

# --- Upkeep --------------------------------------------------------------------------------------

UV = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-emit-find-links --custom-compile-command 'make lock' $(LOCK_ARGS)

lock: .venv/.made ## Resolve the locks again (LOCK_ARGS=--upgrade for newer releases)
	$(PIP) install uv
	$(UV) pyproject.toml -o requirements.lock
	$(UV) --group build -o requirements-build.lock
	$(UV) -c requirements.lock pyproject.toml --group dev -o requirements-dev.lock
	$(UV) -c requirements-dev.lock pyproject.toml --group dev --group bench -o requirements-bench.lock

clean: ## Remove what was built or installed; data stays
	rm -rf .venv build dist ui/node_modules tests/sdk/node_modules src/upwell/web/pages src/upwell/reports/bundle \
		.mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
