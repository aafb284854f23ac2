"""What the report of the default training takes, and one of many epochs: `python scripts/bench_report.py [RUN]`.

Seconds on the wall, which the promise is about and which want two idle cores, and of the processors, which other work
changes little; the least of three. The runs hold the points of RUN in turn, or of one epoch that is trained here.
"""

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
_EPOCHS = (8, 100)  # of the default training, and many more
_STEPS = 250  # of an epoch
_PROMISED = 6.0  # seconds on the wall, of the default training


def main(run: str | None = None) -> None:
    """Print one table: epochs, seconds on the wall and of the processors, and what is promised."""
    table = Table(title=f"A report on {len(os.sched_getaffinity(0))} cores")
    for column in ("epochs", "wall, s", "processors, s", "promised, s"):
        table.add_column(column, justify="right")
    with tempfile.TemporaryDirectory() as folder:
        points_of = Path(run) if run else _trained(Path(folder) / "trained")
        for epochs in _EPOCHS:
            wall, processors = _least(_lengthened(points_of, Path(folder) / str(epochs), epochs))
            promised = f"{_PROMISED:.1f}" if epochs == _EPOCHS[0] else ""
            table.add_row(str(epochs), f"{wall:.1f}", f"{processors:.1f}", promised)
    Console().print(table)


def _trained(out: Path) -> Path:
    """A run of one epoch, cut short, with the default probes before and after it."""
    short = ["trainer.max_epochs=1", "trainer.limit_train_batches=4", "logger=csv", "report=false"]
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
    main(*sys.argv[1:])
