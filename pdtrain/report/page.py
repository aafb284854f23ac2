"""The HTML page of a run: self-contained, its figures inside it and as files beside it."""

import base64
import io
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
from jinja2 import Environment, PackageLoader
from matplotlib.figure import Figure
from omegaconf import OmegaConf

from pdtrain.files import written_whole
from pdtrain.report import dynamics, profiles, stimulus_figures, unit_figures
from pdtrain.report.style import estimated, layers_of, save
from pdtrain.report.texts import HOW_TO_READ, TITLES
from pdtrain.results.caveats import caveats_of_run, label_note_of_run, not_estimated
from pdtrain.results.configuration import load_configuration, probe_set_configuration
from pdtrain.results.metrics import read_metrics
from pdtrain.results.reader import epoch_ends, load
from pdtrain.results.stimuli import load_stimuli
from pdtrain.results.store import TRAINING, ResultsStore

_MOST_FRAMES = 16  # of a slider; each is a vector figure inside the page


@dataclass(frozen=True)
class Panel:
    """A part of the page: one figure, or one per epoch with a slider."""

    name: str
    frames: list[tuple[str, str]]  # label, image as data URI

    @property
    def title(self) -> str:
        """Heading."""
        return TITLES[self.name]

    @property
    def how_to_read(self) -> str:
        """Text beside the figure."""
        return HOW_TO_READ[self.name]


def write_report(run_dir: str | Path, *, probe_set: str = TRAINING) -> Path:
    """Write `run_dir`/report: figures as PNG and SVG, and report.html; return the page's path.

    The report of another probe set than training's lies in a folder of its name there.

    Raises
    ------
    InputError
        If the run has no results.
    """
    run_dir = Path(run_dir)
    rows = epoch_ends(load(run_dir, probe_set=probe_set))
    folder = report_folder(run_dir, probe_set)
    figures = _figures(run_dir, estimated(rows), probe_set)
    panels = [Panel(name, [("", _saved(figure, folder, name))]) for name, figure in figures]
    panels += list(_sliders(estimated(rows)))
    last = rows[(rows.probe == "index") & (rows.epoch == rows.epoch.max()) & (rows.layer == "")]
    of_set = probe_set_configuration(ResultsStore(run_dir, probe_set=probe_set).folder)
    config = of_set or load_configuration(run_dir)
    return write_page(
        folder / "report.html",
        template="page.html",
        title=run_dir.resolve().name + ("" if probe_set == TRAINING else f", {probe_set}"),
        caveats=[caveat.sentence for caveat in caveats_of_run(run_dir, rows, probe_set=probe_set)],
        notes=[*filter(None, [label_note_of_run(run_dir, rows, probe_set=probe_set)]), *not_estimated(rows)],
        panels=sorted(panels, key=lambda panel: list(TITLES).index(panel.name)),
        indices=last.to_dict("records"),
        config=OmegaConf.to_yaml(config) if config is not None else "",
    )


def report_folder(run_dir: str | Path, probe_set: str = TRAINING) -> Path:
    """Where the report of a probe set lies."""
    folder = Path(run_dir) / "report"
    return folder if probe_set == TRAINING else folder / probe_set


def write_page(path: Path, *, template: str, **content: object) -> Path:
    """Fill a template of this package in, and write the page."""
    templates = Environment(loader=PackageLoader("pdtrain.report", ""), autoescape=True)
    style = files("pdtrain.report").joinpath("page.css").read_text()
    html = templates.get_template(template).render(style=style, **content)
    with written_whole(path) as temporary:
        temporary.write_text(html)
    return path


def data_uri(svg: bytes) -> str:
    """A vector figure as the source of an image."""
    return "data:image/svg+xml;base64," + base64.b64encode(svg).decode()


def _figures(run_dir: Path, rows: pd.DataFrame, probe_set: str) -> Iterator[tuple[str, Figure]]:
    if (metrics := read_metrics(run_dir)) is not None:
        yield "accuracy", dynamics.accuracy(metrics)
    has_dimension = (rows.probe == "intrinsic_dimension").any()
    information = rows[(rows.probe == "unit_information") & (rows.quantity == "mean")]
    about = foremost(information)
    if has_dimension:
        yield "dimension", profiles.dimension_profile(rows)
    if len(information):
        yield "information", profiles.information_profile(rows)
        units = estimated(epoch_ends(load(run_dir, units=True, probe_set=probe_set)))
        yield "units", unit_figures.unit_distribution(units, str(about))
        hidden = layers_of(information)[-2:][0]
        yield "unit_map", unit_figures.unit_map(units, hidden)
    if has_dimension or len(information):
        yield "paths", dynamics.paths(rows, about)
        yield "heat_maps", dynamics.heat_maps(rows)
    if ((rows.probe == "index") & rows.quantity.isin(["distillation", "expansion"])).any():
        yield "indices", dynamics.pruning_and_distillation(rows)
    if rows.probe.isin(["object_information", "discriminability"]).any():
        yield "objects", profiles.object_profile(rows)
    if probe_set == TRAINING and (stimuli := load_stimuli(run_dir)) is not None:
        yield "stimuli", stimulus_figures.contact_sheet(stimuli[0])
        if stimuli[1]:
            yield "properties", stimulus_figures.property_histograms(stimuli[1])


def foremost(information: pd.DataFrame) -> str | None:
    """The property of the figures that show one: luminance, or else the first measured; None if there is none."""
    names = list(dict.fromkeys(information.property))
    return "luminance" if "luminance" in names else next(iter(names), None)


def _sliders(rows: pd.DataFrame) -> Iterator[Panel]:
    epochs = sorted(rows.epoch.unique())
    step = -(-len(epochs) // _MOST_FRAMES)
    shown = sorted({*epochs[::step], epochs[-1]})
    if len(shown) < 2:
        return
    if (rows.probe == "intrinsic_dimension").any():
        yield Panel("dimension_slider", [(f"epoch {e}", _embedded(profiles.dimension_frame(rows, e))) for e in shown])
    if ((rows.probe == "unit_information") & (rows.quantity == "mean")).any():
        frames = [(f"epoch {e}", _embedded(profiles.information_frame(rows, e))) for e in shown]
        yield Panel("information_slider", frames)


def _saved(figure: Figure, folder: Path, name: str) -> str:
    return data_uri(save(figure, folder, name).read_bytes())


def _embedded(figure: Figure) -> str:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None})
    plt.close(figure)
    return data_uri(buffer.getvalue())
