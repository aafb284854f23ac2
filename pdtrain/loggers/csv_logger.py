"""The CSV file of a run's metrics, which goes on where it stopped."""

import csv
import io
import logging
from argparse import Namespace
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from pytorch_lightning import loggers
from pytorch_lightning.utilities import rank_zero_only

from pdtrain.checksums import read_intact, remove_beside, write_beside
from pdtrain.files import written_whole
from pdtrain.results.run_folder import RunFolder
from pdtrain.results.versions import metrics_as_of_today

_log = logging.getLogger(__name__)


class CsvLogger(loggers.logger.Logger):
    """Writes `save_dir`/csv/metrics.csv, one line per call, always whole.

    Unlike Lightning's, it keeps the lines of an earlier process, so that a resumed run has one file; and a reader
    never sees half of it. Its checksum is kept beside it.

    Parameters
    ----------
    save_dir
        Folder of the run.
    """

    def __init__(self, save_dir: str | Path) -> None:
        super().__init__()
        self.path = RunFolder(save_dir).metrics
        self._lines: list[dict[str, str]] = []
        self._columns: list[str] = []
        self._text = ""  # of the lines that are in the file
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

    @rank_zero_only
    def go_on(self, logged: int) -> None:
        """Keep the first lines of the file there is; what of them is damaged or lost is said."""
        content, intact = read_intact(self.path) if self.path.is_file() else (b"", True)
        with suppress(csv.Error):
            for line in csv.DictReader(io.StringIO(content.decode(errors="replace"), newline="")):
                self._lines.append({key: value for key, value in line.items() if key and _is_number(value)})
        self._lines = metrics_as_of_today(self._lines[:logged])
        if not intact:
            remove_beside(self.path)
            aside = self.path.rename(self.path.with_name(f"{self.path.name}.damaged"))
            _log.warning("%s: damaged, kept as %s; what was logged before may be wrong there", self.path, aside.name)
        if lost := logged - len(self._lines):
            _log.warning("%s: %d of the %d lines that were logged before are lost", self.path, lost, logged)

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
        columns = list(dict.fromkeys([*self._columns, *(key for line in self._lines[self._saved :] for key in line)]))
        if columns != self._columns:  # all is put into text anew; else what is new, of a long file a small part
            self._columns, self._text, self._saved = columns, "", 0
        new = io.StringIO(newline="")
        writer = csv.DictWriter(new, columns)
        if not self._saved:
            writer.writeheader()
        writer.writerows(self._lines[self._saved :])
        self._text += new.getvalue()
        remove_beside(self.path)
        with written_whole(self.path) as temporary, temporary.open("w", newline="") as file:
            file.write(self._text)
        write_beside(self.path)
        self._saved = len(self._lines)


def _is_number(cell: str | list[str] | None) -> bool:
    """Whether a cell was logged as it stands; not where a line has too few or too many."""
    try:
        float(cell)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return False
    return True
