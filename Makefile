# PYTHON=python3.12 chooses the interpreter, ARGS="--dataset penguins" the options of `make run`, TESTS=tests/unit the tests.
PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3; do $$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null && echo $$p && break; done)
ARGS ?= --stack local
TESTS ?= tests
UV := .venv/bin/uv
VERSION = $(shell sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)
S3_IMAGE = $(shell sed -n 's/.* image: \(versity[^ ]*\).*/\1/p' k8s/platform/overlays/minikube/s3.yaml)
REVISION = $(shell git describe --always --dirty --abbrev=40 --match='' 2>/dev/null || echo unknown)
COMPILE := $(UV) pip compile --quiet --universal --python-version 3.11 --no-header --no-annotate --no-emit-index-url

# Nothing is told to anyone; `run.py` says the same for whoever calls it without make.
export ZENML_ANALYTICS_OPT_IN := false
export MLFLOW_DISABLE_TELEMETRY := true
export DO_NOT_TRACK := 1
export GX_ANALYTICS_ENABLED := false
# Compiled modules make the second command start three times faster.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help run test check data-quality format coverage lock image cluster-up platform-up platform-down platform-env s3-image test-docker test-cluster test-slow sbom

help: ## List the targets
	@sed -nE 's/^([a-z-]+):.*## (.*)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20

.venv/run: requirements.txt
	@test -n "$(PYTHON)" || { echo "Python 3.11, 3.12 or 3.13 is needed: make PYTHON=/path/to/python" >&2; exit 2; }
	$(PYTHON) -m venv .venv
	.venv/bin/python -m pip install --quiet --constraint requirements/dev.txt uv
	$(UV) pip install --quiet --python .venv --requirements requirements.txt
	touch $@

.venv/dev: .venv/run requirements/dev.txt
	$(UV) pip install --quiet --python .venv --requirements requirements/dev.txt
	touch $@

run: .venv/run ## Set up and run the whole journey on this machine
	.venv/bin/python run.py $(ARGS)

test: .venv/dev ## Set up and run the unit and integration tests
	.venv/bin/python -m pytest -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder --junitxml build/tests.xml -m "not docker and not cluster" $(TESTS)

check: .venv/dev ## Set up and run the linters, the type checker and the rules on imports
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	.venv/bin/lint-imports --no-logo
	$(UV) pip check --quiet --python .venv

data-quality: .venv/run ## Check the rows of every data set against its contract
	for contract in configs/datasets/*.yaml; do \
	  .venv/bin/python run.py data validate --dataset "$$(basename "$$contract" .yaml)" || exit; \
	done

format: .venv/dev ## Sort the imports, apply safe fixes and format
	.venv/bin/ruff check --fix-only .
	.venv/bin/ruff format .

# What of deployers/ speaks to a cluster is run by the tests that have one.
coverage: .venv/dev ## Run the tests, show the lines none of them runs; fails below 90 % of tabular, deployers or stacks
	.venv/bin/python -m pytest -n auto --maxprocesses 4 --dist loadfile --cov --cov-report=term-missing:skip-covered -m "not docker and not cluster" $(TESTS)
	for package in tabular deployers stacks; do \
	  .venv/bin/python -m coverage report --include="$$package/*" --omit="deployers/kubernetes/*,deployers/seldon/*" \
	    --fail-under=90 --format=total || { echo "error: coverage of $$package is below 90 %" >&2; exit 1; }; \
	done

lock: .venv/dev ## Write the locks anew from pyproject.toml; ARGS=--upgrade takes newer versions
	$(COMPILE) $(filter --upgrade%,$(ARGS)) --extra stores --extra serving pyproject.toml --output-file requirements.txt
	$(COMPILE) --constraint requirements.txt --extra stores --extra serving --extra dev pyproject.toml --output-file requirements/dev.txt
	$(COMPILE) --constraint requirements.txt pyproject.toml --output-file requirements/steps.txt
	for name in serving zenml-server mlflow-server sbom; do \
	  .venv/bin/python -c 'import sys, tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["project"]["optional-dependencies"][sys.argv[1]], sep="\n")' $$name \
	  | $(COMPILE) --constraint requirements.txt - --output-file requirements/$$name.txt || exit; done

image: ## Build the server's image, heart-model:dev; REGISTRY= and INDEX_URL= choose mirrors
	docker build --target serving --tag heart-model:dev --build-arg VERSION=$(VERSION) --build-arg REVISION=$(REVISION) \
	  $(foreach name,REGISTRY INDEX_URL,$(if $($(name)),--build-arg $(name))) .

cluster-up: .venv/run ## Find a Kubernetes cluster or start one: eval "$$(make -s cluster-up)"
	@.venv/bin/python -m k8s.platform cluster-up

platform-up: .venv/run ## Put ZenML, MLflow and S3 into the cluster and try them; twice is as good as once
	@.venv/bin/python -m k8s.platform up $(if $(OVERLAY),--overlay $(OVERLAY))

platform-down: .venv/run ## Delete them with all they stored
	@.venv/bin/python -m k8s.platform down

platform-env: .venv/run ## Print the variables of stacks/minikube.yaml: eval "$$(make -s platform-env)"
	@.venv/bin/python -m k8s.platform env $(if $(OVERLAY),--overlay $(OVERLAY))

s3-image: ## Build the S3 server's image from its released module, where it can not be pulled; needs Go
	CGO_ENABLED=0 GOBIN=$(CURDIR)/build/s3 go install -trimpath -ldflags '-s -w' github.com/versity/versitygw/cmd/versitygw@$(lastword $(subst :, ,$(S3_IMAGE)))
	docker build --quiet --file k8s/platform/s3.Dockerfile --tag $(S3_IMAGE) build/s3

test-docker: .venv/dev ## Build the images and run the tests that need a Docker engine
	.venv/bin/python -m pytest --junitxml build/tests-docker.xml -m docker tests/docker

test-cluster: .venv/dev ## Run the tests that need a cluster and the platform in it
	.venv/bin/python -m pytest --junitxml build/tests-cluster.xml --durations 25 -m cluster tests/cluster

test-slow: .venv/dev ## Run the tests that take long: many malformed requests, a soak, full disks
	.venv/bin/python -m pytest -n auto --maxprocesses 4 --dist loadfile --slow -m slow $(TESTS)

sbom: .venv/dev ## Write what the server's image has installed to build/sbom.serving.json (CycloneDX)
	$(UV) venv --quiet --clear --python 3.11 build/serving
	$(UV) pip install --quiet --python build/serving --requirements requirements/serving.txt
	$(UV) tool run --quiet --isolated --with-requirements requirements/sbom.txt --from cyclonedx-bom \
	  cyclonedx-py environment --pyproject pyproject.toml --output-reproducible --output-file build/sbom.serving.json build/serving
