"""What a report takes, of the default training and of many epochs: `python scripts/bench_report.py [RUN] [--check]`.

Seconds on the wall, which the promise is about and which want two idle cores, and of the processors, which other work
changes little; the least of three. The runs hold the points of RUN in turn, or of one epoch that is trained here. With
`--check` it fails where a report takes longer, or its page is larger, than is promised.
"""

import argparse
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

from pdtrain.results.rows import ProbePoint
from pdtrain.results.run_folder import RunFolder
from pdtrain.results.store import ResultsStore

_REPEATS = 3
_EPOCHS = (8, 30, 100)  # of the default training, and more
_STEPS = 250  # of an epoch
_SECONDS = 6.0  # on the wall, at most
_MEGABYTES = 3.0  # of a page, at most


def main(run: str | None, *, check: bool) -> None:
    """Print one table: epochs, seconds on the wall and of the processors, and size of the page."""
    table = Table(
        title=f"A report on {len(os.sched_getaffinity(0))} cores; promised: {_SECONDS:g} s, {_MEGABYTES:g} MB"
    )
    for column in ("epochs", "wall, s", "processors, s", "page, MB"):
        table.add_column(column, justify="right")
    broken = []
    with tempfile.TemporaryDirectory() as folder:
        points_of = Path(run) if run else _trained(Path(folder) / "trained")
        for epochs in _EPOCHS:
            long = _lengthened(points_of, Path(folder) / str(epochs), epochs)
            wall, processors = _least(long)
            size = RunFolder(long).page().stat().st_size / 1e6
            table.add_row(str(epochs), f"{wall:.1f}", f"{processors:.1f}", f"{size:.2f}")
            if wall > _SECONDS or size > _MEGABYTES:
                broken.append(f"{epochs} epochs: {wall:.1f} s, {size:.2f} MB")
    Console().print(table)
    if check and broken:
        sys.exit(f"more than promised: {'; '.join(broken)}")


def _trained(out: Path) -> Path:
    """A run of one epoch, cut short, with the default probes before and after it."""
    short = ["trainer.max_epochs=1", "+trainer.limit_train_batches=4", "logger=csv", "report=false"]
    command = [sys.executable, "-m", "pdtrain.commands.train", *short, f"hydra.run.dir={out}"]
    subprocess.run(command, check=True, capture_output=True)
    return out


def _lengthened(run: Path, out: Path, epochs: int) -> Path:
    """A copy of a run that has as many epochs: the untrained point, then the others in turn."""
    shutil.copytree(run, out, ignore=shutil.ignore_patterns("results", "report", "checkpoints"))
    given, longer = ResultsStore(run), ResultsStore(out)
    first, *others = given.points()
    shutil.copytree(RunFolder(run).results(), RunFolder(out).results(), ignore=shutil.ignore_patterns("*.parquet"))
    for epoch in range(epochs + 1):
        point = others[(epoch - 1) % len(others)] if epoch else first
        longer.write(ProbePoint(epoch, epoch * _STEPS), given.read_rows(point), given.read_unit_rows(point))
    return out


def _least(run: Path) -> tuple[float, float]:
    """Seconds on the wall, and of all processes together."""
    walls, processors = [], []
    for _ in range(_REPEATS):
        before, began = _spent(), time.perf_counter()
        command = [sys.executable, "-m", "pdtrain.commands.report", f"run_dir={run}"]
        subprocess.run(command, check=True, capture_output=True)
        walls.append(time.perf_counter() - began)
        processors.append(_spent() - before)
    return min(walls), min(processors)


def _spent() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", nargs="?", help="a finished run; without one, an epoch of the default run is trained")
    parser.add_argument("--check", action="store_true", help="fail where it is more than promised")
    given = parser.parse_args()
    main(given.run, check=given.check)
