"""What a report says of representations that were kept: of a run over its epochs, and of runs between each other."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from pdtrain.report import similarity_figures
from pdtrain.report.style import moment
from pdtrain.results.dissimilarities import Dissimilarities
from pdtrain.results.kept_similarity import between_runs, comparable, over_epochs
from pdtrain.results.rows import ProbePoint
from pdtrain.results.store import ResultsStore

TABLE = "similarity.csv"
_DRAWN = "cka"  # of epochs by epochs
_MOST_LAYERS, _MOST_EPOCHS = 16, 24  # drawn; what lies between is left out evenly


@dataclass(frozen=True)
class RunsCompared:
    """Similarity of the layers of runs to those of others.

    Attributes
    ----------
    table
        As `pdtrain.results.kept_similarity.between_runs` gives it; empty where nothing can be compared.
    figures
        By name.
    notes
        Why runs are not compared that could have been.
    """

    table: pd.DataFrame
    figures: dict[str, Figure] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def keeps_epochs(run_dir: str, rows: pd.DataFrame, probe_set: str) -> bool:
    """Whether a run kept what its epochs can be compared by, of three at least."""
    store = ResultsStore(run_dir, probe_set=probe_set)
    return sum(store.keeps_dissimilarities(point) for point in _points(rows)) > 2


def compared_epochs(run_dir: str, rows: pd.DataFrame, probe_set: str) -> Figure:
    """Every epoch of a run compared with every other, layer by layer."""
    store = ResultsStore(run_dir, probe_set=probe_set)
    read = {point: store.read_dissimilarities(point) for point in _evenly(_points(rows), _MOST_EPOCHS)}
    kept = {point: found for point, found in read.items() if found is not None}
    first = next(iter(kept.values()))
    kept = {point: found for point, found in kept.items() if comparable(first, found, _DRAWN)}
    layers = [layer for layer in first.layers if all(layer in found.layers for found in kept.values())]
    of_epochs = list(kept.values())
    maps = {layer: over_epochs(of_epochs, _DRAWN, layer) for layer in _evenly(layers, _MOST_LAYERS)}
    maps = {layer: found for layer, found in maps.items() if np.isfinite(found).any()}
    return similarity_figures.epoch_maps(maps, [_short(moment(rows, p.epoch)) for p in kept], unit="CKA")


def compared_runs(
    rows: pd.DataFrame, settings: Mapping[str, str], replicates: Mapping[str, str], probe_set: str
) -> RunsCompared:
    """Compare the last points of runs.

    Parameters
    ----------
    rows
        Of the last epoch of each run.
    settings
        What tells runs apart but for their seeds.
    replicates
        Which runs of a setting are the same one again, of one seed: of several of them the first counts, unless they
        are all there is.
    probe_set
        Of the rows.
    """
    kept = {}
    for run, of_run in rows.groupby("run", sort=True):
        found = ResultsStore(str(run), probe_set=probe_set).read_dissimilarities(_points(of_run)[-1])
        if found is not None:
            kept[str(run)] = found
    without = [run for run in rows["run"].unique() if run not in kept]
    once = {(settings[run], replicates[run]): run for run in reversed(list(kept))}
    if len(kept) > 2:
        kept = {run: found for run, found in kept.items() if run in once.values()}
    if len(kept) < 2:
        said = [f"Similarity between runs: not given, as nothing was kept of {', '.join(without)}."] if kept else []
        return RunsCompared(pd.DataFrame(), notes=said)
    table = between_runs(kept, settings)
    notes = list(_left_out(kept, without))
    if table["mean"].notna().sum() == 0:
        return RunsCompared(pd.DataFrame(), notes=notes)
    figures = {"similarity_runs": similarity_figures.run_maps(table, _axes_of(kept, settings))}
    if (table["layer"] == table["other_layer"]).any():
        figures["similarity_same_layers"] = similarity_figures.same_layers(table)
    return RunsCompared(table, figures, notes)


def _left_out(kept: Mapping[str, Dissimilarities], without: Sequence[str]) -> list[str]:
    """A sentence for runs that saw other stimuli, were compared otherwise, or kept nothing."""
    notes = [f"Similarity between runs: nothing was kept of {', '.join(without)}."] if without else []
    first, other = next(iter(kept)), None
    for run, found in kept.items():
        if not kept[first].same_stimuli(found):
            other = f"{run} was shown other stimuli than {first}"
        elif any(not comparable(kept[first], found, quantity) for quantity in kept[first].ways):
            other = f"{run} was measured with other values of probes.similarity than {first}"
        if other:
            return [*notes, f"Similarity between runs: given only where both were shown the same stimuli; {other}."]
    return notes


def _axes_of(kept: Mapping[str, Dissimilarities], settings: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    """What stands at the axes of the map of two settings: the runs themselves where there is one of each."""
    runs: dict[str, list[str]] = {}
    for run in kept:
        runs.setdefault(settings[run], []).append(run)
    named = {}
    for one, other in ((a, b) for a in runs for b in runs):
        if one == other:
            two = len(runs[one]) == 2
            named[f"{one}/{other}"] = (runs[one][0], runs[one][1]) if two else (f"{one}: one", f"{one}: another")
        else:
            named[f"{one}/{other}"] = (one, other)
    return named


def _points(rows: pd.DataFrame) -> list[ProbePoint]:
    """Of the ends of epochs, as `epoch_ends` gives their rows."""
    places = rows[["epoch", "step"]].drop_duplicates().sort_values("step")
    return [ProbePoint(int(epoch), int(step)) for epoch, step in places.itertuples(index=False)]


def _evenly(items: Sequence, most: int) -> list:
    """The items, or so many of them, among them the first and the last."""
    if len(items) <= most:
        return list(items)
    return [items[round(place)] for place in np.linspace(0, len(items) - 1, most)]


def _short(name: str) -> str:
    return name.removeprefix("epoch ")
