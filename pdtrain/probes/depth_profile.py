"""One quantity along depth, input and hidden layers, with what its indices need; and the low-level properties as one.

A layer that has no value, or one that means nothing, is passed over, and its reason kept.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from pdtrain.estimators.halvings import SPLITS
from pdtrain.estimators.quotients import Array, replicates
from pdtrain.results.measures import RECEPTIVE_FIELD, Measure
from pdtrain.results.rows import Row
from pdtrain.stimuli.properties import PROPERTIES

LOW_LEVEL = "low_level"  # in place of a property: all low-level ones together
_LEAST_SHARE = 0.005  # of the replicates, that a layer is named for


@dataclass(frozen=True)
class DepthProfile:
    """One quantity over the input and hidden layers that have a value, in order.

    Attributes
    ----------
    rows
        One for each layer.
    first_missing, last_missing
        Which layer at either end has no value, and why; empty where it has one.
    """

    rows: list[Row]
    first_missing: str
    last_missing: str

    @classmethod
    def of(cls, rows: Sequence[Row], unusable: Mapping[str, str]) -> "DepthProfile":
        """From rows of one quantity and property; `unusable` layers count as without a value, each for its reason."""
        ordered = sorted((row for row in rows if row.depth < 1), key=lambda row: row.layer_index)
        reasons = [unusable.get(row.layer) or _why_missing(row) for row in ordered]
        kept = [row for row, reason in zip(ordered, reasons, strict=True) if not reason]
        first, last = (f"{ordered[end].layer}: {reasons[end]}" if ordered and reasons[end] else "" for end in (0, -1))
        return cls(kept, first, last)

    @property
    def values(self) -> Array:
        """Shape (layers,)."""
        return np.array([row.value for row in self.rows], dtype=float)

    @property
    def half_differences(self) -> Array:
        """Shape (splits, layers); NaN where a layer has none."""
        unknown = (math.nan,) * SPLITS
        return np.array([row.half_differences or unknown for row in self.rows], dtype=float).T

    def peak(self, *, seed: int) -> tuple[Row, Array, str]:
        """The layer of the largest value, the depth of that of each replicate, and the latter's shares in words."""
        largest = self.rows[int(self.values.argmax())]
        half_differences = self.half_differences
        if not np.isfinite(half_differences).all():
            return largest, np.empty(0), ""
        places = replicates(self.values, half_differences, seed=seed).argmax(1)
        shares = np.bincount(places, minlength=len(self.rows)) / len(places)
        named = [
            f"{self.rows[place].layer} {shares[place]:.0%}"
            for place in np.argsort(-shares, kind="stable").tolist()
            if shares[place] >= _LEAST_SHARE
        ]
        depths = np.array([row.depth for row in self.rows])[places]
        return largest, depths, f"peak in replicates: {', '.join(named)}"


def _why_missing(row: Row) -> str:
    return "" if math.isfinite(row.value) else row.note or "no value"


def low_level_rows(rows: Sequence[Row], normalized: Measure) -> list[Row]:
    """Rows of the low-level properties together, of the whole image and within the field, where there are several.

    Information is a share of each property's own entropy, and the mean over the P properties of a scope is taken:
    J = (1/P) sum over p of (mean over units of I(r; p) / H(p)).
    """
    found = []
    for scope in (RECEPTIVE_FIELD, ""):
        members = [f"{name}{scope}" for name, known in PROPERTIES.items() if known.level == "low"]
        by_layer: dict[str, list[Row]] = {}
        for row in rows:
            if normalized.fits(row) and row.property in members:
                by_layer.setdefault(row.layer, []).append(row)
        found += [_together(of_layer, f"{LOW_LEVEL}{scope}") for of_layer in by_layer.values() if len(of_layer) > 1]
    return found


def _together(rows: Sequence[Row], name: str) -> Row:
    missing = "; ".join(f"{row.property}: {_why_missing(row)}" for row in rows if _why_missing(row))
    halves = [row.half_differences for row in rows]
    return replace(
        rows[0],
        property=name,
        value=float(np.mean([row.value for row in rows])),
        half_differences=tuple(np.mean(halves, axis=0).tolist()) if all(halves) else (),
        note=missing or f"mean over {', '.join(row.property for row in rows)}",
    )
