"""Figures of the stimuli: a sample of them, and how their properties are distributed."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from pdtrain.report.style import TRAINED, grid
from pdtrain.results.measures import words

_GAP = 7  # between images: one part in so many of their height


def contact_sheet(images: np.ndarray, *, columns: int = 12) -> Figure:
    """Show a sample of the stimuli; images of shape (shown, height, width, channels), uint8."""
    lines = -(-len(images) // columns)
    gap = -(-images.shape[1] // _GAP)
    high, wide = images.shape[1] + gap, images.shape[2] + gap
    sheet = np.full((lines * high - gap, columns * wide - gap, images.shape[3]), 255, dtype=np.uint8)
    for place, image in enumerate(images):
        row, column = divmod(place, columns)
        sheet[row * high : row * high + image.shape[0], column * wide : column * wide + image.shape[1]] = image
    figure, axes = plt.subplots(figsize=(8, 8 * lines / columns))  # one picture: axes take long to draw
    axes.axis("off")
    shown = sheet if sheet.shape[2] == 3 else sheet[..., 0]
    axes.imshow(shown, cmap="gray", vmin=0, vmax=255, interpolation="none")  # as many pixels as they have
    return figure


def property_histograms(values: dict[str, np.ndarray]) -> Figure:
    """Distribution of each property over the stimuli."""
    figure, drawn = grid(len(values), height=1.8, columns=4)
    for axes, (name, column) in zip(drawn, values.items(), strict=False):
        axes.hist(column[np.isfinite(column)], bins=30, color=TRAINED)
        axes.set(title=words(name), ylabel="stimuli")
    return figure
