#!/usr/bin/env bash
# Lint, types and all tests (they build the documentation), in .venv.
source "$(dirname "$0")/environment.sh" "[test]"
.venv/bin/ruff check .
.venv/bin/ruff format --check .
.venv/bin/mypy pdtrain callbacks
# the tests of a file stay together, since some share a run; two processes of one thread each
OMP_NUM_THREADS=1 .venv/bin/python -m pytest -n 2 --dist loadscope "$@"
