# make serve   runs the server in the foreground, on port 8765 (OPTIONS="--port 9000" for another)
# make demo    the same with TLS, and a QR code for a phone: video in a minute
# make test    runs lint, types and all tests
# make conformance   runs the Autobahn|Testsuite against the server; needs a CPython 2.7 besides
# make bench   measures the server beside others, in 15 minutes, and writes benchmarks/results.md
# make bench-quick   measures it beside one other in a minute: for before and after a change
# make fuzz    looks for a minute for input that the server cannot take; finds go to fuzz/crashes
# make screenshots   takes the documents' pictures of the pages anew; needs Debian's chromium
# make soak    an hour of calls, drops and resumes: is anything left? make soak-short: 10 minutes
#
# All make a virtual environment in .venv first, if there is none, and install into it.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SOURCES := setup.py pyproject.toml twisted_signal/__init__.py
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

.DELETE_ON_ERROR:
.PHONY: serve demo test lint types tests test-lowest bench bench-quick conformance fuzz screenshots soak soak-short clean

serve: $(VENV)/installed
	@exec $(BIN)/vislam-signal serve $(OPTIONS)

demo: $(VENV)/installed
	@exec $(BIN)/vislam-signal demo $(OPTIONS)

test: lint types tests

lint: $(VENV)/installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/installed-test
	$(BIN)/mypy

# The parts of the package that the network does not excuse are covered to the last branch.
CORE := twisted_signal/registry.py,twisted_signal/dialects/*,twisted_signal/session.py,twisted_signal/messages.py,twisted_signal/auth.py

# Most tests wait most of the time, for processes and networks: more of them at once than there are
# cores. A file's tests stay together, as some share a server. WORKERS=0 runs one after the other.
WORKERS ?= 4

tests: $(VENV)/installed-test
	$(BIN)/python -m pytest --numprocesses $(WORKERS) --dist loadfile --cov --cov-report=
	$(BIN)/coverage report --include='$(CORE)' --fail-under=100
	$(BIN)/coverage report --omit='$(CORE)' --fail-under=95

# The lower bounds of setup.py, in an environment of their own.
test-lowest:
	rm -rf .venv-lowest
	$(PYTHON) -m venv .venv-lowest
	.venv-lowest/bin/python -m pip --quiet install --constraint tests/lowest.txt --editable '.[test]'
	.venv-lowest/bin/python -m pytest

# What the server is measured beside, in an environment of its own.
BENCH := .venv-bench

bench: $(VENV)/installed $(BENCH)/installed
	$(BIN)/python benchmarks/run.py $(OPTIONS)

bench-quick: $(VENV)/installed $(BENCH)/installed
	$(BIN)/python benchmarks/run.py --quick $(OPTIONS)

$(BENCH)/installed: benchmarks/peers/requirements.txt
	@echo 'Installing what the server is measured beside into $(BENCH) …'
	@$(PYTHON) -m venv --clear $(BENCH)
	@$(BENCH)/bin/python -m pip --disable-pip-version-check --quiet install --requirement $<
	@touch $@

# OPTIONS="--cases 7.* --report FOLDER" for some of it, and to look at what went wrong.
conformance: $(VENV)/installed
	@$(BIN)/python -m conformance $(OPTIONS)

# OPTIONS="--target frames --seconds 600" for more of one, "--replay FILE" for what was found. Where
# atheris has no wheel for this Python, Hypothesis does what it can.
fuzz: $(VENV)/installed-test $(VENV)/installed-atheris
	@$(BIN)/python -m fuzz $(OPTIONS)

$(VENV)/installed-atheris: $(VENV)/installed-test
	@$(PIP) install --only-binary :all: atheris 2>/dev/null || \
	    echo 'There is no atheris for this Python: Hypothesis takes its place'
	@touch $@

# OPTIONS="--minutes 30" for another time, "--seed 7" for another order of things.
screenshots: $(VENV)/installed-test
	@$(BIN)/python tests/screenshots.py docs/images

soak: $(VENV)/installed
	@$(BIN)/python -m soak $(OPTIONS)

soak-short: $(VENV)/installed
	@$(BIN)/python -m soak --minutes 10 $(OPTIONS)

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	    { echo 'vislam-signal needs Python 3.11 or later; name one: make PYTHON=python3.12' >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); \
	    echo 'Python cannot make environments here; on Debian: apt install python3-venv' >&2; exit 1; }

$(VENV)/installed: $(VENV)/bin/python $(SOURCES)
	@echo 'Installing vislam-signal into $(VENV) …'
	@$(PIP) install --editable .
	@touch $@

$(VENV)/installed-test: $(VENV)/bin/python $(SOURCES)
	@echo 'Installing vislam-signal and what its tests need into $(VENV) …'
	@$(PIP) install --editable '.[test]'
	@touch $@ $(VENV)/installed

clean:
	rm -rf $(VENV) .venv-lowest .venv-conformance $(BENCH) benchmarks/build fuzz/crashes fuzz/corpus build dist *.egg-info .coverage .mypy_cache .pytest_cache .ruff_cache .hypothesis
