"""What differs between two probe points, or two networks on the same stimuli: layer by layer, paired, with p-values."""

from collections.abc import Iterable

import numpy as np
import pandas as pd
from scipy.special import stdtr, stdtrit

from pdtrain.estimators.halvings import SPLITS
from pdtrain.estimators.multiple_tests import holm
from pdtrain.results.measures import Measure
from pdtrain.results.rows import HALF_DIFFERENCES

_LEVEL = 0.05
_PLACE = ["layer", "probe", "quantity", "property"]
_COLUMNS = [
    *_PLACE, "layer_index", "before", "after", "difference", "standard_error", "lower", "upper", "p_value", "differs",
]  # fmt: skip


def differences(
    before: pd.DataFrame,
    after: pd.DataFrame,
    measures: Iterable[Measure],
    units: tuple[pd.DataFrame, pd.DataFrame] | None = None,
) -> pd.DataFrame:
    """Differences of the values of two probe points of one network, or of two networks, on the same stimuli.

    The standard error of a difference is that of the half differences' difference (over stimuli); of a mean over units,
    that of the mean difference of the same units is added (over units).

    Parameters
    ----------
    before, after
        Rows of one probe point each, as `load(..., half_differences=True)` gives them.
    measures
        What to compare.
    units
        Per-unit values of the same points; None leaves the spread over units out.

    Returns
    -------
    pandas.DataFrame
        One line for each layer, probe, quantity and property that both have on the same stimuli, by the same estimator:
        before, after, difference, standard_error, lower and upper (95%), p_value (Student's, 19 degrees of freedom),
        and `differs`: whether the layer does at 5% among all layers of its quantity and property (Holm 1979).
    """
    found = [
        _tested(paired)
        for measure in measures
        for _, paired in _paired(measure, before, after, units).groupby("property", sort=False)
    ]
    return pd.concat(found, ignore_index=True) if found else pd.DataFrame(columns=_COLUMNS)


def _paired(
    measure: Measure, before: pd.DataFrame, after: pd.DataFrame, units: tuple[pd.DataFrame, pd.DataFrame] | None
) -> pd.DataFrame:
    """Values of both points side by side, with the standard error of their difference."""
    same = [*_PLACE, "layer_index", "stimuli", "estimator"]
    kept = [*same, "value", HALF_DIFFERENCES]
    both = measure.rows(before)[kept].merge(measure.rows(after)[kept], on=same, suffixes=("_before", "_after"))
    halves = [both[f"{HALF_DIFFERENCES}_{end}"] for end in ("before", "after")]
    usable = (both["layer"] != "") & (both["stimuli"] != "") & (halves[0].map(len) == SPLITS)
    both = both[usable & (halves[1].map(len) == SPLITS)].rename(
        columns={"value_before": "before", "value_after": "after"}
    )
    moved = [
        np.subtract(now, then)
        for then, now in zip(both[f"{HALF_DIFFERENCES}_before"], both[f"{HALF_DIFFERENCES}_after"], strict=True)
    ]
    variance = np.array([np.square(of).mean() for of in moved], dtype=float)
    if units is not None and measure.per == "unit":
        # what has no per-unit values is not tested: half of its error is not known
        of_units = both[_PLACE].merge(_over_units(measure, *units), how="left")
        variance = variance + of_units["variance"].to_numpy()
    return both.assign(difference=both["after"] - both["before"], standard_error=np.sqrt(variance))


def _over_units(measure: Measure, before: pd.DataFrame, after: pd.DataFrame) -> pd.DataFrame:
    """Squared standard error of the mean difference of the same units, by layer and property."""
    of_unit = measure.of(measure.unit_quantity or measure.quantity)
    keys = ["layer", "property", "unit", "estimator"]
    both = of_unit.rows(before)[[*keys, "value"]].merge(of_unit.rows(after)[[*keys, "value"]], on=keys)
    moved = (both["value_y"] - both["value_x"]).groupby([both["layer"], both["property"]])
    return (moved.var() / moved.count()).rename("variance").reset_index()


def _tested(paired: pd.DataFrame) -> pd.DataFrame:
    """The layers of a quantity and property, tested together."""
    known = paired[paired["standard_error"] > 0]
    reach = float(stdtrit(SPLITS, 0.975)) * known["standard_error"]
    statistic = known["difference"].abs() / known["standard_error"]
    tested = known.assign(
        lower=known["difference"] - reach,
        upper=known["difference"] + reach,
        p_value=2 * stdtr(SPLITS, -statistic),
    )
    return tested.assign(differs=holm(tested["p_value"].to_numpy(), _LEVEL))[_COLUMNS]
