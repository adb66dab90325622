# Every target creates and fills .venv by itself; a new pyproject.toml refreshes it.
PYTHON ?= python3.11
BIN := .venv/bin
STAMP := .venv/.installed

.PHONY: help demo test lint bench dashboard clean

help:
	@echo "make demo       simulate a small ensemble, add a real UppASD run, write demo/index.html"
	@echo "make test       run the tests"
	@echo "make lint       check style and types"
	@echo "make bench      run the benchmarks and write benchmarks/results/"
	@echo "make dashboard  browse ensembles in the browser"

$(STAMP): pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	touch $@

demo: $(STAMP)
	$(BIN)/skylattice demo demo

test: $(STAMP)
	$(BIN)/python -m pytest -n auto --dist worksteal $(ARGS)

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(STAMP)
	$(BIN)/python benchmarks/run.py

dashboard: $(STAMP)
	$(BIN)/skylattice dashboard $(wildcard demo/ensemble.zarr)

clean:
	rm -rf .venv demo
