# make help names the targets; PYTHON=python3.12 chooses the interpreter.
PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3; do $$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null && echo $$p && break; done)
ARGS ?= --stack local
# Compiled modules make the second command start three times faster.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help run test check
help: ## Name the targets
	@grep -hE '^[a-z.-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/'

.venv/run: requirements.txt
	$(PYTHON) -m venv .venv
	.venv/bin/python -m pip install --quiet uv
	.venv/bin/uv pip install --quiet --python .venv -r requirements.txt
	touch $@

.venv/dev: .venv/run requirements/dev.txt
	.venv/bin/uv pip install --quiet --python .venv -r requirements/dev.txt
	touch $@

run: .venv/run ## Set up and run the whole journey on this machine
	.venv/bin/python run.py $(ARGS)

test: .venv/dev ## Set up and run the unit and integration tests
	.venv/bin/python -m pytest -q tests

check: .venv/dev ## Lint
	.venv/bin/ruff check --select E9,F project tabular steps pipelines tracking serving deployers stacks cli tests run.py
