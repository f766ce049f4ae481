# make demo   environment, install, page at http://localhost:7860
# make test   environment, install, a browser if none is there, all tests
# make check  lint and types

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

.PHONY: demo test check browser

demo: $(VENV)/demo.installed
	$(BIN)/python app.py

test: $(VENV)/dev.installed browser
	$(BIN)/python -m pytest

check: $(VENV)/dev.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/hadolint docs/hosting/Dockerfile

browser: $(VENV)/dev.installed
	@BIN=$(BIN) sh tests/browser/install.sh

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "HetMoE needs Python 3.11 or newer: name one with 'make $(MAKECMDGOALS) PYTHON=python3.11'." >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
	  { echo "Python's venv module is missing: 'sudo apt install python3-venv', then again." >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/demo.installed: requirements.txt | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

$(VENV)/dev.installed: $(wildcard requirements*.txt) | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@ $(VENV)/demo.installed
