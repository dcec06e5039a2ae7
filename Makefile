# These do everything on a fresh machine with Python 3.11, gcc and make:
#   make demo   sets up and finds the repeated blocks of a sample page
#   make serve  sets up and answers over HTTP, until Ctrl-C
#   make test   sets up, checks style and types, and runs the suite with every kernel
# And make docs writes docs/cli.md again, after a change of commands or options.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# The tests in which a kernel has a part run with each of them.
BY_KERNEL := $(addsuffix .py,$(addprefix tests/test_,async banded bench blocks cli deduper expiry explain \
	index index_twin judging kernel lines minhash normalise parts redis sketch sqlite teasers tune))
# The files whose change asks for a new installation.
SOURCES := pyproject.toml setup.py $(wildcard dedup/kernel/native/*)

.PHONY: demo serve test check suite wheel docs bench clean

demo: $(VENV)/installed
	@$(BIN)/dedup check examples/harbour-news.html --exit-zero

# Says the address; the sample page is in the index soon after the service answers.
SAMPLE := examples/harbour-news.html
PORT ?= 8000
serve: $(VENV)/installed
	@$(BIN)/python -c "import dedup, pathlib; page = pathlib.Path('$(SAMPLE)'); \
	  dedup.Client('http://127.0.0.1:$(PORT)', tries=9).check(page.read_bytes(), str(page))" & \
	trap "kill $$! 2> /dev/null" EXIT; trap : INT; \
	$(BIN)/dedup serve --log-level warning --port $(PORT)

test: check suite wheel

check: $(VENV)/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# Three ways: the kernel that an installation picks, the twin, and the native one with no way out.
suite: $(VENV)/installed
	./tests/install-browser.sh
	$(BIN)/pytest -n 2
	DEDUP_KERNEL=reference DEDUP_TEST_EXAMPLES=20 $(BIN)/pytest -n 2 $(BY_KERNEL)
	DEDUP_KERNEL=native DEDUP_TEST_EXAMPLES=20 $(BIN)/pytest -n 2 $(BY_KERNEL)

# The wheel, installed alone where none of the development tools are; and without a compiler.
wheel: $(VENV)/installed
	./tests/wheel.sh $(abspath $(BIN)/python)

# What the commands say of themselves.
docs: $(VENV)/installed
	$(BIN)/python -m dedup.cli.reference docs/cli.md

bench: $(VENV)/installed
	$(BIN)/python bench/sketch.py
	$(BIN)/python bench/inprocess.py
	$(BIN)/python bench/redis_index.py
	$(BIN)/python bench/accuracy.py

$(VENV)/installed: $(SOURCES)
	@echo "Setting up $(VENV), with all that development needs: this takes some minutes."
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install -qq --editable '.[dev,bench]'
	touch $@

clean:
	rm -rf $(VENV) build dist *.egg-info dedup/kernel/_native*.so
