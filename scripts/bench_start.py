"""How long the commands take to answer, beside `import torch`: `python scripts/bench_start.py [RUN]`.

Processor seconds of a process (user and system), the least of three, so that other work on the machine counts little.
With the folder of a run also what its report takes.
"""

import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

_REPEATS = 3
_COMPLETION = "pdtrain-train model=sm"
_ANSWERS = (
    ("train", "--help"),
    ("train", "--cfg job"),
    ("train", "-sc query=bash"),
    ("train", "trainer.max_epoch=3"),
    ("train", "model=vgg61"),
    ("train", "seed=x"),
    ("train", "resume=maybe"),
    ("train", "data.validation_fraction=2"),
    ("train", "probes.unit_information.bins=1"),
    ("train", "layers.recipe=stage"),
    ("train", "callbacks.probing.on_error=go"),
    ("train", "stimuli=imagefolder stimuli.root=/nowhere"),
    ("probe", "--help"),
    ("probe", "run_dir=/nowhere"),
    ("report", "--help"),
    ("report", "run_dir=/nowhere"),
)


def main(run: str | None = None) -> None:
    """Print one table: command, processor seconds, and how often that is `import torch`."""
    table = Table(title="Until a command answers")
    for column in ("command", "seconds", "ratio"):
        table.add_column(column, justify="left" if column == "command" else "right")
    torch = _seconds(["-c", "import torch"])
    table.add_row("python -c 'import torch'", f"{torch:.2f}", "1")
    for command, arguments in [*_ANSWERS, *([("report", f"run_dir={Path(run).resolve()}")] if run else [])]:
        seconds = _seconds(["-m", f"pdtrain.commands.{command}", *arguments.split()])
        table.add_row(f"pdtrain-{command} {arguments}", f"{seconds:.2f}", f"{seconds / torch:.2f}")
    Console().print(table)


def _seconds(arguments: Sequence[str]) -> float:
    """Least processor seconds of Python with these arguments."""
    environment = os.environ | {"COMP_LINE": _COMPLETION, "COMP_POINT": str(len(_COMPLETION))}
    with tempfile.TemporaryDirectory() as folder:
        found = []
        for _ in range(_REPEATS):
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            subprocess.run([sys.executable, *arguments], cwd=folder, env=environment, capture_output=True, check=False)
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            found.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return min(found)


if __name__ == "__main__":
    main(*sys.argv[1:])
