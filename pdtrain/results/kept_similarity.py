"""Similarity of networks that are not at hand, from dissimilarities that were kept: over epochs, and between runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations, combinations_with_replacement, product
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import stdtrit

from pdtrain.estimators.halvings import SPLITS
from pdtrain.results.dissimilarities import Dissimilarities

Values = NDArray[np.float64]
_AT_ONCE = 64  # matrices that are compared with as many others
_CONFIDENCE = 0.95
_COLUMNS = [
    "quantity", "setting", "other_setting", "layer", "other_layer", "layer_index", "other_index", "mean", "lower",
    "upper", "pairs", "interval", "n",
]  # fmt: skip


def over_epochs(kept: Sequence[Dissimilarities], quantity: str, layer: str) -> Values:
    """A layer at each point compared with itself at each other, shape (points, points)."""
    places = [(place, layer) for place in range(len(kept))]
    return _values(kept, places, quantity)


def between_runs(kept: Mapping[str, Dissimilarities], settings: Mapping[str, str]) -> pd.DataFrame:
    """Every layer of every run compared with every layer of every other, summed up by setting.

    Runs that saw other stimuli are not compared.

    Parameters
    ----------
    kept
        By run, what was kept of one point.
    settings
        What tells runs apart but for their seeds.

    Returns
    -------
    pandas.DataFrame
        A line for each quantity, two settings (the same one: between its seeds) and two layers: mean over `pairs` of
        runs, and its 95% interval. It is over runs, by the jackknife that leaves one out, where each setting has three
        or more (two, of two settings); over `n` stimuli where there is a single pair; else there is none.
    """
    frames = [
        _of_settings(quantity, one, other, kept, settings)
        for quantity in dict.fromkeys(name for each in kept.values() for name in each.ways)
        for one, other in combinations_with_replacement(dict.fromkeys(settings[run] for run in kept), 2)
    ]
    found = [frame for frame in frames if len(frame)]
    return pd.concat(found, ignore_index=True) if found else pd.DataFrame(columns=_COLUMNS)


def _of_settings(
    quantity: str, one: str, other: str, kept: Mapping[str, Dissimilarities], settings: Mapping[str, str]
) -> pd.DataFrame:
    rows = [run for run in kept if settings[run] == one]
    columns = [run for run in kept if settings[run] == other]
    pairs = list(combinations(rows, 2)) if one == other else list(product(rows, columns))
    pairs = [(a, b) for a, b in pairs if comparable(kept[a], kept[b], quantity)]
    if not pairs:
        return pd.DataFrame(columns=_COLUMNS)
    layers = [_common_layers([kept[run] for run in runs]) for runs in (rows, columns)]
    values = _of_pairs(pairs, layers, quantity, kept, symmetric=one == other and len(pairs) > 1)
    interval, (lower, upper) = "", (np.full(values.shape[1:], np.nan),) * 2
    if len(pairs) == 1:
        interval, (lower, upper) = "stimuli", _over_stimuli(pairs[0], layers, quantity, kept, values[0])
    elif (error := _jackknife(values, pairs, same=one == other)) is not None:
        interval, reach = "runs", error[0] * float(stdtrit(error[1], (1 + _CONFIDENCE) / 2))
        lower, upper = values.mean(0) - reach, values.mean(0) + reach
    lines: list[tuple[Any, ...]] = [
        (
            quantity, one, other, layer, opposite, row, column, values[:, row, column].mean(),
            max(lower[row, column], -1.0), min(upper[row, column], 1.0), len(pairs), interval,
            len(kept[pairs[0][0]].chosen),
        )
        for (row, layer), (column, opposite) in product(enumerate(layers[0]), enumerate(layers[1]))
    ]  # fmt: skip
    return pd.DataFrame(lines, columns=_COLUMNS)


def comparable(one: Dissimilarities, other: Dissimilarities, quantity: str) -> bool:
    """Whether both have a quantity, made alike, of the same stimuli."""
    return quantity in one.ways and one.ways[quantity] == other.ways.get(quantity) and one.same_stimuli(other)


def _common_layers(kept: Sequence[Dissimilarities]) -> list[str]:
    """Layers that all have, in the order of the first."""
    return [layer for layer in kept[0].layers if all(layer in each.layers for each in kept)]


def _of_pairs(
    pairs: Sequence[tuple[str, str]],
    layers: Sequence[Sequence[str]],
    quantity: str,
    kept: Mapping[str, Dissimilarities],
    *,
    symmetric: bool,
) -> Values:
    """Values of each pair of runs, shape (pairs, layers, layers); which of a setting's seeds comes first is chance."""
    runs = list(dict.fromkeys(run for pair in pairs for run in pair))
    both = list(dict.fromkeys([*layers[0], *layers[1]]))
    places = [(runs.index(run), layer) for run in runs for layer in both if layer in kept[run].layers]
    values = _values([kept[run] for run in runs], places, quantity)
    at = {place: index for index, place in enumerate(places)}
    found = []
    for one, other in pairs:
        rows = [at[runs.index(one), layer] for layer in layers[0]]
        columns = [at[runs.index(other), layer] for layer in layers[1]]
        of_pair = values[np.ix_(rows, columns)]
        found.append((of_pair + of_pair.T) / 2 if symmetric else of_pair)
    return np.stack(found)


