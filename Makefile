# Every target sets up what it needs. The work of each is a tool's or a script's: this file only names it.
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

BIN := .venv/bin
ARGS ?=
WORKERS ?= 2
AWS_LOCAL_PORT ?= 0
STAGE ?= dev
SECONDS_OF_FAULTS ?= 1800

.PHONY: help
help: ## Show this list
	@echo "make TARGET [ARGS=\"...\"]; ARGS is handed on, as in: make serve ARGS=\"--port 9000\""
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  %-16s %s\n", $$1, $$2}'

.PHONY: setup
setup: ## Make .venv with the rez-agent command in it (does nothing when nothing changed)
	@PYTHON="$(PYTHON)" scripts/setup runtime

.PHONY: setup-development
setup-development: ## The same, with everything that tests, checks, benches and the AWS host need
	@PYTHON="$(PYTHON)" scripts/setup development

.PHONY: serve
serve: setup ## Run the server on 127.0.0.1:8080, with its data in ./rez-data
	@$(BIN)/rez-agent serve $(ARGS)

.PHONY: demo
demo: setup ## See it work: a server, a target and three schedules, one of which fires in seconds
	@$(BIN)/rez-agent demo $(ARGS)

.PHONY: check
check: setup-development ## Check format, lint, the order of imports, types, and that nothing is left over
	@scripts/check

.PHONY: format
format: setup-development ## Format the code and mend what ruff can mend by itself
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

.PHONY: test
test: setup-development ## Run the tests on WORKERS processes (2) and show the coverage
	$(BIN)/pytest --numprocesses $(WORKERS) --dist loadfile --cov --cov-report term $(ARGS)

.PHONY: bench
bench: setup-development ## Measure every figure that the README gives
	$(BIN)/python -m bench $(ARGS)

.PHONY: nightly-zones
nightly-zones: setup-development ## Check every clock change of every zone, 2020 to 2037, against an oracle
	REZ_NIGHTLY=1 $(BIN)/pytest tests/domain/test_zones_nightly.py $(ARGS)

.PHONY: nightly-kill
nightly-kill: setup-development ## Kill the server 200 times, fail and fill its disk, cut its power, flip its bits
	$(BIN)/python -m tests.disk --record build/nightly/disk.json --seconds $(SECONDS_OF_FAULTS)
	REZ_NIGHTLY=1 $(BIN)/pytest tests/e2e/test_kill.py tests/e2e/test_storage.py tests/e2e/test_backup_under_load.py \
		tests/disk -rP -o faulthandler_timeout=1500 $(ARGS)

.PHONY: nightly-sim
nightly-sim: setup-development ## Play 100,000 simulated stories (ARGS="--minutes 30"), going on where a run stopped
	$(BIN)/python -m tests.simulation --seeds 100000 --resume build/simulation --minutes 110 $(ARGS)

.PHONY: build
build: setup-development ## Write the Lambda functions' zips to build/ (ACTIONS=actions.yaml PLUGINS="pkg ...")
	@$(BIN)/python -m infrastructure.build --actions "$(ACTIONS)" --plugins "$(PLUGINS)" $(ARGS)

.PHONY: synth
synth: setup-development ## Write the CloudFormation template of STAGE (dev) to build/, and its path last
	@$(BIN)/python -m infrastructure.synth --stage "$(STAGE)" $(ARGS)

.PHONY: aws-local
aws-local: build ## Run a whole AWS on AWS_LOCAL_PORT (a free one) of this machine, the stack deployed to it
	@exec $(BIN)/python -m infrastructure.aws_local --port "$(AWS_LOCAL_PORT)" $(ARGS)

.PHONY: lock
lock: setup-development ## Write the lock files anew from pyproject.toml (ARGS="--upgrade" to move versions)
	scripts/lock $(ARGS)

.PHONY: clean
clean: ## Remove .venv and every cache; ./rez-data stays
	rm -rf .venv build dist htmlcov .coverage .coverage.* .hypothesis
	rm -rf .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
