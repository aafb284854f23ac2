"""What training changes: which properties, at which layers, and when."""

import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pandas as pd

from pdtrain.claims.contrasts import highest_layer
from pdtrain.claims.declared import Quantity
from pdtrain.claims.groups import Group
from pdtrain.claims.profiles import Value
from pdtrain.estimators.multiple_tests import holm_adjusted
from pdtrain.estimators.nested_means import nested_mean
from pdtrain.results.rows import UNTRAINED, ProbePoint

_CHANGES = [
    "quantity", "property", "scale", "layer", "depth", "untrained", "trained", "difference", "lower", "upper", "seeds",
    "p_value",
]  # fmt: skip
_FEWEST_POINTS = 3  # untrained and trained alone are no course
_PLACE = ["quantity", "properties", "place", "layer"]
_COURSE = [*_PLACE, "epoch", "step", "change", "lower", "upper"]
_HALF_WAY = [*_PLACE, "earliest", "median", "latest", "first_epoch", "in_first_epoch"]


def changes_of_training(group: Group, quantities: Sequence[Quantity]) -> pd.DataFrame:
    """Trained less untrained, of each property at each hidden layer, over the seeds of a group.

    Returns
    -------
    pandas.DataFrame
        Columns quantity, property, scale, layer, depth, untrained and trained (means over seeds; on the scale "log" of
        the natural logarithm), difference, lower and upper (over seeds and stimuli), seeds, and p_value: two-sided
        over seeds, corrected over all lines (Holm 1979). Layers at which a seed has no value are left out.
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
                "quantity": of.quantity, "property": of.properties[0], "scale": of.scale,
                "layer": layer, "depth": depth,
                "untrained": before.mean(), "trained": after.mean(), "difference": change.value, "lower": change.lower,
                "upper": change.upper, "seeds": change.seeds, "p_value": change.p_differs(),
            }
        )  # fmt: skip
    return lines


def over_training(group: Group, quantities: Sequence[Quantity]) -> pd.DataFrame:
    """Two hidden layers at each probe point: their change from the untrained network, over the seeds of a group.

    Returns
    -------
    pandas.DataFrame
        Columns quantity, properties, place ("peak", the layer that is highest in the mean of the trained networks, and
        "last"), layer, epoch, step, change, lower and upper, on the quantity's scale. Points at which a seed has no
        value are left out.
    """
    lines = [
        {
            "quantity": of.quantity, "properties": ", ".join(of.properties), "place": place, "layer": layer,
            "epoch": point.epoch, "step": point.step, **_moved(changes),
        }
        for of in quantities
        for place, layer in _places(group, of)
        for point, changes in _course(group, of, layer).items()
    ]  # fmt: skip
    return pd.DataFrame(lines, columns=_COURSE)


def half_way(group: Group, quantities: Sequence[Quantity]) -> pd.DataFrame:
    """When the layers of `over_training` have gone half of the way that training takes them, and stay beyond.

    Returns
    -------
    pandas.DataFrame
        Columns quantity, properties, place, layer, earliest, median and latest: the step at which that is so in a seed;
        first_epoch: the step at which the first epoch ends; in_first_epoch: which share of the whole change the mean
        over seeds has made by then. NaN where the seeds do not all change to the same side.
    """
    lines = [
        {
            "quantity": of.quantity,
            "properties": ", ".join(of.properties),
            "place": place,
            "layer": layer,
            **_half(course),
        }
        for of in quantities
        for place, layer in _places(group, of)
        if (course := _course(group, of, layer))
    ]
    return pd.DataFrame(lines, columns=_HALF_WAY)


def _half(course: Mapping[ProbePoint, Sequence[Value]]) -> dict[str, float]:
    points = list(course)
    moved = np.array([[change.value for change in of_seeds] for of_seeds in course.values()])  # points x seeds
    whole = moved[-1]
    ends = [place for place, point in enumerate(points) if point.epoch == 1]
    found: dict[str, float] = dict.fromkeys(("earliest", "median", "latest", "in_first_epoch"), math.nan)
    found["first_epoch"] = points[ends[0]].step if ends else math.nan
    if not (np.all(whole > 0) or np.all(whole < 0)):
        return found
    beyond = moved / whole >= 0.5
    stays = np.logical_and.accumulate(beyond[::-1])[::-1]
    steps = np.array([point.step for point in points])[stays.argmax(0)]
    found |= {"earliest": float(steps.min()), "median": float(np.median(steps)), "latest": float(steps.max())}
    if ends:
        found["in_first_epoch"] = float(moved[ends[0]].mean() / whole.mean())
    return found


def _places(group: Group, of: Quantity) -> Iterator[tuple[str, str]]:
    """The highest and the last hidden layer, by name; none of a group whose seeds do not share them."""
    highest = highest_layer(group.runs.values(), of, "trained")
    if highest is not None:
        yield "peak", highest
    last = {layer for run in group.runs.values() for layer in run.profile(of, "trained").hidden["layer"].tolist()[-1:]}
    if len(last) == 1:
        yield "last", last.pop()


def _course(group: Group, of: Quantity, layer: str) -> dict[ProbePoint, list[Value]]:
    """The change of a layer from the untrained network in each seed, at the probe points that all seeds have."""
    of_seeds = [run.course(of, layer) for run in group.runs.values()]
    shared = set.intersection(*(set(of_seed) for of_seed in of_seeds)) if of_seeds else set()
    if UNTRAINED not in shared or len(shared) < _FEWEST_POINTS:
        return {}
    return {
        point: [
            Value(
                of_seed[point].value - of_seed[UNTRAINED].value,
                of_seed[point].half_differences - of_seed[UNTRAINED].half_differences,
            )
            for of_seed in of_seeds
        ]
        for point in sorted(shared, key=lambda point: point.step)
    }


def _moved(changes: Sequence[Value]) -> dict[str, float]:
    """Mean over seeds and its interval; nothing has moved at the first point."""
    values = np.array([change.value for change in changes])
    mean = nested_mean(values, np.array([change.half_differences for change in changes]))
    moved = bool(values.any())
    return {
        "change": mean.value,
        "lower": mean.lower if moved else math.nan,
        "upper": mean.upper if moved else math.nan,
    }
