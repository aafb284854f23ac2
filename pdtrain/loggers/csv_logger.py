"""The CSV file of a run's metrics, which goes on where it stopped."""

import csv
from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pytorch_lightning import loggers
from pytorch_lightning.utilities import rank_zero_only

from pdtrain.files import written_whole
from pdtrain.results.run_folder import RunFolder


class CsvLogger(loggers.logger.Logger):
    """Writes `save_dir`/csv/metrics.csv, one line per call, always whole.

    Unlike Lightning's, it keeps the lines of an earlier process, so that a resumed run has one file; and a reader
    never sees half of it.

    Parameters
    ----------
    save_dir
        Folder of the run.
    """

    def __init__(self, save_dir: str | Path) -> None:
        super().__init__()
        self.path = RunFolder(save_dir).metrics
        self._lines: list[dict[str, str]] = []
        self._saved = 0

    @property
    def name(self) -> str:
        """Name of the logger."""
        return "csv"

    @property
    def version(self) -> str:
        """Nothing: a run has one file."""
        return ""

    @property
    def logged(self) -> int:
        """Lines so far."""
        return len(self._lines)

    def go_on(self, logged: int) -> None:
        """Keep the first lines of the file there is."""
        if logged:
            with self.path.open(newline="") as file:
                kept = [{key: value for key, value in line.items() if value} for line in csv.DictReader(file)]
            self._lines = kept[:logged]

    @rank_zero_only
    def log_hyperparams(self, params: dict[str, Any] | Namespace, *args: Any, **kwargs: Any) -> None:
        """Do nothing: the run's configuration lies beside."""

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Add a line."""
        self._lines.append({"step": str(step)} | {key: repr(value) for key, value in metrics.items()})

    @rank_zero_only
    def save(self) -> None:
        """Write the file if there are new lines."""
        if self._saved == len(self._lines):
            return
        columns = list(dict.fromkeys(key for line in self._lines for key in line))
        with written_whole(self.path) as temporary, temporary.open("w", newline="") as file:
            writer = csv.DictWriter(file, columns)
            writer.writeheader()
            writer.writerows(self._lines)
        self._saved = len(self._lines)
