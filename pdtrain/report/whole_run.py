"""What a report says of all epochs, where its figures show some: caveats, and the values as a table."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from pdtrain.report.csv_tables import write_csv
from pdtrain.results.catalogue import Catalogue
from pdtrain.results.caveats import Caveat, caveats_of_run, not_estimated
from pdtrain.results.measures import Measure
from pdtrain.results.reader import epoch_ends, load
from pdtrain.results.run_folder import files_of_rows, point_of_name

VALUES = "values.csv"  # beside the page: what figures show, at every epoch
_COLUMNS = (
    "epoch", "weights", "layer", "depth", "probe", "quantity", "property", "value", "lower", "upper", "units_lower",
    "units_upper", "note",
)  # fmt: skip


@dataclass(frozen=True)
class WholeRun:
    """What there is to say of all epochs: caveats, and sentences about what could not be estimated."""

    caveats: Sequence[Caveat]
    not_estimated: Sequence[str]


def epochs_of(run_dir: Path, probe_set: str) -> list[int]:
    """Numbers of the epochs that were probed, by the names of files."""
    return sorted({point_of_name(file).epoch for file, _ in files_of_rows(run_dir, "rows", probe_set)})


def whole_run(
    run_dir: Path,
    out: Path,
    catalogue: Catalogue,
    drawn: Sequence[Measure],
    *,
    probe_set: str,
    rows: pd.DataFrame | None,
) -> WholeRun:
    """Read all epochs, unless `rows` are theirs, and write the values of the measures that are drawn."""
    rows = epoch_ends(load(run_dir, probe_set=probe_set)) if rows is None else rows
    write_csv(_values(rows, drawn), out / VALUES)
    return WholeRun(caveats_of_run(run_dir, rows, probe_set=probe_set), not_estimated(rows, catalogue))


def _values(rows: pd.DataFrame, drawn: Sequence[Measure]) -> pd.DataFrame:
    of_layers = rows[rows["layer"] != ""]
    return pd.concat([of_layers[:0], *(measure.rows(of_layers) for measure in drawn)])[list(_COLUMNS)]
