"""Figures of the stimuli: a sample of them, and how their properties are distributed."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from pdtrain.report.style import TRAINED, grid
from pdtrain.results.measures import words


def contact_sheet(images: np.ndarray, *, columns: int = 12) -> Figure:
    """Show a sample of the stimuli; images of shape (shown, height, width, channels), uint8."""
    lines = -(-len(images) // columns)
    figure, drawn = plt.subplots(lines, columns, figsize=(8, 8 * lines / columns), squeeze=False)
    for axes in drawn.flat:
        axes.axis("off")
    for axes, image in zip(drawn.flat, images, strict=False):
        axes.imshow(image if image.shape[2] == 3 else image[..., 0], cmap="gray", vmin=0, vmax=255)
    return figure


def property_histograms(values: dict[str, np.ndarray]) -> Figure:
    """Distribution of each property over the stimuli."""
    figure, drawn = grid(len(values), height=1.8, columns=4)
    for axes, (name, column) in zip(drawn, values.items(), strict=False):
        axes.hist(column[np.isfinite(column)], bins=30, color=TRAINED)
        axes.set(title=words(name), ylabel="stimuli")
    return figure
