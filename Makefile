# `make generate` and `make test` set up everything themselves, into .venv.
# The same commands as in pixi.toml, for those who do not use pixi.

ifndef PYTHON
PYTHON := $(shell for p in python3.12 python3.13 python3.11 python3 python; do \
	$$p -c 'import sys, venv, ensurepip; assert (3, 11) <= sys.version_info < (3, 14)' \
	2>/dev/null && echo $$p && break; done)
endif
# -P: files in this folder are not taken for modules of Python's own.
COURSE := .venv/bin/python -P -m course
# Byte code is made when a module is first imported, of the few that are.
INSTALL := .venv/bin/python -m pip install --quiet --no-compile --disable-pip-version-check
export PROMPT ?= Once upon a time
ARGS ?=

STEPS := s01 s02 s03 s04 s05 s06 s07 s08 s09 s10 s11 s12 s13 s14 s15 s16 s17 s18 s19 s20

.PHONY: help setup bpe generate test test-all test-gpu watch check-all warm serve bench book build-book remake lint fmt $(STEPS)

help: ## Show this list
	@echo "make s01 … s20      check a step"
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-14s %s\n", $$1, $$2}' Makefile

.venv/installed: pyproject.toml
	@test -n "$(PYTHON)" || { echo "No Python 3.11, 3.12 or 3.13 with venv found. Install one, or say make PYTHON=/path/to/python."; exit 1; }
	@echo "Installing into .venv: about a minute, and longer where packages are downloaded …"
	@$(PYTHON) -m venv .venv
	@$(INSTALL) --editable .
	@touch $@

# What only those need who work on the course itself.
.venv/dev-installed: .venv/installed
	@echo "Installing what tests and lint need …"
	@$(INSTALL) --editable '.[dev,router]'
	@touch $@

setup: .venv/installed ## Install what is missing

$(STEPS): s%: .venv/installed
	@$(COURSE) check $* $(ARGS)

bpe: .venv/installed ## Check the side step: your own tokenizer
	@$(COURSE) check bpe $(ARGS)

check-all: .venv/installed ## Check every step
	@$(COURSE) check --all $(ARGS)

watch: .venv/installed ## Check again whenever a step is saved
	@$(COURSE) watch $(ARGS)

warm: .venv/installed ## Compile what the checks need, once
	@$(COURSE) warm $(ARGS)

generate: .venv/installed ## Let the demo model write: make generate PROMPT="The little fox"
	@$(COURSE) generate "$$PROMPT" $(ARGS)

serve: .venv/installed ## Serve the demo model: make serve ARGS="--port 8080"
	@$(COURSE) serve $(ARGS)

bench: .venv/installed ## Measure speed beside Hugging Face
	@$(COURSE) bench $(ARGS)

book: .venv/installed ## Read the book, with live reload
	@$(COURSE) book $(ARGS)

build-book: .venv/installed ## Build the book into book/book
	@$(COURSE) book --build

test: .venv/dev-installed ## Test the project, in minutes
	@$(COURSE) warm
	@.venv/bin/python -m pytest --solutions -n auto $(ARGS)

test-all: .venv/dev-installed ## Test all of it: every mutant, every kind of model, long load
	@$(COURSE) warm
	@.venv/bin/python -m pytest --solutions -n auto --thorough $(ARGS)

test-gpu: .venv/dev-installed ## Test what needs an accelerator, on one
	@.venv/bin/python -m pytest --solutions --device gpu -m gpu $(ARGS)

remake: .venv/dev-installed ## Make again what is made: skeletons, and much of the book
	@.venv/bin/python -m course.skeleton
	@.venv/bin/python -m book.pictures
	@.venv/bin/python -m book.tables
	@.venv/bin/python -m book.reports
	@.venv/bin/python -m book.surgery
	@.venv/bin/python -m book.numbers.make
	@.venv/bin/python -m book.explorers.make
	@.venv/bin/python -m book.explorers.weights
	@.venv/bin/python -m book.readme

lint: .venv/dev-installed ## Check style and types
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check .
	@.venv/bin/mypy

fmt: .venv/dev-installed ## Format the code
	@.venv/bin/ruff format .
	@.venv/bin/ruff check --fix .
