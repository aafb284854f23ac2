"""Figures that compare settings: profiles along depth, indices and their differences, with intervals over seeds."""

from collections.abc import Sequence
from textwrap import fill
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from pdtrain.estimators.mean_differences import FEWEST_RUNS
from pdtrain.report.profiles import mark_differences
from pdtrain.report.style import grid, in_legend, label_layers, mark_lower_bounds, panel_title
from pdtrain.results.measures import INDICES, Measure

_LABEL_WIDTH = 40  # signs; longer names of settings are broken
_SIGN, _LINE = 0.065, 0.155  # inches that a sign of a label is wide, and a line high
_LEGEND_ENTRY = 0.6  # inches beside its text
_MARGIN = 0.05  # share of the range
_MOST_PAIRS = 20
_STYLES = ("-", "--", "-.", ":")
_MARKERS = ("o", "s", "^", "D", "v")
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")  # Okabe and Ito


def compared_profiles(
    table: pd.DataFrame, measures: Sequence[Measure], different: pd.DataFrame | None = None
) -> Figure:
    """Mean over runs against depth, one line per setting, one panel per measure and property.

    A star at the top marks layers of which `different` says that they differ.
    """
    panels = [
        (measure, str(about), of_property)
        for measure in measures
        for about, of_property in measure.rows(table).groupby("property", sort=False)
    ]
    # networks with other layers have only their relative depth in common
    same_layers = all(of.groupby("layer_index").layer.nunique().max() == 1 for *_, of in panels)
    place_of = "layer_index" if same_layers else "depth"
    figure, drawn = grid(len(panels), height=3.4 if len(panels) == 1 else 2.6, columns=min(3, len(panels)))
    names = with_n(table)
    for axes, (measure, about, of_property) in zip(drawn, panels, strict=False):
        for place, (setting, name) in enumerate(names.items()):
            line = of_property[of_property.setting == setting].sort_values("layer_index")
            _draw_line(axes, line, place, name, against=place_of)
            mark_lower_bounds(axes, line, place=place_of, value="mean")
        axes.set(title=panel_title(measure, about), ylabel=measure.unit, ylim=limits_of(of_property))
        if same_layers:
            label_layers(axes, of_property)
            mark_differences(axes, measure, about, different)
        else:
            axes.set_xlabel("relative depth")
    _legend_below(figure, drawn)
    return figure


def compared_indices(rows: pd.DataFrame, table: pd.DataFrame) -> Figure | None:
    """Every run's indices as dots, their mean and 95% interval as a bar, one panel per index."""
    found = [measure for measure in INDICES if len(measure.rows(table))]
    if not found:
        return None
    names = with_n(table)
    figure, drawn = _labelled(found, list(names.values()))
    for axes, measure in zip(drawn, found, strict=True):
        of_runs, of_table = measure.rows(rows), measure.rows(table)
        for place, setting in enumerate(names):
            colour = _COLOURS[place % len(_COLOURS)]
            dots = of_runs[of_runs.setting == setting].value.dropna()
            axes.plot(dots, np.full(len(dots), place), "o", ms=4, color=colour, alpha=0.5)
            for row in of_table[of_table.setting == setting].to_dict("records"):
                axes.plot([row["mean"]] * 2, [place - 0.25, place + 0.25], color=colour, lw=2)
                axes.plot([row["lower"], row["upper"]], [place] * 2, color=colour, lw=1)
        axes.set(title=panel_title(measure, ""), xlabel=measure.unit, xlim=limits_of(of_table, of_runs["value"]))
    return figure


def compared_differences(tests: pd.DataFrame) -> Figure | None:
    """Differences between settings in each index with their 95% intervals; None where none was tested, or too many."""
    tested = tests[tests["p_value"].notna()]
    pairs = list(dict.fromkeys(zip(tested["setting"], tested["against"], strict=True)))
    found = [measure for measure in INDICES if len(measure.rows(tested))]
    if not found or not 1 <= len(pairs) <= _MOST_PAIRS:
        return None
    figure, drawn = _labelled(found, [f"{setting} less {against}" for setting, against in pairs])
    for axes, measure in zip(drawn, found, strict=True):
        axes.axvline(0, color="black", lw=0.5)
        for line in measure.rows(tested).to_dict("records"):
            place = pairs.index((line["setting"], line["against"]))
            colour = _COLOURS[0] if line["differs"] else "#777777"
            axes.plot([line["lower"], line["upper"]], [place] * 2, color=colour, lw=1)
            axes.plot(line["difference"], place, "o", ms=5, color=colour, mfc=colour if line["differs"] else "white")
        axes.set(title=panel_title(measure, ""), xlabel="difference")
    return figure


