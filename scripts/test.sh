#!/usr/bin/env bash
# Lint, types and all tests, in .venv.
source "$(dirname "$0")/environment.sh" "[test]"
.venv/bin/ruff check .
.venv/bin/ruff format --check .
.venv/bin/mypy pdtrain callbacks
.venv/bin/python -m pytest "$@"
