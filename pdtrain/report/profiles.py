"""Figures against depth: of every measure that has one, about every property. Untrained is grey."""

from collections.abc import Iterator, Sequence

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from pdtrain.report.published import PublishedProfile
from pdtrain.report.style import (
    UNTRAINED,
    epoch_colours,
    first_and_last,
    grid,
    label_layers,
    lowest,
    mark_lower_bounds,
    moment,
    outstanding_input,
    panel_title,
    with_shown_interval,
)
from pdtrain.results.measures import Measure

PUBLISHED_COLOUR = "#D55E00"  # Okabe and Ito
_OPEN_MARKERS = ("s", "D", "v")
Panels = list[tuple[Measure, str, pd.DataFrame]]


def panels_of(rows: pd.DataFrame, measures: Sequence[Measure]) -> Panels:
    """Measure, property and rows of each panel that a figure of these measures has, with the interval it shows."""
    return [
        (measure, str(about), with_shown_interval(of_property, measure))
        for measure in measures
        for about, of_property in measure.rows(rows[rows.layer != ""]).groupby("property", sort=False)
        if of_property.value.notna().any()
    ]


def profile(
    rows: pd.DataFrame,
    measures: Sequence[Measure],
    different: pd.DataFrame | None = None,
    published: Sequence[PublishedProfile] = (),
) -> Figure:
    """Measures against depth with their 95% intervals: every epoch where there is one panel, else the ends of training.

    Lower bounds are open triangles; layers that `different` says differ between the ends have a star at the top. What
    is `published` of the measures has open markers.
    """
    panels = panels_of(rows, measures)
    if len(panels) == 1:
        figure, axes = plt.subplots(figsize=(6, 3.6))
        drawn = [axes]
    else:
        figure, drawn = grid(len(panels), height=2.5)
    every = pd.concat([chosen for *_, chosen in panels])
    for (axes, (measure, about, chosen)), is_lowest in zip(
        zip(drawn, panels, strict=False), lowest(drawn, len(panels)), strict=True
    ):
        axes.set(title=panel_title(measure, about), ylabel=measure.unit)
        if len(panels) == 1:
            _draw_every_epoch(axes, chosen)
            named = True
        else:
            drawn_against = list(references(rows, measure))
            _draw_ends(axes, measure, chosen, drawn_against)
            named = axes is drawn[0] or bool(drawn_against)
        mark_published(axes, measure, rows, published)
        if named:
            axes.legend(frameon=False)
        mark_differences(axes, measure, about, different)
        label_layers(axes, every, named=is_lowest)  # last: layers without a value have their place too
    return figure


def _draw_every_epoch(axes: plt.Axes, chosen: pd.DataFrame) -> None:
    """The first epoch, and those after it from light to dark; some are named."""
    first, *epochs = sorted(chosen.epoch.unique())
    _line(axes, chosen[chosen.epoch == first], UNTRAINED, moment(chosen, first), dashed=True)
    for epoch, colour in zip(epochs, epoch_colours([first, *epochs])[1:], strict=True):
        named = epoch in (epochs[(len(epochs) - 1) // 2], epochs[-1])
        _line(axes, chosen[chosen.epoch == epoch], colour, moment(chosen, epoch) if named else None)
    low, high = min(0.0, chosen[["value", "lower"]].min().min()), max(0.0, chosen[["value", "upper"]].max().max())
    if high > low:
        axes.set_ylim(1.05 * low, 1.05 * high)
    mark_lower_bounds(axes, chosen)


def _draw_ends(axes: plt.Axes, measure: Measure, chosen: pd.DataFrame, drawn_against: Sequence[float]) -> None:
    """The last epoch over the first, without what is far above all others."""
    above = outstanding_input(chosen)
    shown = chosen if above is None else chosen[chosen.layer_index > 0]
    ends = first_and_last(chosen)
    for epoch, colour, label in ends:
        band(axes, chosen[chosen.epoch == epoch], colour, label, dashed=colour == UNTRAINED)
    low, high = min(0.0, shown[["value", "lower"]].min().min()), shown[["value", "upper"]].max().max()
    if high > low:
        axes.set_ylim(low - 0.05 * (high - low), high + 0.05 * (high - low))
    axes.axhline(0, color="black", lw=0.5)
    for reference in drawn_against:
        axes.axhline(reference, color="black", lw=0.5, ls=":", label=measure.reference)
    if above is not None:
        text = f"input: {above:.2g} {measure.unit.partition(' ')[0]}"
        axes.annotate(  # below the stars
            text,
            (1, 1),
            (0, -12),
            xycoords="axes fraction",
            textcoords="offset points",
            fontsize=7,
            va="top",
            ha="right",
        )
    mark_lower_bounds(axes, shown[shown.epoch.isin([epoch for epoch, *_ in ends])])


def mark_differences(axes: plt.Axes, measure: Measure, about: str, different: pd.DataFrame | None) -> None:
    """A star at the top for each layer that differs."""
    if different is None:
        return
    of_panel = measure.rows(different[different["property"] == about])
    for layer_index in of_panel[of_panel["differs"].astype(bool)].layer_index:
        axes.annotate("*", (layer_index, 0.98), xycoords=("data", "axes fraction"), ha="center", va="top", fontsize=9)


def mark_published(axes: plt.Axes, measure: Measure, rows: pd.DataFrame, published: Sequence[PublishedProfile]) -> None:
    """Open markers, with deviations where they are known, for what papers found at the layers that rows are of."""
    of_measure = [profile for profile in published if profile.quantity == measure.quantity]
    for place, profile in enumerate(of_measure):
        found = profile.at(rows).sort_values("layer_index")
        if len(found):
            marker = _OPEN_MARKERS[place % len(_OPEN_MARKERS)]
            axes.errorbar(
                found.layer_index, found.value, found.deviation.fillna(0), color=PUBLISHED_COLOUR, ls=":", lw=0.8,
                elinewidth=0.8, marker=marker, ms=5, mfc="white", label=f"{profile.label}, digitised",
            )  # fmt: skip
            axes.legend(frameon=False, fontsize=7)


def band(
    axes: plt.Axes,
    line: pd.DataFrame,
    colour: object,
    label: str | None,
    *,
    place: str = "layer_index",
    dashed: bool = False,
) -> None:
    """A line with its interval as a band."""
    line = line.sort_values(place)
    axes.plot(line[place], line.value, "--" if dashed else "-", color=colour, marker="o", ms=3, label=label)
    axes.fill_between(line[place], line.lower, line.upper, color=colour, alpha=0.2, lw=0)


def references(rows: pd.DataFrame, measure: Measure) -> Iterator[float]:
    """What a measure is drawn against, such as chance, if it was measured."""
    found = measure.of(measure.reference).rows(rows) if measure.reference else rows[:0]
    yield from found.value.head(1)


def _line(axes: plt.Axes, line: pd.DataFrame, colour: object, label: str | None, *, dashed: bool = False) -> None:
    line = line.sort_values("layer_index")
    interval = [(line.value - line.lower).fillna(0).clip(0), (line.upper - line.value).fillna(0).clip(0)]
    axes.errorbar(
        line.layer_index, line.value, interval, color=colour, ls="--" if dashed else "-",
        marker="o", ms=3, lw=1.4, elinewidth=0.8, label=label,
    )  # fmt: skip
