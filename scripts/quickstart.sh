#!/usr/bin/env bash
# Installs the project and runs the default experiment, goes on with it if it was cut off, or shows its results.
# Arguments are overrides; PDTRAIN_QUICKSTART is another folder for the run.
source "$(dirname "$0")/environment.sh" ""
run="${PDTRAIN_QUICKSTART:-runs/quickstart}"
if [ -f "$run/report/report.html" ]; then
    echo "reusing the finished run in $run (delete it to train again)"
    exec .venv/bin/pdtrain-report run_dir="$run"
fi
[ -f "$run/run.yaml" ] || rm -rf "$run"
exec .venv/bin/pdtrain-train hydra.run.dir="$run" resume=auto "$@"
