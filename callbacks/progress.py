"""The training in the terminal: bars with the probe as a task of its own, and a small table after each probe point."""

import sys
from collections.abc import Sequence
from typing import Any

import pytorch_lightning as lightning
from pytorch_lightning.callbacks import ProgressBar
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from pdtrain.callbacks.listening import ProbeListener
from pdtrain.limits import check_value
from pdtrain.report.console import plain_console
from pdtrain.report.point_table import point_tables
from pdtrain.report.summary import print_caveats
from pdtrain.results.catalogue import Catalogue
from pdtrain.results.caveats import caveats_at
from pdtrain.results.rows import ProbePoint, Row

_WIDTH = 110  # where there is no terminal to ask


class TerminalProgress(ProgressBar, ProbeListener):
    """Shows how far training, validation and probing are.

    Parameters
    ----------
    mode
        "bars" for a terminal; "plain" prints a line per epoch and a table per probe point, for clusters and pipes;
        "quiet" prints nothing; "auto" chooses bars or plain.
    """

    def __init__(self, mode: str = "auto") -> None:
        super().__init__()
        check_value("callbacks.progress.mode", mode)
        self._mode = ("bars" if sys.stdout.isatty() else "plain") if mode == "auto" else mode
        self._console = plain_console() if sys.stdout.isatty() else plain_console(width=_WIDTH)
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        self._bars = Progress(*columns, console=self._console, transient=True, disable=self._mode != "bars")
        self._tasks: dict[str, TaskID] = {}
        self._before: Sequence[Row] = ()

    def disable(self) -> None:
        """Show nothing; Lightning calls it in all processes but the first."""
        self._mode, self._bars.disable = "quiet", True

    def enable(self) -> None:
        """Show again."""
        self._mode = "plain"

    def on_fit_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Begin the display."""
        self._bars.start()

    def on_train_epoch_start(self, trainer: lightning.Trainer, *args: Any) -> None:
        """Begin an epoch."""
        self._show("training", 0, self.total_train_batches, _epoch(trainer))

    def on_train_batch_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Count a batch."""
        self._show("training", batch_idx + 1, self.total_train_batches)

    def on_validation_batch_end(
        self,
        trainer: lightning.Trainer,
        pl_module: lightning.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Count a batch."""
        self._show("validation", batch_idx + 1, trainer.num_val_batches[dataloader_idx], "validation")

    def on_validation_end(self, trainer: lightning.Trainer, *args: Any) -> None:
        """Say how the epoch went, or how far it is."""
        self._hide("validation")
        if self._mode in ("plain", "bars"):
            values = {key: float(value) for key, value in trainer.callback_metrics.items() if key.startswith("val/")}
            text = ", ".join(f"{key} {value:.4g}" for key, value in values.items())
            within = "" if trainer.is_last_batch else f", step {trainer.global_step}"
            self._console.print(f"{_epoch(trainer)}{within}: {text}")

    def on_probe_progress(self, trainer: lightning.Trainer, stage: str, done: int, total: int) -> None:
        """Show how far the probe is."""
        self._show("probing", done, total, f"probe: {stage}")

    def on_probe(
        self, trainer: lightning.Trainer, point: ProbePoint, rows: Sequence[Row], catalogue: Catalogue
    ) -> None:
        """Print the point's table, with arrows against the point before."""
        self._hide("probing")
        if self._mode != "quiet":
            for table in point_tables(point, rows, catalogue, self._before, width=self._console.width):
                self._console.print(table)
            print_caveats(caveats_at(point, rows), self._console)
        self._before = rows

    def on_fit_end(self, *args: Any) -> None:
        """End the display, also where nothing was trained."""
        self._bars.stop()

    def on_exception(self, *args: Any) -> None:
        """End the display."""
        self._bars.stop()

    def _show(self, task: str, done: int, total: float, description: str | None = None) -> None:
        if task not in self._tasks:
            self._tasks[task] = self._bars.add_task(description or task, total=total)
        self._bars.update(self._tasks[task], completed=done, total=total, description=description)

    def _hide(self, task: str) -> None:
        if task in self._tasks:
            self._bars.remove_task(self._tasks.pop(task))


def _epoch(trainer: lightning.Trainer) -> str:
    of = trainer.max_epochs or 0  # -1: no end
    return f"epoch {trainer.current_epoch + 1}" + (f"/{of}" if of > 0 else "")
