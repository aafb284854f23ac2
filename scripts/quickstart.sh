#!/usr/bin/env bash
# Installs the project and runs the default experiment, or shows the results that are there already.
source "$(dirname "$0")/environment.sh" ""
run=runs/quickstart
if [ -f "$run/report/report.html" ]; then
    echo "reusing the finished run in $run (delete it to train again)"
    exec .venv/bin/pdtrain-report run_dir="$run"
fi
rm -rf "$run"
exec .venv/bin/pdtrain-train hydra.run.dir="$run" "$@"
