"""Figures as files, and those with a slider: drawn once for all its frames, which takes longest, then taken apart."""

import io
import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import matplotlib.pyplot as plt
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.legend import Legend

from pdtrain.files import written_whole

STILL = "still"  # the frame that is the figure itself
_FRAME = "frame="  # begins the id of what is in one frame alone
# as matplotlib writes it: a group ends where its indentation comes again
_GROUP = re.compile(rf'^( *)<g id="{_FRAME}([^"]*)">\n.*?^\1</g>\n', re.M | re.S)
_DEFINITION = re.compile(r' *<defs>\s*<path id="([^"]*)".*?</defs>\n', re.S)


@contextmanager
def in_frame(axes: plt.Axes, name: str, *, legend: bool = False) -> Iterator[None]:
    """Put what is drawn in this block into one frame alone; `legend` adds one, of this and of what all frames have."""
    before, containers = set(axes.get_children()), len(axes.containers)
    yield
    if legend:
        axes.add_artist(Legend(axes, *axes.get_legend_handles_labels(), frameon=False))
    for artist in set(axes.get_children()) - before:
        artist.set_gid(_FRAME + name)
        artist.set_label("")  # not in the legends of other frames
        artist.set_in_layout(name == STILL)  # placing a legend takes long, and that of the figure itself is as large
    for container in axes.containers[containers:]:
        container.set_label("")


def save(figure: Figure, folder: Path, name: str, frames: Sequence[str] = ()) -> list[bytes]:
    """Write a figure as PNG and SVG, and close it.

    Returns
    -------
    list of bytes
        The SVG, and that of each of the `frames`.
    """
    _lay_out(figure)
    moving = figure.findobj(lambda artist: (artist.get_gid() or STILL).removeprefix(_FRAME) != STILL)
    for artist in moving:
        artist.set_visible(False)
    with written_whole(folder / f"{name}.png") as temporary:
        FigureCanvasAgg(figure).print_png(temporary, pil_kwargs={"compress_level": 1})
    for artist in moving:
        artist.set_visible(True)
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Creating legend with loc")  # on a busy machine placing one takes a second
        FigureCanvasSVG(figure).print_svg(buffer, metadata={"Date": None})  # the same rows give the same file
    plt.close(figure)
    found = _taken_apart(buffer.getvalue().decode(), [STILL, *frames])
    with written_whole(folder / f"{name}.svg") as temporary:
        temporary.write_bytes(found[0])
    return found


def _lay_out(figure: Figure) -> None:
    """Place what a figure holds: once, where each printing would do it again."""
    figure.set_dpi(150)
    engine = figure.get_layout_engine()
    assert engine is not None
    engine.execute(figure)
    figure.set_layout_engine("none")


def _taken_apart(svg: str, names: Sequence[str]) -> list[bytes]:
    definitions = {found[1]: found[0] for found in _DEFINITION.finditer(svg)}
    return [_with_definitions(_without_others(svg, name), definitions).encode() for name in names]


def _without_others(svg: str, name: str) -> str:
    return _GROUP.sub(lambda group: group[0] if group[2] == name else "", svg)


def _with_definitions(svg: str, definitions: dict[str, str]) -> str:
    """A frame with the markers that it shares with others, which were defined where they were drawn first."""
    missing = set(re.findall(r'href="#([^"]*)"', svg)) & definitions.keys() - set(re.findall(r' id="([^"]*)"', svg))
    head, metadata, body = svg.partition(" <metadata>")
    return head + "".join(definitions[name] for name in sorted(missing)) + metadata + body
