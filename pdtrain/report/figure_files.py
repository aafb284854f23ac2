"""Figures as files, PNG and SVG."""

import io
import warnings
from pathlib import Path

import matplotlib.pyplot as plt
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from pdtrain.files import written_whole


def save_figure(figure: Figure, folder: Path, name: str) -> bytes:
    """Write a figure as PNG and SVG, close it, and return the SVG."""
    _lay_out(figure)
    with written_whole(folder / f"{name}.png") as temporary:
        FigureCanvasAgg(figure).print_png(temporary, pil_kwargs={"compress_level": 1})
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Creating legend with loc")  # on a busy machine placing one takes a second
        FigureCanvasSVG(figure).print_svg(buffer, metadata={"Date": None})  # the same rows give the same file
    plt.close(figure)
    with written_whole(folder / f"{name}.svg") as temporary:
        temporary.write_bytes(buffer.getvalue())
    return buffer.getvalue()


def _lay_out(figure: Figure) -> None:
    """Place what a figure holds: once, where each printing would do it again."""
    figure.set_dpi(150)
    engine = figure.get_layout_engine()
    assert engine is not None
    engine.execute(figure)
    figure.set_layout_engine("none")
