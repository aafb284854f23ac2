"""One Parquet file of rows per probe point, and beside it one of per-unit values and one of dissimilarities.

Each appears whole or not at all.
"""

from collections.abc import Sequence
from operator import attrgetter
from pathlib import Path
from typing import TypeVar

import pandas as pd

from pdtrain.errors import DamagedFile, InputError
from pdtrain.results.catalogue import Catalogue
from pdtrain.results.dissimilarities import Dissimilarities, read_dissimilarities, write_dissimilarities
from pdtrain.results.row_files import is_whole, read_rows, write_rows
from pdtrain.results.rows import COLUMNS, HALF_DIFFERENCES, ProbePoint, Row, UnitRow
from pdtrain.results.run_folder import TRAINING, RunFolder, point_name, point_of_name

_UNITS, _DISSIMILARITIES = ".units.parquet", ".dissimilarities.npz"
_Kind = TypeVar("_Kind", Row, UnitRow)


class ResultsStore:
    """Rows of one run, under `run_dir`/results.

    Parameters
    ----------
    run_dir
        Folder of the run; made on the first write.
    probe_set
        Name of what is measured; other sets than training's lie in a folder of their own.

    Raises
    ------
    InputError
        If that folder is a link, which may lead to training's rows.
    """

    def __init__(self, run_dir: str | Path, *, probe_set: str = TRAINING) -> None:
        self.folder = RunFolder(run_dir).results(probe_set)
        if probe_set != TRAINING and self.folder.is_symlink():
            raise InputError(f"probe_set={probe_set}: {self.folder} is a link; remove it, or give another probe_set")

    def write(
        self,
        point: ProbePoint,
        rows: Sequence[Row],
        unit_rows: Sequence[UnitRow],
        dissimilarities: Dissimilarities | None = None,
    ) -> Path:
        """Write one probe point; the file of rows comes last, so that its presence means the point is whole."""
        if dissimilarities is not None:
            write_dissimilarities(dissimilarities, self._path_of_dissimilarities(point))
        if unit_rows:
            write_rows(_frame(point, unit_rows, UnitRow), self._path_of_units(point))
        path = self.path(point)
        write_rows(_frame(point, rows, Row), path)
        return path

    def keep(self, catalogue: Catalogue) -> None:
        """Keep what the rows are of, so that they can be read without what made them."""
        catalogue.save(self.folder)

    def path(self, point: ProbePoint) -> Path:
        """File of the rows of a point."""
        return self.folder / f"{point_name(point)}.rows.parquet"

    def has(self, point: ProbePoint) -> bool:
        """Tell whether a point is already there, whole."""
        units, beside = self._path_of_units(point), self._path_of_dissimilarities(point)
        return (
            is_whole(self.path(point))
            and (is_whole(units) if units.exists() else not self._other_has(_UNITS))
            and (_is_readable(beside) if beside.exists() else not self._other_has(_DISSIMILARITIES))
        )

    def points(self) -> list[ProbePoint]:
        """All that there are, damaged or not, earliest first."""
        return sorted(
            map(point_of_name, self.folder.glob("epoch=[0-9]*-step=[0-9]*.rows.parquet")), key=attrgetter("step")
        )

    def set_damaged_aside(self) -> list[Path]:
        """Rename what is not as it was written, so that its point counts as not measured; return what had that name."""
        damaged = [path for path in sorted(self.folder.glob("epoch=*.parquet")) if not is_whole(path)]
        beside = sorted(self.folder.glob(f"epoch=*{_DISSIMILARITIES}"))
        damaged += [path for path in beside if not _is_readable(path)]
        for path in damaged:
            path.rename(path.with_name(f"{path.name}.damaged"))
        return damaged

    def read_rows(self, point: ProbePoint) -> list[Row]:
        """Rows of one point; empty if it was not measured."""
        path = self.path(point)
        return _records(path, Row) if path.exists() else []

    def read_unit_rows(self, point: ProbePoint) -> list[UnitRow]:
        """Per-unit values of one point; empty if there are none."""
        path = self._path_of_units(point)
        return _records(path, UnitRow) if path.exists() else []

    def read_dissimilarities(self, point: ProbePoint) -> Dissimilarities | None:
        """Those of the layers at one point; None if none were kept.

        Raises
        ------
        DamagedFile
            If the file is not as it was written.
        """
        path = self._path_of_dissimilarities(point)
        return read_dissimilarities(path) if path.exists() else None

    def keeps_dissimilarities(self, point: ProbePoint) -> bool:
        """Whether there are some of a point."""
        return self._path_of_dissimilarities(point).exists()

    def _path_of_units(self, point: ProbePoint) -> Path:
        return self.folder / f"{point_name(point)}{_UNITS}"

    def _path_of_dissimilarities(self, point: ProbePoint) -> Path:
        return self.folder / f"{point_name(point)}{_DISSIMILARITIES}"

    def _other_has(self, ending: str) -> bool:
        return any(self.folder.glob(f"[!.]*{ending}"))


def _is_readable(path: Path) -> bool:
    try:
        read_dissimilarities(path)
    except DamagedFile:
        return False
    return True


def _frame(point: ProbePoint, rows: Sequence[Row] | Sequence[UnitRow], kind: type) -> pd.DataFrame:
    names = list(COLUMNS[kind])
    # of many rows: much quicker than row by row
    columns = zip(*(rows if kind is UnitRow else map(attrgetter(*names), rows)), strict=True)
    frame = pd.DataFrame(dict(zip(names, columns, strict=False)), columns=names)
    frame.insert(0, "epoch", point.epoch)
    frame.insert(1, "step", point.step)
    return frame


def _records(path: Path, kind: type[_Kind]) -> list[_Kind]:
    columns = read_rows(path)[list(COLUMNS[kind])]
    if HALF_DIFFERENCES in columns:
        columns[HALF_DIFFERENCES] = columns[HALF_DIFFERENCES].map(tuple)
    return [kind(*values) for values in columns.itertuples(index=False, name=None)]
