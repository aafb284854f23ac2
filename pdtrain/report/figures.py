"""The figures of a run, each a function from tidy frames to a Matplotlib figure. Epochs run from pale to dark."""

from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

_UNTRAINED, _TRAINED = "#999999", "#0072B2"  # colour-blind safe, and distinct in grey
plt.rcParams.update(
    {
        "axes.spines.top": False,
        "axes.spines.right": False,
        "font.size": 9,
        "axes.titlesize": 10,
        "svg.fonttype": "none",
        "figure.constrained_layout.use": True,
    }
)


def accuracy(metrics: pd.DataFrame) -> Figure:
    """Training and validation accuracy over epochs."""
    figure, axes = plt.subplots(figsize=(5, 3))
    for column, label, style in (("train/accuracy", "training", "--"), ("val/accuracy", "validation", "-")):
        if column in metrics:
            values = metrics.dropna(subset=[column])
            axes.plot(values["epoch"] + 1, values[column], style, marker="o", ms=3, color=_TRAINED, label=label)
    axes.set(xlabel="epochs completed", ylabel="accuracy", ylim=(0, 1))
    axes.legend(frameon=False)
    return figure


def dimension_profile(rows: pd.DataFrame, quantity: str = "two_nn") -> Figure:
    """Intrinsic dimension with its 95% interval against relative depth, one line per epoch, untrained dashed."""
    figure, axes = plt.subplots(figsize=(6, 3.6))
    chosen = rows[(rows.probe == "intrinsic_dimension") & (rows.quantity == quantity)]
    epochs = sorted(chosen.epoch.unique())
    for epoch in epochs:
        line = chosen[chosen.epoch == epoch].sort_values("layer_index")
        first = epoch == epochs[0]
        colour = _UNTRAINED if first else plt.cm.viridis_r(0.15 + 0.8 * epoch / max(epochs[-1], 1))
        label = f"epoch {epoch}" if epoch in (epochs[0], epochs[-1], epochs[len(epochs) // 2]) else None
        interval = [(line.value - line.lower).fillna(0), (line.upper - line.value).fillna(0)]
        axes.errorbar(
            line.layer_index, line.value, interval, color=colour, ls="--" if first else "-",
            marker="o", ms=3, lw=1.4, elinewidth=0.8, label=label,
        )  # fmt: skip
    _label_layers(axes, chosen)
    axes.set(ylabel="intrinsic dimension (TwoNN)", ylim=(0, None))
    axes.legend(frameon=False)
    return figure


def information_profile(rows: pd.DataFrame) -> Figure:
    """Mean information per unit against depth for each property, untrained and trained, with 95% intervals."""
    chosen = rows[(rows.probe == "unit_information") & (rows.quantity == "mean")]
    properties = list(dict.fromkeys(chosen.property))
    figure, grid = _grid(len(properties), height=2.5)
    for axes, name in zip(grid, properties, strict=False):
        for epoch, colour, label in _ends(chosen):
            line = chosen[(chosen.property == name) & (chosen.epoch == epoch)].sort_values("layer_index")
            axes.plot(line.layer_index, line.value, color=colour, marker="o", ms=3, label=label)
            axes.fill_between(line.layer_index, line.lower, line.upper, color=colour, alpha=0.2, lw=0)
        axes.set(title=_title(name), ylabel="bit per unit")
        axes.axhline(0, color="black", lw=0.5)
        _label_layers(axes, chosen)
    grid[0].legend(frameon=False)
    return figure


def object_profile(rows: pd.DataFrame) -> Figure:
    """View-invariant object information per unit, and discriminability where measured, untrained and trained."""
    panels = [
        ("view-invariant object information", "bit per unit and pair", "object_information", "view_invariant"),
        ("share of the total information", "ratio", "object_information", "ratio"),
        ("linear discriminability, held-out views", "accuracy", "discriminability", "accuracy"),
    ]
    measured = [p for p in panels if ((rows.probe == p[2]) & (rows.quantity == p[3])).any()]
    figure, grid = _grid(len(measured), height=2.6)
    for axes, (title, unit, probe, quantity) in zip(grid, measured, strict=False):
        chosen = rows[(rows.probe == probe) & (rows.quantity == quantity)]
        for epoch, colour, label in _ends(chosen):
            line = chosen[chosen.epoch == epoch].sort_values("layer_index")
            axes.plot(line.layer_index, line.value, color=colour, marker="o", ms=3, label=label)
            axes.fill_between(line.layer_index, line.lower, line.upper, color=colour, alpha=0.2, lw=0)
        chance = rows[(rows.probe == probe) & (rows.quantity == "chance")]
        if len(chance):
            axes.axhline(chance.value.iloc[0], color="black", lw=0.5, ls=":", label="chance")
        axes.set(title=title, ylabel=unit)
        _label_layers(axes, chosen)
    grid[0].legend(frameon=False)
    return figure


def unit_distribution(units: pd.DataFrame, property: str = "luminance") -> Figure:
    """Cumulative distribution of information over units, per layer, untrained and trained."""
    chosen = units[units.property == property]
    layers = list(dict.fromkeys(chosen.layer))
    figure, grid = _grid(len(layers), height=1.9, columns=5)
    for axes, layer in zip(grid, layers, strict=False):
        for epoch, colour, label in _ends(chosen):
            values = np.sort(chosen[(chosen.layer == layer) & (chosen.epoch == epoch)].information_bits)
            axes.step(values, np.arange(1, len(values) + 1) / len(values), color=colour, label=label, where="post")
        axes.set(title=layer, xlabel="bit", ylabel="share of units")
    grid[0].legend(frameon=False, fontsize=7)
    figure.suptitle(f"{_title(property)} information over units")
    return figure


def heat_maps(rows: pd.DataFrame) -> Figure:
    """Layer by epoch: intrinsic dimension and mean information per property."""
    dimension = rows[(rows.probe == "intrinsic_dimension") & (rows.quantity == "two_nn")]
    information = rows[(rows.probe == "unit_information") & (rows.quantity == "mean")]
    panels = [("intrinsic dimension", dimension)]
    panels += [
        (_title(name), information[information.property == name]) for name in dict.fromkeys(information.property)
    ]
    figure, grid = _grid(len(panels), height=2.6)
    for axes, (title, chosen) in zip(grid, panels, strict=False):
        table = chosen.pivot_table(index="layer_index", columns="epoch", values="value", aggfunc="last")
        image = axes.imshow(table, aspect="auto", origin="lower", cmap="viridis")
        figure.colorbar(image, ax=axes, label="dimensions" if title == "intrinsic dimension" else "bit")
        layers = chosen.drop_duplicates("layer_index").set_index("layer_index").layer.reindex(table.index)
        axes.set_yticks(range(len(table)), layers, fontsize=6)
        axes.set_xticks(range(len(table.columns)), table.columns, fontsize=7)
        axes.set(title=title, xlabel="epoch")
    return figure


def contact_sheet(images: np.ndarray, *, columns: int = 12) -> Figure:
    """Show a sample of the stimuli; images of shape (shown, height, width, channels), uint8."""
    lines = -(-len(images) // columns)
    figure, grid = plt.subplots(lines, columns, figsize=(8, 8 * lines / columns), squeeze=False)
    for axes in grid.flat:
        axes.axis("off")
    for axes, image in zip(grid.flat, images, strict=False):
        axes.imshow(image if image.shape[2] == 3 else image[..., 0], cmap="gray", vmin=0, vmax=255)
    return figure


def property_histograms(values: dict[str, np.ndarray]) -> Figure:
    """Distribution of each property over the stimuli."""
    figure, grid = _grid(len(values), height=1.8, columns=4)
    for axes, (name, column) in zip(grid, values.items(), strict=False):
        axes.hist(column, bins=30, color=_TRAINED)
        axes.set(title=_title(name), ylabel="stimuli")
    return figure


def save(figure: Figure, folder: Path, name: str) -> Path:
    """Write a figure as PNG and SVG, close it, and return the SVG's path."""
    folder.mkdir(parents=True, exist_ok=True)
    for suffix in ("png", "svg"):
        figure.savefig(folder / f"{name}.{suffix}", dpi=150)
    plt.close(figure)
    return folder / f"{name}.svg"


def _ends(frame: pd.DataFrame) -> list[tuple[int, str, str]]:
    first, last = int(frame.epoch.min()), int(frame.epoch.max())
    ends = [(first, _UNTRAINED, "untrained" if first == 0 else f"epoch {first}")]
    return ends if first == last else [*ends, (last, _TRAINED, f"epoch {last}")]


def _grid(count: int, *, height: float, columns: int = 3) -> tuple[Figure, list]:
    columns = max(1, min(columns, count))
    lines = -(-count // columns)
    figure, grid = plt.subplots(lines, columns, figsize=(9.5, height * lines), squeeze=False)
    for axes in grid.flat[count:]:
        axes.axis("off")
    return figure, list(grid.flat)


def _label_layers(axes: plt.Axes, rows: pd.DataFrame) -> None:
    layers = rows.drop_duplicates("layer_index").sort_values("layer_index")
    labels = [f"{row.layer} ({row.depth:.2f})" for row in layers.itertuples()]
    axes.set_xticks(layers.layer_index, labels, rotation=60, ha="right", fontsize=6)
    axes.set_xlabel("layer (relative depth)")


def _title(name: str) -> str:
    return name.replace("@receptive_field", " in the receptive field").replace("_", " ")
