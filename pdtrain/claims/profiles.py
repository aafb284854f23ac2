"""A quantity along depth in one run, untrained, after one epoch and trained, with half differences over stimuli."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float

from pdtrain.claims.declared import Place, Quantity, Time
from pdtrain.estimators.halvings import SPLITS
from pdtrain.results.configuration import PRETRAINED_WEIGHTS
from pdtrain.results.reader import epoch_ends, load
from pdtrain.results.rows import HALF_DIFFERENCES, ProbePoint
from pdtrain.results.run_folder import TRAINING

_UNKNOWN = (math.nan,) * SPLITS


@dataclass(frozen=True)
class Value:
    """A value on the scale of its quantity.

    Attributes
    ----------
    value
        NaN where there is none.
    half_differences
        NaN where they are not known.
    layer
        Where it was found.
    missing
        Why there is none.
    """

    value: float
    half_differences: Float[np.ndarray, " splits"]
    layer: str = ""
    missing: str = ""

    @classmethod
    def none(cls, why: str) -> "Value":
        """No value, for this reason."""
        return cls(math.nan, np.full(SPLITS, math.nan), missing=why)


@dataclass(frozen=True)
class Profile:
    """A quantity over input and hidden layers.

    Attributes
    ----------
    layers
        Columns layer, depth, value and half_differences, on the scale of the quantity, in order; and missing: why
        there is no value.
    """

    layers: pd.DataFrame

    @property
    def hidden(self) -> pd.DataFrame:
        """The hidden layers."""
        return self.layers[self.layers["depth"] > 0]

    def at(self, layer: str) -> Value:
        """The value of a layer."""
        of_layer = self.layers[self.layers["layer"] == layer]
        if of_layer.empty:
            return Value.none(f"{layer}: not measured")
        row = of_layer.iloc[0]
        if not math.isfinite(row["value"]):
            return Value.none(f"{layer}: {row['missing'] or 'no value'}")
        return Value(float(row["value"]), np.asarray(row[HALF_DIFFERENCES], dtype=float), layer)

    def of_place(self, place: Place, peak: str | None) -> Value:
        """The value at a place along depth; the layer of the peak is found elsewhere."""
        if self.layers.empty:
            return Value.none("not measured")
        if place == "input":
            first = self.layers.iloc[0]
            return self.at(first["layer"]) if first["depth"] == 0 else Value.none("the input was not measured")
        if place == "peak":
            return self.at(peak) if peak else Value.none("no layer has a value")
        hidden = self.hidden
        if hidden.empty:
            return Value.none("no hidden layer was measured")
        return self.at(hidden["layer"].iloc[0 if place == "first" else -1])


class MeasuredRun:
    """A run, and what was measured of it.

    Parameters
    ----------
    folder
        Of the run.
    seed
        Of its training.
    probe_set
        Which rows.
    """

    def __init__(self, folder: str | Path, seed: int, *, probe_set: str = TRAINING) -> None:
        self.folder, self.seed, self._probe_set = Path(folder), seed, probe_set
        self._profiles: dict[tuple[str, Time], Profile] = {}

    @cached_property
    def every_row(self) -> pd.DataFrame:
        """Rows of all probe points, with half differences."""
        return load(self.folder, probe_set=self._probe_set, half_differences=True)

    @cached_property
    def rows(self) -> pd.DataFrame:
        """Those at the ends of epochs."""
        return epoch_ends(self.every_row)

    @property
    def stimuli(self) -> str:
        """Fingerprint of what was shown."""
        return str(self.rows["stimuli"].iloc[0]) if "stimuli" in self.rows else ""

    @cached_property
    def layers(self) -> tuple[str, ...]:
        """Names of the layers that were measured, in order."""
        places = self.rows[self.rows["layer"] != ""].drop_duplicates("layer").sort_values("layer_index")
        return tuple(places["layer"])

    def estimators(self, of: Quantity) -> dict[str, frozenset[str]]:
        """What made the values of a quantity, by property."""
        rows = self.rows[(self.rows["probe"] == of.probe) & (self.rows["quantity"] == of.quantity)]
        return {name: frozenset(rows["estimator"][rows["property"] == name]) - {""} for name in of.properties}

    def profile(self, of: Quantity, time: Time) -> Profile:
        """A quantity at a time of training."""
        key = (of.model_dump_json(), time)
        if key not in self._profiles:
            self._profiles[key] = profile_of(self._at(time), of)
        return self._profiles[key]

    def course(self, of: Quantity, layer: str) -> dict[ProbePoint, Value]:
        """A quantity of a layer at every probe point that has a value of it."""
        rows = self.every_row
        mine = rows[(rows["probe"] == of.probe) & (rows["quantity"] == of.quantity) & (rows["layer"] == layer)]
        found = {}
        for (epoch, step), at_point in mine.groupby(["epoch", "step"]):
            by_property = at_point.set_index("property")[["value", HALF_DIFFERENCES]].reindex(of.properties)
            if by_property["value"].notna().all():
                values, halves = by_property["value"].tolist(), by_property[HALF_DIFFERENCES].tolist()
                value = Value(**_scaled(values, halves, of), layer=layer)
                found[ProbePoint(int(epoch), int(step))] = value  # type: ignore[call-overload]
        return {point: value for point, value in found.items() if not value.missing}

    def _at(self, time: Time) -> pd.DataFrame:
        rows = self.rows
        if time == "untrained":
            return rows[rows["step"] == 0]
        trained = rows[rows["step"] > 0]
        if time == "trained":
            return trained[trained["epoch"] == trained["epoch"].max()]
        return trained[(trained["epoch"] == 1) & (trained["weights"] != PRETRAINED_WEIGHTS)]  # of theirs none is known


def profile_of(rows: pd.DataFrame, of: Quantity) -> Profile:
    """A quantity in the rows of one probe point."""
    mine = rows[(rows["probe"] == of.probe) & (rows["quantity"] == of.quantity) & (rows["depth"] < 1)]
    by_property = [mine[mine["property"] == name].set_index("layer") for name in of.properties]
    order = mine.drop_duplicates("layer").sort_values("layer_index")
    of_layers = [
        {"layer": layer, "depth": depth, **_value(layer, by_property, of)}
        for layer, depth in zip(order["layer"], order["depth"], strict=True)
    ]
    return Profile(pd.DataFrame(of_layers, columns=["layer", "depth", "value", HALF_DIFFERENCES, "missing"]))


def _value(layer: str, by_property: Sequence[pd.DataFrame], of: Quantity) -> dict[str, Any]:
    """Mean over the properties; none, and why, where one has none."""
    values, halves = [], []
    for name, rows in zip(of.properties, by_property, strict=True):
        value = float(rows["value"].get(layer, math.nan))
        if not math.isfinite(value):
            why = str(rows["note"].get(layer, "")) or "not measured"
            return {"value": math.nan, HALF_DIFFERENCES: _UNKNOWN, "missing": f"{name}: {why}".lstrip(": ")}
        values.append(value)
        halves.append(rows[HALF_DIFFERENCES].get(layer))
    return _scaled(values, halves, of)


def _scaled(values: Sequence[float], halves: Sequence[Sequence[float] | None], of: Quantity) -> dict[str, Any]:
    """The mean of values that are all there, on the scale of the quantity; none where it has no place on it."""
    known = [_UNKNOWN if of_value is None or not len(of_value) else of_value for of_value in halves]
    mean, half_differences = float(np.mean(values)), np.mean(np.array(known, dtype=float), axis=0)
    if of.scale == "linear":
        return {"value": mean, HALF_DIFFERENCES: half_differences, "missing": ""}
    if mean <= 0:
        return {"value": math.nan, HALF_DIFFERENCES: _UNKNOWN, "missing": "not above zero, so that it has no logarithm"}
    return {"value": math.log(mean), HALF_DIFFERENCES: half_differences / mean, "missing": ""}
