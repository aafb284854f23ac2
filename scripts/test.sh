#!/usr/bin/env bash
# Lint, types, documentation and all tests, in .venv.
source "$(dirname "$0")/environment.sh" "[test]"
.venv/bin/ruff check .
.venv/bin/ruff format --check .
.venv/bin/mypy pdtrain callbacks
.venv/bin/mkdocs build --quiet --strict --site-dir "$(mktemp -d)"
# the tests of a file stay together, since some share a run; two processes of one thread each
OMP_NUM_THREADS=1 .venv/bin/python -m pytest -n 2 --dist loadscope "$@"
