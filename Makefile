# Every target says what it does: `make help`.
.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
SOURCES := aggregates projections infra services tests benchmarks docs/examples

help: ## show what can be made
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  %-14s %s\n", $$1, $$2}'

.venv/server: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Yewu needs Python 3.11 or later: install it, or name it with make PYTHON=..."; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --no-index -e .
	@touch $@

.venv/dev: .venv/server requirements-dev.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@touch $@

up: .venv/server ## run Yewu on this machine: database, API, projector, builder; Ctrl-C ends it
	@exec $(BIN)/yewu up

demo: .venv/server ## the same on data of its own, with a generated help desk already in it
	@exec $(BIN)/yewu demo

kafka: .venv/server ## Apache Kafka on this machine, port 9092; Ctrl-C ends it
	@exec $(BIN)/yewu kafka broker

test: .venv/dev ## everything, against a real PostgreSQL and a real Apache Kafka
	@$(BIN)/python -m pytest --numprocesses auto --dist loadfile

check: .venv/dev ## format, lint, types, imports, generated files
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/python -m tests.generate --check

generate: .venv/dev ## make the generated files anew: catalogues, translations, schemas, stored forms
	$(BIN)/python -m tests.generate

release-schemas: .venv/dev ## write down for ever what a release promises to subscribers: make release-schemas VERSION=0.2.0
	@$(BIN)/python -m tests.release $(VERSION)

bench: .venv/dev ## measure, and write docs/performance.md and build/bench.json
	$(BIN)/python -m benchmarks

bench-faults: .venv/dev ## bad days for minutes, kills under load, relays, projectors: make bench-faults KILLS=300 SEEDS=30 SECONDS=300 SEED=1
	@$(if $(or $(KILLS),$(SEEDS),$(if $(SECONDS),,all)),$(BIN)/python -m tests.faults $(if $(KILLS),--kills $(KILLS)) $(if $(SEEDS),--seeds $(SEEDS)) $(if $(SEED),--seed $(SEED)),:)
	@$(if $(or $(SECONDS),$(if $(or $(KILLS),$(SEEDS)),,all)),$(BIN)/python -m tests.faults.projectors --seconds $(or $(SECONDS),300) $(if $(SEED),--seed $(SEED)),:)

schema-long: .venv/dev ## send thousands of made-up requests as every role: make schema-long CASES=10000 ROLES="MGR CS" SEED=1
	@$(BIN)/python -m tests.schema_long --cases $(or $(CASES),10000) $(if $(ROLES),--roles $(ROLES)) $(if $(SEED),--seed $(SEED))

proofs: .venv/dev ## 10,000 random histories of rights, 1,000 races for one limit: make proofs HISTORIES=10000 RACES=1000
	@YEWU_HISTORIES=$(or $(HISTORIES),10000) YEWU_RACES=$(or $(RACES),1000) $(BIN)/python -m pytest -q \
	  tests/proofs tests/services/test_credit_race.py

mutants: .venv/dev ## seed bugs one by one, and see each caught by its test
	@$(BIN)/python -m tests.mutants

lock: .venv/dev ## resolve the dependencies anew
	$(BIN)/python -m uv pip compile --quiet pyproject.toml --extra server --extra build $(LOCKED) -o requirements.lock
	$(BIN)/python -m uv pip compile --quiet pyproject.toml --extra server --extra build --extra dev $(LOCKED) -o requirements-dev.lock
LOCKED := --generate-hashes --no-emit-index-url --no-header --no-annotate --universal --python-version 3.11

clean: ## remove what was built; data stay
	rm -rf .venv build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis

.PHONY: help up demo kafka test check generate release-schemas bench bench-faults schema-long proofs mutants lock clean
