"""Figures of single units: how information is spread over them, and which unit carries what."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from pdtrain.report.style import first_and_last, grid
from pdtrain.results.measures import UNIT, words

_NOTHING_BITS = 0.01


def unit_distribution(units: pd.DataFrame, about: str) -> Figure:
    """Cumulative distribution of information over units, per layer, untrained and trained."""
    chosen = UNIT.rows(units[units.property == about])
    layers = list(dict.fromkeys(chosen.layer))
    figure, drawn = grid(len(layers), height=1.9, columns=5)
    for axes, layer in zip(drawn, layers, strict=False):
        for epoch, colour, label in first_and_last(chosen):
            values = np.sort(chosen[(chosen.layer == layer) & (chosen.epoch == epoch)].value)
            axes.step(values, np.arange(1, len(values) + 1) / len(values), color=colour, label=label, where="post")
        axes.set(title=layer, xlabel=UNIT.unit, ylabel="share of units", ylim=(0, 1.03))
    drawn[0].legend(frameon=False, fontsize=7)
    figure.suptitle(f"{UNIT.title_of(about)} over units")
    return figure


def unit_map(units: pd.DataFrame, layer: str) -> Figure:
    """Which units of a layer carry what, untrained and trained: one line per unit, sorted by its foremost property."""
    chosen = UNIT.rows(units[units.layer == layer])
    properties = list(dict.fromkeys(chosen.property))
    figure, drawn = plt.subplots(1, 2, figsize=(8, 4.6), sharey=True)
    tables = [sorted_units(chosen[chosen.epoch == epoch], properties) for epoch, *_ in first_and_last(chosen)]
    top = max(float(np.nanquantile(table, 0.995)) for table in tables)
    for axes, table, (_, _, label) in zip(drawn, tables, first_and_last(chosen), strict=False):
        norm = PowerNorm(0.5, vmin=0, vmax=max(top, 1e-3), clip=True)  # little information is seen beside much
        image = axes.imshow(table, aspect="auto", cmap="viridis", norm=norm, interpolation="none")
        axes.set_xticks(
            range(len(properties)), [words(name) for name in properties], rotation=60, ha="right", fontsize=7
        )
        axes.set(title=f"{layer}, {label}", ylabel="units, sorted" if axes is drawn[0] else "")
    if len(tables) == 1:
        drawn[1].axis("off")
    figure.colorbar(image, ax=drawn, label=UNIT.unit, ticks=MaxNLocator(4))
    return figure


def sorted_units(units: pd.DataFrame, properties: list[str]) -> np.ndarray:
    """Information, shape (units, properties): by foremost property, the strongest first; the uninformative last."""
    by_unit = units.pivot_table(index="unit", columns="property", values="value")
    table = by_unit.reindex(columns=properties).to_numpy()
    known = np.nan_to_num(table, nan=0.0)
    strength = known.max(1)
    foremost = np.where(strength > _NOTHING_BITS, known.argmax(1), table.shape[1])
    return table[np.lexsort((-strength, foremost))]