def compared_dynamics(table: pd.DataFrame) -> Figure | None:
    """Mean indices over epochs, one line per setting with its 95% interval over runs; None with one epoch only."""
    found = [measure for measure in INDICES if len(measure.rows(table))]
    if not found or table.epoch.nunique() < 2:
        return None
    figure, drawn = grid(len(found), height=2.6, columns=2)
    names = with_n(table)
    for axes, measure in zip(drawn, found, strict=False):
        of_table = measure.rows(table)
        for place, (setting, name) in enumerate(names.items()):
            line = of_table[of_table.setting == setting].sort_values("epoch")
            _draw_line(axes, line, place, name, against="epoch")
        axes.set(
            title=panel_title(measure, ""), xlabel="epochs completed", ylabel=measure.unit, ylim=limits_of(of_table)
        )
    _legend_below(figure, drawn)
    return figure


def broken(label: str) -> str:
    """A name of a setting in lines that fit beside a figure."""
    return fill(label, _LABEL_WIDTH)


def with_n(table: pd.DataFrame) -> dict[str, str]:
    """Each setting's name with its number of seeds, the most of any value."""
    seeds = table.groupby("setting", sort=False)["n"].max()
    return {str(setting): f"{setting} (n\u00a0=\u00a0{n})" for setting, n in seeds.items()}


def _draw_line(axes: plt.Axes, line: pd.DataFrame, place: int, name: str, *, against: str) -> None:
    style = line_style(place)
    axes.plot(line[against], line["mean"], ms=4, label=in_legend(name), **style)
    axes.fill_between(line[against], line.lower, line.upper, color=style["color"], alpha=0.2, lw=0)


def limits_of(table: pd.DataFrame, values: pd.Series | None = None) -> tuple[float, float] | None:
    """What an axis shows: all means, single values, and the bands of those seeds that tell how much they vary."""
    bands = table[table["n"] >= FEWEST_RUNS]
    shown = pd.concat([table["mean"], bands["lower"], bands["upper"], *([] if values is None else [values])])
    shown = shown[np.isfinite(shown)]
    if shown.empty:
        return None
    spread = (shown.max() - shown.min()) or abs(shown.max()) or 1.0
    return float(shown.min() - _MARGIN * spread), float(shown.max() + _MARGIN * spread)


def _labelled(measures: Sequence[Measure], labels: Sequence[str]) -> tuple[Figure, list[plt.Axes]]:
    """A figure of one panel for each measure, with a line for each label, which all have their place."""
    lines = [broken(label) for label in labels]
    widest = max(len(part) for line in lines for part in line.splitlines())
    height = sum(_LINE * max(2, line.count("\n") + 1.5) for line in lines)
    figure, drawn = plt.subplots(
        1, len(measures), figsize=(_SIGN * widest + 2.2 * len(measures), 1.4 + height), sharey=True, squeeze=False
    )
    drawn[0][0].set_yticks(range(len(lines)), lines, fontsize=7)
    drawn[0][0].set_ylim(len(lines) - 0.5, -0.5)
    return figure, list(drawn[0])


def _legend_below(figure: Figure, drawn: Sequence[plt.Axes]) -> None:
    """All lines of all panels, named once, below them: the figure grows by what the names take."""
    entries: dict[str, Any] = {}
    for axes in drawn:
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            entries.setdefault(label, handle)
    labels = [broken(label) if label.strip() else label for label in entries]
    widest = max(len(part) for label in labels for part in label.splitlines() or [""])
    columns = max(1, min(len(labels), int(figure.get_figwidth() / (_SIGN * widest + _LEGEND_ENTRY))))
    of_column = -(-len(labels) // columns)
    heights = [sum(label.count("\n") + 1 for label in labels[at::columns]) for at in range(columns)]
    figure.set_figheight(figure.get_figheight() + _LINE * max(of_column, *heights))
    figure.legend(list(entries.values()), labels, loc="outside lower center", frameon=False, fontsize=8, ncols=columns)


def line_style(place: int) -> dict[str, Any]:
    """Colour, dashes and marker of a setting: told apart in grey too, and none twice among 140."""
    cycle = {"color": _COLOURS, "linestyle": _STYLES, "marker": _MARKERS}
    return {name: values[place % len(values)] for name, values in cycle.items()}
