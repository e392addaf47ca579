# SPDX-License-Identifier: Apache-2.0
# ARGS passes options on:  make sim ARGS="--speed 1.0 --duration 60"   make test ARGS="-k safety -x"
SHELL := /bin/bash
ARGS ?=
ENV := source tools/env.sh

.DEFAULT_GOAL := help
.PHONY: help setup sim check test test-quick train-human lock clean

help: ## list the commands
	@grep -E '^[a-z-]+:.*##' Makefile | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 20
	@echo 'Options go into ARGS:  make sim ARGS="--help"'

setup: ## environment in .venv and packages in install/, quick when nothing changed
	@tools/setup.sh

sim: setup ## the main job: a human walks in the exoskeleton over ROS 2, first unassisted, then assisted
	@$(ENV) && exec exo sim $(ARGS)

check: setup ## lint, format and types
	@$(ENV) && { python -m ruff --version && python -m mypy --version; } >/dev/null 2>&1 \
	  || .venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@$(ENV) && exec python tools/check.py $(ARGS)

test: setup ## the whole test suite, without the endurance trials
	@$(ENV) && exec python -m pytest $(ARGS)

test-quick: setup ## unit tests: no graph of processes, no training
	@$(ENV) && exec python -m pytest -m "not slow and not endurance" $(ARGS)

train-human: setup ## train the walker
	@$(ENV) && exec exo train human $(ARGS)

lock: ## after a change of requirements*.txt: the lock files, with the hash of every package
	@python3 tools/lock.py

clean: ## remove the environment and the builds; runs/ stays
	rm -rf .venv build install log .pytest_cache
