"""Measures: what a row is of, and how it is called, drawn, printed, compared and logged.

A probe declares its measures; loggers, terminal, report, comparison and areas know nothing else of it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

# figures of the page that are of all measures, or of none
_OF_THE_PAGE = (
    "accuracy", "areas", "heat_maps", "indices", "neurons", "paths", "properties", "similarity_epochs",
    "similarity_runs", "similarity_same_layers", "stimuli", "unit_map", "units",
)  # fmt: skip
_MOST_DIGITS = 12
PAIR = "pair"  # what a measure may be per
_PREFIXES = {1.0: "", 1000.0: "milli"}  # of what a unit becomes by the scale of its values
ACTIVE = "_of_active"  # ends the name of a mean that leaves silent units out
RECEPTIVE_FIELD = "@receptive_field"  # ends the name of a property of each unit's own field


@dataclass(frozen=True, kw_only=True)
class Measure:
    """What a probe measures.

    Attributes
    ----------
    probe, quantity
        As in the rows: together they name the measure.
    title
        Of a panel; "{property}" stands for what it is about.
    unit
        Of the values, such as "dimensions" or "bit per unit".
    per
        "unit": a statistic over the units of a layer; "population": of a layer as a whole; "network": one number for
        all layers; "pair": of two layers, the other of which stands in `property`. Of pairs there are too many for
        loggers, terminal and curves: they are drawn as a map of layers by layers.
    interval
        What the interval that figures show is over: "stimuli" (`lower` and `upper` of a row), or "units" (`units_lower`
        and `units_upper`, of shares of units); "" where there is none.
    metric
        Key in the loggers, of {layer}, {property} and {quantity}; empty parts are left out.
    headline
        Key, of the same parts, of what is of the headline set: the few values that W&B draws over epochs and, those of
        layers, along depth. What stands before its only `/` is its section there. "" leaves them to W&B's tables.
    figure
        Name of the figure that draws it along depth, over epochs and as a map, in the report, in comparisons and at
        W&B; measures of one figure stand side by side. "" draws none.
    heading
        Of its column in the terminal, "{property}" as in `title`; "" prints none.
    scale, digits
        What values are multiplied by in the terminal, and decimal places there.
    tabulated
        Whether it is in the tables of a comparison though no figure draws it.
    reference
        Quantity of the same probe that is drawn beside as a dotted line, such as chance.
    unit_quantity
        Quantity of the per-unit values that a measure per "unit" sums up; "" where it is the same.
    extrapolates
        Whether it goes with one over the number of trials, so that the noise of recorded neurons can be taken off.
    noiseless
        Whether it holds for answers without noise alone, and is left out for recorded neurons.
    how_to_read
        What a reader of the figure should look for.

    Examples
    --------
    >>> sparseness = Measure(probe="sparseness", quantity="mean", title="sparseness", figure="sparseness")
    >>> sparseness.key("relu1", "")
    'sparseness/relu1/mean'
    >>> INFORMATION.headline_key("relu1", "contrast")
    'info_contrast/relu1'
    """

    probe: str
    quantity: str
    title: str = ""
    unit: str = ""
    per: str = "population"
    interval: str = ""
    metric: str = ""
    headline: str = ""
    figure: str = ""
    heading: str = ""
    scale: float = 1.0
    digits: int = 2
    tabulated: bool = False
    reference: str = ""
    unit_quantity: str = ""
    extrapolates: bool = False
    noiseless: bool = False
    how_to_read: str = ""

    def __post_init__(self) -> None:
        if not re.fullmatch(r"\w*", self.figure) or self.figure in _OF_THE_PAGE:  # it becomes the name of files
            raise ValueError(f"figure={self.figure}: give letters, digits and _, and none of {', '.join(_OF_THE_PAGE)}")
        if self.headline.count("/") > 1:  # W&B would make a section of all that stands before the last
            raise ValueError(f"headline={self.headline}: give at most one /, after the name of a section")
        if not 0 <= self.digits <= _MOST_DIGITS:
            raise ValueError(f"digits={self.digits}: choose from 0 to {_MOST_DIGITS}")

    def rows(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Those rows, or per-unit values, of a frame that are of this measure."""
        return frame[(frame["probe"] == self.probe) & (frame["quantity"] == self.quantity)]

    def of_units(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Those per-unit values of a frame that a measure per "unit" sums up; none of another."""
        quantity = (self.unit_quantity or self.quantity) if self.per == "unit" else ""
        return frame[(frame["probe"] == self.probe) & (frame["quantity"] == quantity)]

    def fits(self, row: Any) -> bool:
        """Whether a row, or a line of a frame of rows, is of this measure."""
        return bool(row.quantity == self.quantity and row.probe == self.probe)

    def of(self, quantity: str, **changes: Any) -> Measure:
        """A measure that stands beside this one: neither drawn nor printed, unless `changes` say so."""
        unsaid: dict[str, Any] = dict.fromkeys(("headline", "figure", "heading", "reference"), "")
        beside = {"title": words(quantity), **unsaid, "tabulated": False, "extrapolates": False}
        return replace(self, **{"quantity": quantity, **beside, **changes})

    def title_of(self, about: str) -> str:
        """Title of the panel about a property."""
        return (self.title or words(self.quantity)).replace("{property}", words(about))

    def heading_of(self, about: str) -> str:
        """Heading of the column about a property."""
        return self.heading.replace("{property}", about)

    def shown(self, value: float) -> str:
        """A value as the terminal prints it."""
        return f"{value * self.scale:z.{self.digits}f}"  # what rounds to zero has no sign

    @property
    def shown_unit(self) -> str:
        """The unit of what the terminal prints.

        Examples
        --------
        >>> Measure(probe="unit_information", quantity="mean", unit="bit per unit", scale=1000).shown_unit
        'millibit per unit'
        """
        if self.scale in _PREFIXES or not self.unit:
            return _PREFIXES.get(self.scale, "") + self.unit
        return f"{self.unit}, times {self.scale:g}"

    def key(self, layer: str, about: str) -> str:
        """Key in the loggers."""
        return self._filled(self.metric or f"{self.probe}/{{layer}}/{{property}}/{{quantity}}", layer, about)

    def headline_key(self, layer: str, about: str) -> str:
        """Key in the headline set; without a layer, the name of its chart along depth."""
        return self._filled(self.headline, layer, about)

    def _filled(self, key: str, layer: str, about: str) -> str:
        key = key.replace("{layer}", layer).replace("{property}", about).replace("{quantity}", self.quantity)
        return "/".join(part for part in key.split("/") if part)


def foremost(rows: pd.DataFrame) -> str | None:
    """The property of the figures that show one: that of the indices, or else the first measured."""
    measured = list(dict.fromkeys(INFORMATION.rows(rows)["property"]))
    of_index = DISTILLATION.rows(rows)["property"].head(1)
    return next((name for name in of_index if name in measured), next(iter(measured), None))


def foremost_indices(rows: pd.DataFrame) -> pd.DataFrame:
    """Of the rows of indices, those of dimension and of the foremost property."""
    of_network = rows[rows["probe"] == DISTILLATION.probe]
    of_dimension = [EXPANSION.quantity, CONTRACTION.quantity, PEAK_DEPTH.quantity]
    return of_network[(of_network["property"] == foremost(rows)) | of_network["quantity"].isin(of_dimension)]


def words(name: str) -> str:
    """A name as a reader would say it."""
    return name.replace(RECEPTIVE_FIELD, " in the receptive field").replace("_", " ")


DIMENSION = Measure(
    probe="intrinsic_dimension", quantity="two_nn", title="intrinsic dimension (TwoNN)", unit="dimensions",
    per="population", interval="stimuli", metric="id/{layer}/{quantity}", headline="id/{layer}", figure="dimension",
    heading="ID", digits=0, extrapolates=True,
)  # fmt: skip
INFORMATION = Measure(
    probe="unit_information", quantity="mean", title="{property}", unit="bit per unit", per="unit",
    interval="stimuli", metric="info/{layer}/{property}/{quantity}", headline="info_{property}/{layer}",
    figure="information", heading="{property}", scale=1000, digits=0, unit_quantity="information", extrapolates=True,
)  # fmt: skip
INFORMATION_OF_ACTIVE = INFORMATION.of(f"mean{ACTIVE}")
NORMALIZED_INFORMATION = INFORMATION.of("normalized_mean", unit="share of the entropy")
INFORMATIVE_FRACTION = INFORMATION.of("informative_fraction", unit="share of units", interval="units", tabulated=True)
SILENT_FRACTION = INFORMATION.of("silent_fraction", unit="share of units", interval="units")
INFORMATION_WITHOUT_BINS = INFORMATION.of("nearest_neighbor_mean", interval="units")
AT_FIXED_IDENTITY = "_at_fixed_identity"  # ends the name of what is known beyond the class
INFORMATION_AT_FIXED_IDENTITY = INFORMATION.of(
    f"mean{AT_FIXED_IDENTITY}", title="{property} at fixed identity", figure=f"information{AT_FIXED_IDENTITY}",
    unit_quantity=f"information{AT_FIXED_IDENTITY}", extrapolates=True,
)  # fmt: skip
NORMALIZED_AT_FIXED_IDENTITY = NORMALIZED_INFORMATION.of(
    f"normalized_mean{AT_FIXED_IDENTITY}", unit_quantity=INFORMATION_AT_FIXED_IDENTITY.unit_quantity
)
INFORMATIVE_AT_FIXED_IDENTITY = INFORMATIVE_FRACTION.of(
    f"informative_fraction{AT_FIXED_IDENTITY}",
    tabulated=True,
    unit_quantity=INFORMATION_AT_FIXED_IDENTITY.unit_quantity,
)
UNIT = INFORMATION.of(
    INFORMATION.unit_quantity, title="{property} information", unit="bit", interval=""
)  # one unit's own
UNIT_AT_FIXED_IDENTITY = UNIT.of(INFORMATION_AT_FIXED_IDENTITY.unit_quantity, title="{property} at fixed identity")
SILENT_UNITS = Measure(
    probe="activity", quantity="silent_fraction", title="silent units", unit="share of units", per="unit",
    interval="units", metric="activity/{layer}/{quantity}", tabulated=True,
)  # fmt: skip
BATCH_DEPENDENCE = SILENT_UNITS.of(
    "batch_dependence", title="dependence on the batch", unit="share of the variation", per="population", interval="",
)  # fmt: skip
RANDOM = "random in evaluation mode"  # note of the former, where nothing but chance makes it
VIEW_INVARIANT = Measure(
    probe="object_information", quantity="view_invariant", title="view-invariant object information",
    unit="bit per unit and pair", per="unit", interval="stimuli", metric="object/{layer}/{quantity}", figure="objects",
    extrapolates=True,
)  # fmt: skip
VIEW_INVARIANT_RATIO = VIEW_INVARIANT.of(
    "ratio", title="share of the total information", unit="ratio", figure="objects", noiseless=True
)
TOTAL_OBJECT_INFORMATION = VIEW_INVARIANT.of("total", noiseless=True)
ACCURACY = Measure(
    probe="discriminability", quantity="accuracy", title="linear discriminability, held-out views", unit="accuracy",
    per="population", interval="stimuli", metric="discriminability/{layer}/{quantity}", figure="objects",
    reference="chance",
)  # fmt: skip
CHANCE = ACCURACY.of("chance", interval="")
DISTILLATION = Measure(
    probe="index", quantity="distillation", unit="index", per="network", interval="stimuli",
    metric="index/{layer}/{property}/{quantity}", headline="index/{quantity}",
)  # fmt: skip
ACTIVE_PRUNING = DISTILLATION.of("active_pruning", headline=DISTILLATION.headline)
DISTILLATION_AT_FIXED_IDENTITY = DISTILLATION.of(f"distillation{AT_FIXED_IDENTITY}")
PRUNING_AT_FIXED_IDENTITY = DISTILLATION.of(f"active_pruning{AT_FIXED_IDENTITY}")
EXPANSION = DISTILLATION.of("expansion", metric="index/{quantity}", headline=DISTILLATION.headline)
CONTRACTION = EXPANSION.of("contraction", headline=EXPANSION.headline)
PEAK_DEPTH = EXPANSION.of("peak_depth", unit="relative depth", headline=EXPANSION.headline)
PRUNED_FRACTION = DISTILLATION.of(
    "pruned_fraction", per="unit", interval="units", unit="share of units", tabulated=True
)
# what rows without a catalogue beside them are read with: those of versions that kept none
BUILT_IN = (
    DIMENSION, INFORMATION, INFORMATION_OF_ACTIVE, NORMALIZED_INFORMATION, INFORMATIVE_FRACTION, SILENT_FRACTION,
    INFORMATION_WITHOUT_BINS, UNIT, SILENT_UNITS, BATCH_DEPENDENCE, VIEW_INVARIANT, VIEW_INVARIANT_RATIO,
    TOTAL_OBJECT_INFORMATION, ACCURACY, CHANCE, DISTILLATION, ACTIVE_PRUNING, DISTILLATION_AT_FIXED_IDENTITY,
    PRUNING_AT_FIXED_IDENTITY, EXPANSION, CONTRACTION, PEAK_DEPTH, PRUNED_FRACTION, INFORMATION_AT_FIXED_IDENTITY,
    NORMALIZED_AT_FIXED_IDENTITY,
    INFORMATIVE_AT_FIXED_IDENTITY, UNIT_AT_FIXED_IDENTITY,
)  # fmt: skip
INDICES = (
    EXPANSION, CONTRACTION, DISTILLATION, ACTIVE_PRUNING, DISTILLATION_AT_FIXED_IDENTITY, PRUNING_AT_FIXED_IDENTITY,
)  # fmt: skip
