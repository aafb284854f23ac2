"""How all figures look: vector, colour-blind safe, readable in grey, one colour per layer throughout."""

from collections.abc import Sequence
from textwrap import fill

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from pdtrain.estimators.lower_bounds import lower_bound_in
from pdtrain.results.measures import (
    ACTIVE_PRUNING,
    CONTRACTION,
    DISTILLATION,
    DISTILLATION_AT_FIXED_IDENTITY,
    EXPANSION,
    PRUNING_AT_FIXED_IDENTITY,
    Measure,
)
from pdtrain.results.reader import moment as moment

_OUTSTANDING = 3.0
_TITLE_WIDTH = 34
UNTRAINED, TRAINED = "#999999", "#0072B2"  # Okabe and Ito; distinct in grey too
INDEX_COLOURS = {
    EXPANSION: "#E69F00",
    CONTRACTION: "#56B4E9",
    DISTILLATION: "#0072B2",
    ACTIVE_PRUNING: "#D55E00",
    DISTILLATION_AT_FIXED_IDENTITY: "#56B4E9",
    PRUNING_AT_FIXED_IDENTITY: "#E69F00",
}
plt.rcParams.update(
    {
        "axes.spines.top": False,
        "axes.spines.right": False,
        "font.size": 9,
        "axes.titlesize": 10,
        "axes.titley": 1.0,  # nothing stands above the axes that a title would have to be moved for, which takes long
        "svg.fonttype": "none",
        "text.parse_math": False,  # a name with two dollars is no formula
        "svg.hashsalt": "pdtrain",  # the same figure is the same file
        "figure.constrained_layout.use": True,
    }
)


def layer_colours(layers: Sequence[str]) -> dict[str, tuple]:
    """One colour per layer, from dark at the input to light at the output."""
    return {layer: plt.cm.viridis(0.92 * place / max(len(layers) - 1, 1)) for place, layer in enumerate(layers)}


def epoch_colours(epochs: Sequence[int]) -> list[tuple]:
    """From light at the first of the epochs that are shown to dark at the last, in even steps."""
    return [plt.cm.viridis_r(0.15 + 0.8 * place / max(len(epochs) - 1, 1)) for place in range(len(epochs))]


def layers_of(rows: pd.DataFrame) -> list[str]:
    """Layers in the order of depth."""
    return list(rows[rows.layer != ""].drop_duplicates("layer").sort_values("layer_index").layer)


def grid(count: int, *, height: float, columns: int = 3) -> tuple[Figure, list]:
    """A figure of `count` panels."""
    columns = max(1, min(columns, count))
    lines = -(-count // columns)
    figure, axes = plt.subplots(lines, columns, figsize=(9.5, height * lines), squeeze=False)
    for empty in axes.flat[count:]:
        empty.axis("off")
    return figure, list(axes.flat)


def panel_title(measure: Measure, about: str) -> str:
    """Title of a panel, in lines that fit one of three."""
    return fill(measure.title_of(about), _TITLE_WIDTH)


def in_legend(name: str) -> str:
    """A name for a legend, which leaves out those that begin with _."""
    return f" {name}" if name.startswith("_") else name


def lowest(drawn: Sequence, count: int) -> list[bool]:
    """Of the panels of a `grid`, which are the lowest of their column: they name what all have in common."""
    columns = drawn[0].get_subplotspec().get_gridspec().ncols
    return [place + columns >= count for place in range(count)]


def label_layers(axes: plt.Axes, rows: pd.DataFrame, *, named: bool = True) -> None:
    """Name the layers and their relative depth on the horizontal axis, or mark their places only."""
    layers = rows.drop_duplicates("layer_index").sort_values("layer_index")
    known = layers.depth.notna().all()
    labels = [f"{row.layer} ({row.depth:.2f})" if known else str(row.layer) for row in layers.itertuples()]
    if not named:
        axes.set_xticks(layers.layer_index, [""] * len(labels))
        return
    axes.set_xticks(layers.layer_index, labels, rotation=60, ha="right", fontsize=6)
    axes.set_xlabel("layer (relative depth)" if known else "layer")


def estimated(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows, or per-unit values, of what has a value somewhere: nothing can be drawn of the others."""
    return rows[rows.groupby(["probe", "quantity", "property"]).value.transform("count") > 0]


def with_shown_interval(rows: pd.DataFrame, measure: Measure) -> pd.DataFrame:
    """Rows whose `lower` and `upper` are those that figures show: over units where the measure, or all there is, is."""
    if measure.interval == "units" or (rows.lower.isna().all() and rows.units_lower.notna().any()):
        return rows.assign(lower=rows.units_lower, upper=rows.units_upper)
    return rows


def mark_lower_bounds(axes: plt.Axes, rows: pd.DataFrame, *, place: str = "layer_index", value: str = "value") -> None:
    """An open triangle, pointing up, on every value that its note calls a lower bound; named once."""
    bounds = rows[rows["note"].fillna("").map(lambda note: bool(lower_bound_in(note)))]
    if len(bounds):
        named = "lower bound (too few stimuli)"
        known = named in axes.get_legend_handles_labels()[1]
        axes.scatter(
            bounds[place], bounds[value], marker="^", s=26, facecolors="white", edgecolors="black", linewidths=0.8,
            zorder=4, label=None if known else named,
        )  # fmt: skip


def outstanding_input(rows: pd.DataFrame) -> float | None:
    """Value of the input layer if it would press all others to the axis, as that of a pixel about itself; else None."""
    of_input, others = rows[rows.layer_index == 0].value.max(), rows[rows.layer_index > 0].value.max()
    return float(of_input) if others > 0 and of_input > _OUTSTANDING * others else None


def first_and_last(frame: pd.DataFrame) -> list[tuple[int, str, str]]:
    """First and last epoch of a frame, with colour and label."""
    first, last = int(frame.epoch.min()), int(frame.epoch.max())
    untrained = (first, UNTRAINED, moment(frame, first))
    return [untrained] if first == last else [untrained, (last, TRAINED, moment(frame, last))]
