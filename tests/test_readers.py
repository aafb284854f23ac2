"""Readers of a run that is being trained: they never see half of anything."""

import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType

import pandas as pd

from pdtrain.errors import InputError
from pdtrain.report.page import write_report
from pdtrain.results.reader import load


def test_report_and_probe_read_a_run_while_it_trains(kill_and_resume: ModuleType, tmp_path: Path) -> None:
    run_dir = tmp_path / "run"
    process = kill_and_resume.start(run_dir, "logger=csv", "trainer.max_epochs=12", "report=true")
    while not list((run_dir / "results").glob("[!.]*.rows.parquet")):
        assert process.poll() is None, (tmp_path / "output.txt").read_text()
        time.sleep(0.01)
    watch = [sys.executable, "-m", "pdtrain.commands.probe", f"run_dir={run_dir}", "watch=true"]
    watching = subprocess.Popen(watch, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    reads = 0
    while process.poll() is None:
        rows = load(run_dir)
        assert rows.groupby("step").size().nunique() <= 2, "every point is whole (the untrained one has fewer indices)"
        metrics = run_dir / "csv" / "metrics.csv"
        if metrics.exists():
            assert len(pd.read_csv(metrics))
        write_report(run_dir)
        reads += 1

    assert process.returncode == 0 and reads > 2
    _, errors = watching.communicate(timeout=120)
    assert watching.returncode == 0, errors
    online, later = load(run_dir), load(run_dir, probe_set="probe")
    assert set(later.step) == set(online.step), "the watcher saw every checkpoint, and ended with the run"


def test_there_is_one_clear_error_before_the_first_point(tmp_path: Path) -> None:
    try:
        load(tmp_path)
    except InputError as error:
        assert "no results" in str(error)
    else:
        raise AssertionError
