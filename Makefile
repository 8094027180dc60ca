# One command each; every target sets up its own environment first. Needs Python 3.11+, pip and make.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
OUT    ?= out/eu-chat
WORKERS ?= 2

.PHONY: plan test test-all check bench wheel-check clean

plan: $(VENV)/.installed         ## solve and verify the first example
	$(BIN)/planner solve examples/eu-chat.yaml -o $(OUT)
	$(BIN)/planner verify $(OUT)/plan.json

test: $(VENV)/.tested            ## the tests that take minutes at most
	$(BIN)/python -m pytest -n $(WORKERS)

test-all: $(VENV)/.tested        ## also the slow ones
	$(BIN)/python -m pytest -n $(WORKERS) -m "slow or not slow"

check: $(VENV)/.checked          ## style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(VENV)/.tested           ## accuracy, speed and scale
	$(BIN)/python -m benchmarks

wheel-check: $(VENV)/.checked    ## build the wheel, install it elsewhere, solve from there
	sh .ci/wheel-check $(CURDIR) $(BIN)/python

$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed")'
	test -d $(VENV) || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e .
	touch $@

$(VENV)/.tested: $(VENV)/.installed
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[test,plots]'
	touch $@

$(VENV)/.checked: $(VENV)/.tested
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[check]'
	touch $@

clean:
	rm -rf out dist build $(VENV)