def _values(kept: Sequence[Dissimilarities], places: Sequence[tuple[int, str]], quantity: str) -> Values:
    """Each matrix, at a place among those kept and of a layer, compared with each other."""
    values = np.full((len(places), len(places)), np.nan)
    blocks = [range(start, min(start + _AT_ONCE, len(places))) for start in range(0, len(places), _AT_ONCE)]
    for one, other in combinations_with_replacement(blocks, 2):
        rows = _matrices(kept, [places[index] for index in one], quantity)
        columns = rows if one is other else _matrices(kept, [places[index] for index in other], quantity)
        block = _compared(rows, columns, kept[0].ways[quantity][1], None).values.numpy()
        values[np.ix_(one, other)] = block
        values[np.ix_(other, one)] = block.T
    return values


def _over_stimuli(
    pair: tuple[str, str],
    layers: Sequence[Sequence[str]],
    quantity: str,
    kept: Mapping[str, Dissimilarities],
    values: Values,
) -> tuple[Values, Values]:
    """95% interval over stimuli of a single pair of runs."""
    from pdtrain.estimators.half_samples import standard_error

    one, other = ([(place, layer) for layer in of] for place, of in enumerate(layers))
    of_pair = [kept[run] for run in pair]
    rows, columns = _matrices(of_pair, one, quantity), _matrices(of_pair, other, quantity)
    found = _compared(rows, columns, of_pair[0].ways[quantity][1], of_pair[0].halves)
    reach = float(stdtrit(SPLITS, (1 + _CONFIDENCE) / 2)) * standard_error(found.half_differences).numpy()
    return values - reach, values + reach


def _matrices(kept: Sequence[Dissimilarities], places: Sequence[tuple[int, str]], quantity: str) -> list[Any]:
    import torch

    return [torch.from_numpy(kept[place].matrix_of(quantity, layer)) for place, layer in places]


def _compared(rows: list[Any], columns: list[Any], comparison: str, halves: NDArray[np.bool_] | None) -> Any:
    import torch

    from pdtrain.estimators.similarity import similarities

    return similarities(
        rows, columns, comparison=comparison, halves=None if halves is None else torch.from_numpy(halves)
    )


def _jackknife(values: Values, pairs: Sequence[tuple[str, str]], *, same: bool) -> tuple[Values, int] | None:
    """Standard error of the mean over pairs, as runs vary, and its degrees of freedom; None of too few runs."""
    ones, others = (list(dict.fromkeys(pair[end] for pair in pairs)) for end in (0, 1))
    groups = [list(dict.fromkeys([*ones, *others]))] if same else [ones, others]
    if any(len(runs) < (3 if same else 2) for runs in groups):
        return None
    variance = np.zeros(values.shape[1:])
    for runs in groups:
        without = np.stack([values[[run not in pair for pair in pairs]].mean(0) for run in runs])
        variance += (len(runs) - 1) * without.var(0)
    return np.sqrt(variance), min(map(len, groups)) - 1
