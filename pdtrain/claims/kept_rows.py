"""The rows that claims are judged from, in two small files: so that anybody can judge them again without the runs."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from omegaconf import OmegaConf

from pdtrain.claims.declared import Claims, Quantity
from pdtrain.claims.groups import groups_of, has, keys_of
from pdtrain.errors import InputError, first_line
from pdtrain.files import written_whole
from pdtrain.results import logged
from pdtrain.results.configuration import runs_below, save_configuration
from pdtrain.results.measures import SILENT_UNITS
from pdtrain.results.metrics import last_values, read_metrics
from pdtrain.results.reader import epoch_ends, load
from pdtrain.results.rows import COLUMNS, HALF_DIFFERENCES, ProbePoint, Row
from pdtrain.results.run_folder import RunFolder, usual_set
from pdtrain.results.status import is_unfinished, write_status
from pdtrain.results.store import ResultsStore

ROWS, RUNS = "rows.parquet", "runs.json"
_KEYS = ("seed", "untrained", "untrained_batch_norm", "data.shuffled_labels", "experiment", "model", "data", "stimuli")
_METRICS = (logged.VALIDATION_ACCURACY, logged.TRAINING_ACCURACY, logged.EVALUATED_ACCURACY)
_DIGITS = 10  # bits of a half difference's mantissa that are kept: a thousandth of it


def keep(folders: Sequence[str | Path], claims: Claims, into: str | Path) -> None:
    """Keep what claims are judged from of all runs that they are about, and the course of their last hidden layers.

    Of a run that is not finished nothing is kept but that it is not.

    Raises
    ------
    InputError
        If there is no such run, two have the same name, or those of a group differ in more than their seeds.
    """
    for wanted in claims.data_sets.values():
        groups_of(folders, wanted)  # what was kept no longer says all that runs may differ in
    told = dict.fromkeys([*_KEYS, *(key for of in claims.data_sets.values() for keys in of.values() for key in keys)])
    runs: list[dict[str, Any]] = []
    frames: list[pd.DataFrame] = []
    for root in folders:
        for run in runs_below(root):
            keys = keys_of(run)
            if not any(has(keys, of) for groups in claims.data_sets.values() for of in groups.values()):
                continue
            name = str(Path(Path(root).name) / run.relative_to(root))
            if name in (known["run"] for known in runs):
                raise InputError(f"run_dir={root}: another folder has a run {name} too; rename one")
            probe_set = usual_set(run)
            finished = not is_unfinished(run)
            metrics = last_values(read_metrics(run)) if finished else {}
            runs.append(
                {
                    "run": name,
                    "probe_set": probe_set,
                    "keys": {key: keys[key] for key in told if key in keys},
                    "metrics": {key: value for key, value in metrics.items() if key in _METRICS},
                    "seconds": _seconds(run) if finished else None,
                    "finished": finished,
                }
            )
            if not finished:
                continue
            frames.append(_needed(run, probe_set, list(claims.quantities.values())).assign(run=name))
    if not frames:
        given = ", ".join(map(str, folders))
        raise InputError(f"run_dir={given}: no run here is finished and one that the claims are about")
    folder = Path(into)
    with written_whole(folder / ROWS) as temporary:
        pd.concat(frames).drop(columns="weights").to_parquet(temporary, index=False, compression="zstd")
    with written_whole(folder / RUNS) as temporary:
        temporary.write_text(json.dumps(runs, indent=1))


def restore(kept: str | Path, into: str | Path) -> list[Path]:
    """Make run folders of what was kept, with what the claims need and no more; return their paths.

    Raises
    ------
    InputError
        If the files are missing or damaged.
    """
    try:
        runs = json.loads((Path(kept) / RUNS).read_text())
        rows = pd.read_parquet(Path(kept) / ROWS)
        return [_restored(run, rows[rows["run"] == run["run"]], Path(into)) for run in runs]
    except Exception as error:  # whatever a damaged file brings about
        raise InputError(f"{kept}: cannot be read ({first_line(error)}); take {ROWS} and {RUNS} anew") from error


def _restored(run: dict[str, Any], rows: pd.DataFrame, into: Path) -> Path:
    folder = into / run["run"]
    if not folder.resolve().is_relative_to(into.resolve()):
        raise ValueError(f"{run['run']} lies elsewhere")
    config: dict[str, Any] = {"paths": {"run_dir": str(folder)}, "choices": {}, "data": {}, "model": {}}
    for key, value in run["keys"].items():
        if key in ("experiment", "model", "data", "stimuli"):
            config["choices"][key] = value
        else:
            OmegaConf.update(created := OmegaConf.create(config), key, value, force_add=True)
            config = OmegaConf.to_container(created)  # type: ignore[assignment]
    save_configuration(folder, OmegaConf.create(config))
    if run["metrics"]:
        lines = RunFolder(folder).wandb_lines
        lines.write_text(json.dumps(run["metrics"]) + "\n")
    if not run["finished"]:
        write_status(folder, "preempted")
    store = ResultsStore(folder, probe_set=run["probe_set"])
    for (epoch, step), of_point in rows.groupby(["epoch", "step"]):
        store.write(ProbePoint(int(epoch), int(step)), list(_rows(of_point)), [])  # type: ignore[call-overload]
    return folder


def _rows(of_point: pd.DataFrame) -> Iterator[Row]:
    known = [name for name in COLUMNS[Row] if name in of_point]
    for values in of_point[known].to_dict("records"):
        halves = tuple(map(float, values.pop(HALF_DIFFERENCES)))
        yield Row(**{str(key): value for key, value in values.items()}, half_differences=halves)


def _needed(run: Path, probe_set: str, quantities: Sequence[Quantity]) -> pd.DataFrame:
    """Rows of the quantities at untrained, first epoch and last; at every point those of the last hidden layer, and of
    all layers what is of no property, which is little.
    """
    rows = load(run, probe_set=probe_set, half_differences=True)
    wanted = SILENT_UNITS.rows(rows).index
    for of in quantities:
        of_quantity = (rows["probe"] == of.probe) & (rows["quantity"] == of.quantity)
        wanted = wanted.union(rows[of_quantity & rows["property"].isin(of.properties)].index)
    rows = rows.loc[wanted]
    ends = epoch_ends(rows)
    ends = ends[ends["epoch"].isin([0, 1, ends["epoch"].max()])]
    last = rows[rows["depth"] < 1]["layer_index"].max()
    always = (rows["layer_index"] == last) | (rows["property"] == "")
    kept = rows.loc[ends.index.union(rows[always].index)]
    columns = [
        of for of in kept if of not in ("run", "standard_deviation", "lower", "upper", "units_lower", "units_upper")
    ]
    return kept[columns].assign(**{HALF_DIFFERENCES: kept[HALF_DIFFERENCES].map(_rounded)})


def _rounded(half_differences: Any) -> np.ndarray:
    """To a thousandth of each, in which they take little room."""
    halves = np.asarray(half_differences, dtype=np.float32)
    mantissa, exponent = np.frexp(halves)
    return np.ldexp(np.round(mantissa * 2**_DIGITS) / 2**_DIGITS, exponent).astype(np.float32)


def _seconds(run: Path) -> float | None:
    """What training, validating and probing took, as logged; None of a run that logged no times."""
    metrics = read_metrics(run)
    if metrics is None or logged.EPOCH_SECONDS not in metrics:
        return None
    took = [metrics[name].sum() for name in (logged.EPOCH_SECONDS, logged.PROBE_SECONDS) if name in metrics]
    return round(float(sum(took)), 1)
