"""What training changes: which properties, at which layers, and when."""

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd

from pdtrain.claims.declared import Quantity
from pdtrain.claims.groups import Group
from pdtrain.claims.profiles import MeasuredRun, Profile, profile_of
from pdtrain.estimators.multiple_tests import holm_adjusted
from pdtrain.estimators.nested_means import nested_mean

_CHANGES = [
    "quantity", "property", "layer", "depth", "untrained", "trained", "difference", "lower", "upper", "seeds",
    "p_value",
]  # fmt: skip
_COURSE = ["quantity", "properties", "epoch", "step", "change", "lower", "upper"]


def changes_of_training(group: Group, quantities: Sequence[Quantity]) -> pd.DataFrame:
    """Trained less untrained, of each property at each hidden layer, over the seeds of a group.

    Returns
    -------
    pandas.DataFrame
        Columns quantity, property, layer, depth, untrained, trained, difference, lower and upper (over seeds and
        stimuli), seeds, and p_value: two-sided over seeds, corrected over all lines (Holm 1979).
    """
    lines = [
        line
        for quantity in quantities
        for name in quantity.properties
        for line in _of_property(group, quantity.model_copy(update={"properties": [name]}))
    ]
    table = pd.DataFrame(lines, columns=_CHANGES)
    return table.assign(p_value=holm_adjusted(table["p_value"].to_numpy(dtype=float)))


def _of_property(group: Group, of: Quantity) -> list[dict[str, object]]:
    ends = [(run.profile(of, "untrained"), run.profile(of, "trained")) for run in group.runs.values()]
    lines: list[dict[str, object]] = []
    hidden = ends[0][1].hidden if ends else pd.DataFrame({"layer": [], "depth": []})
    for layer, depth in zip(hidden["layer"], hidden["depth"], strict=True):
        found = [(before.at(layer), after.at(layer)) for before, after in ends]
        if any(value.missing for both in found for value in both):
            continue
        before, after = (np.array([both[end].value for both in found]) for end in (0, 1))
        halves = np.array([both[1].half_differences - both[0].half_differences for both in found])
        change = nested_mean(after - before, halves)
        lines.append(
            {
                "quantity": of.quantity, "property": of.properties[0], "layer": layer, "depth": depth,
                "untrained": before.mean(), "trained": after.mean(), "difference": change.value, "lower": change.lower,
                "upper": change.upper, "seeds": change.seeds, "p_value": change.p_differs(),
            }
        )  # fmt: skip
    return lines


def over_training(group: Group, quantities: Sequence[Quantity]) -> pd.DataFrame:
    """The last hidden layer at each probe point: its change from the untrained network, over the seeds of a group.

    Returns
    -------
    pandas.DataFrame
        Columns quantity, properties, epoch, step, change, lower and upper, on the quantity's scale.
    """
    lines = []
    for of in quantities:
        of_runs = [_course(run, of) for run in group.runs.values()]
        points = set.intersection(*map(set, of_runs)) if of_runs else set()
        for point in sorted(points, key=lambda point: point[1]):
            values = [of_run[point].hidden for of_run in of_runs]
            origins = [of_run[0, 0].hidden for of_run in of_runs if (0, 0) in of_run]
            if len(origins) < len(values) or any(hidden.empty for hidden in [*values, *origins]):
                continue
            ends = [(before.iloc[-1], after.iloc[-1]) for before, after in zip(origins, values, strict=True)]
            moved = np.array([after["value"] - before["value"] for before, after in ends], dtype=float)
            if not np.isfinite(moved).all():
                continue
            halves = [np.subtract(after["half_differences"], before["half_differences"]) for before, after in ends]
            change = nested_mean(moved, np.array(halves, dtype=float)) if point != (0, 0) else None
            lines.append(
                {
                    "quantity": of.quantity, "properties": ", ".join(of.properties), "epoch": point[0],
                    "step": point[1], "change": change.value if change else 0.0,
                    "lower": change.lower if change else math.nan, "upper": change.upper if change else math.nan,
                }
            )  # fmt: skip
    return pd.DataFrame(lines, columns=_COURSE)


def _course(run: MeasuredRun, of: Quantity) -> dict[tuple[int, int], Profile]:
    """Profile at each probe point."""
    return {
        (int(epoch), int(step)): profile_of(rows, of)  # type: ignore[call-overload]
        for (epoch, step), rows in run.every_row.groupby(["epoch", "step"])
    }
