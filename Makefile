# make serve   runs the server in the foreground, on port 8765 (OPTIONS="--port 9000" for another)
# make demo    the same with TLS, and a QR code for a phone: video in a minute
# make test    runs lint, types and all tests
# make docs    builds the documentation into build/docs
# make dist    builds what a release consists of into dist, installs and tries it
# make asyncapi   writes docs/asyncapi.json anew: after a change of the protocol
# make conformance   runs the Autobahn|Testsuite against the server; needs a CPython 2.7 besides
# make bench   measures the server beside others, in 15 minutes, and writes benchmarks/results.md
# make bench-quick   measures it beside one other in a minute: for before and after a change
# make bench-cluster   measures nodes that share rooms by a Redis, in 4 minutes; needs redis-server
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
.PHONY: serve demo test lint types tests test-lowest asyncapi bench bench-quick bench-cluster conformance dist docs fuzz screenshots soak soak-short clean

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
CORE := twisted_signal/registry.py,twisted_signal/dialects/*,twisted_signal/session.py,twisted_signal/entrance.py,twisted_signal/messages.py,twisted_signal/auth.py

# Most tests wait most of the time, for processes and networks: more of them at once than there are
# cores. A file's tests stay together, as some share a server. WORKERS=0 runs one after the other.
WORKERS ?= 4

tests: $(VENV)/installed-test $(VENV)/installed-asyncapi
	$(BIN)/python -m pytest --numprocesses $(WORKERS) --dist loadfile --cov --cov-report=
	$(BIN)/coverage report --include='$(CORE)' --fail-under=100
	$(BIN)/coverage report --omit='$(CORE)' --fail-under=95

# The lower bounds of setup.py, in an environment of their own.
test-lowest:
	rm -rf .venv-lowest
	$(PYTHON) -m venv .venv-lowest
	.venv-lowest/bin/python -m pip --quiet install --constraint tests/lowest.txt --editable '.[test]'
	.venv-lowest/bin/python -m pytest --numprocesses $(WORKERS) --dist loadfile

# What the server is measured beside, in an environment of its own.
BENCH := .venv-bench

bench: $(VENV)/installed $(BENCH)/installed
	$(BIN)/python benchmarks/run.py $(OPTIONS)

bench-quick: $(VENV)/installed $(BENCH)/installed
	$(BIN)/python benchmarks/run.py --quick $(OPTIONS)

# OPTIONS="--quick" for less of it, and no report.
bench-cluster: $(VENV)/installed
	$(BIN)/python benchmarks/cluster_run.py $(OPTIONS)

$(BENCH)/installed: benchmarks/peers/requirements.txt
	@echo 'Installing what the server is measured beside into $(BENCH) …'
	@$(PYTHON) -m venv --clear $(BENCH)
	@$(BENCH)/bin/python -m pip --disable-pip-version-check --quiet install --requirement $<
	@touch $@

# Of what is committed, and the wheel of what the sdist holds. With the commit's time for the time of
# all files, whoever builds the same commit with the same tools gets the same files.
RELEASE := build/release
dist: export SOURCE_DATE_EPOCH = $(shell git log -1 --format=%ct)
dist: $(VENV)/installed-test $(VENV)/installed-dist
	@rm -rf dist $(RELEASE) && mkdir -p dist $(RELEASE)/source
	@git archive HEAD | tar -x -C $(RELEASE)/source
	@$(BUILD) --sdist --outdir $(RELEASE) $(RELEASE)/source $(OR_SAY_WHY)
	@tar -x -f $(RELEASE)/*.tar.gz -C $(RELEASE) && rm -r $(RELEASE)/*.tar.gz $(RELEASE)/source
	@cd $(RELEASE) && for name in *-*; do tar -c --sort=name --mtime=@$$SOURCE_DATE_EPOCH \
	    --owner=0 --group=0 --numeric-owner --mode=u+rw,go=rX $$name | gzip -n \
	    > $(CURDIR)/dist/$$name.tar.gz && rm -r $$name; done
	@tar -x -p -f dist/*.tar.gz -C $(RELEASE)
	@umask 022 && $(BUILD) --wheel --outdir dist $(RELEASE)/*-* $(OR_SAY_WHY)
	@$(BIN)/python -m twine --no-color check --strict dist/*
	@DIST=dist $(BIN)/python -m pytest -q tests/test_packaging.py
	@sha256sum dist/*

BUILD := $(BIN)/python -m build
OR_SAY_WHY = > $(RELEASE)/log 2>&1 || { cat $(RELEASE)/log >&2; exit 1; }

$(VENV)/installed-dist: $(VENV)/installed-test
	@$(PIP) install twine
	@touch $@

# Without warnings, or not at all. The tests build it too.
docs: $(VENV)/installed-test
	@$(BIN)/python docs/build_pages.py build/docs
	@echo 'Open build/docs/index.html'

asyncapi: $(VENV)/installed
	@$(BIN)/python docs/asyncapi.py

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
	@$(PIP) install --editable '.[test,docs]'
	@touch $@ $(VENV)/installed

# AsyncAPI's own parser, which a test asks.
$(VENV)/installed-asyncapi: $(VENV)/bin/python
	@npm install --prefix $(VENV) --ignore-scripts --no-audit --no-fund --loglevel=error \
	    --silent @asyncapi/parser@3 2>/dev/null || \
	    echo 'There is no npm, or no network: docs/asyncapi.json is not checked by its parser'
	@touch $@

clean:
	rm -rf $(VENV) .venv-lowest .venv-conformance $(BENCH) benchmarks/build fuzz/crashes fuzz/corpus build dist *.egg-info .coverage .mypy_cache .pytest_cache .ruff_cache .hypothesis
