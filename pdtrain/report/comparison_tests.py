"""Which settings differ: every pair compared over its seeds, with effect sizes, corrected for how many are compared.

Holm's correction, since a page is read for its stars, and none of them should be chance: it holds however the layers
and indices of the same runs go together, which the false discovery rate of Benjamini and Hochberg does not.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from pdtrain.estimators.mean_differences import MeanDifference, paired_difference, unpaired_difference
from pdtrain.estimators.multiple_tests import holm_adjusted

_LEVEL = 0.05
_OF = ["layer", "layer_index", "depth", "probe", "quantity", "property"]
OF_LAYERS = ["probe", "quantity", "property"]  # layers, and pairs of settings, are tested together
_COLUMNS = [
    *_OF, "setting", "against", "difference", "lower", "upper", "effect_size", "effect_lower", "effect_upper",
    "p_value", "p_holm", "differs", "n", "n_against", "test", "reason",
]  # fmt: skip


def differences_of_settings(rows: pd.DataFrame, *, together: Sequence[str] = ()) -> pd.DataFrame:
    """Compare the settings of runs, two by two, in each quantity that both have at the same layer.

    Parameters
    ----------
    rows
        Of the last epoch of each run, with columns setting and replicate: what tells a run from others of its setting.
        Where two settings have the same replicates, such as seeds, they are paired.
    together
        Columns within which the number of tests is corrected for; none takes all lines together.

    Returns
    -------
    pandas.DataFrame
        One line for each quantity, layer and pair: `setting` less `against`, with what `MeanDifference` says of it;
        p_holm (Holm 1979); `differs`, whether that is at most 5%; and how many seeds of each went in, n and n_against.
        NaN, with a reason, where there are too few.
    """
    lines = [place | line for place, by_setting in _by_place(rows) for line in _pairs(by_setting)]
    table = pd.DataFrame(lines, columns=[column for column in _COLUMNS if column not in ("p_holm", "differs")])
    groups = table.groupby(list(together), sort=False)["p_value"] if together else [("", table["p_value"])]
    adjusted = pd.Series(float("nan"), index=table.index)
    for _, p_values in groups:
        adjusted[p_values.index] = holm_adjusted(p_values.to_numpy(dtype=float))
    return table.assign(p_holm=adjusted, differs=adjusted <= _LEVEL)[_COLUMNS]


def why_untested(table: pd.DataFrame) -> str | None:
    """Why there is no test at all between settings; None where there is one, or nothing to test."""
    if table.empty or table["p_value"].notna().any():
        return None
    return f"No test between settings: {table['reason'].value_counts().index[0]}."


_Values = dict[str, float]  # by replicate


def _by_place(rows: pd.DataFrame) -> Iterator[tuple[dict[str, Any], dict[str, _Values]]]:
    """Each quantity at each layer and its values by setting; those of different estimators, never compared, apart."""
    place = [*_OF, "estimator"]
    # runs of one seed are one measurement made twice
    means = rows.groupby([*place, "setting", "replicate"], sort=False, dropna=False)["value"].mean().reset_index()
    places = means.groupby(place, sort=False, dropna=False).ngroup()
    first = means[~places.duplicated()][_OF].to_dict("records")
    found: list[dict[str, _Values]] = [{} for _ in first]
    for at, setting, replicate, value in zip(places, means["setting"], means["replicate"], means["value"], strict=True):
        found[at].setdefault(setting, {})[replicate] = value
    for of_place, by_setting in zip(first, found, strict=True):
        yield {str(key): value for key, value in of_place.items()}, by_setting


def _pairs(by_setting: Mapping[str, _Values]) -> Iterator[dict[str, Any]]:
    known = {setting for setting, values in by_setting.items() if np.isfinite(list(values.values())).any()}
    for one, other in combinations(by_setting, 2):
        if known & {one, other}:
            found = dict(vars(_difference(by_setting[one], by_setting[other])))
            runs = found.pop("runs")
            yield found | {"setting": other, "against": one, "n": runs[1], "n_against": runs[0]}


def _difference(one: _Values, other: _Values) -> MeanDifference:
    if one.keys() == other.keys():
        return paired_difference(np.array(list(one.values())), np.array([other[replicate] for replicate in one]))
    return unpaired_difference(np.array(list(one.values())), np.array(list(other.values())))
