"""The HTML page of a run: self-contained, its figures inside it and as files beside it."""

import base64
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, PackageLoader
from matplotlib.figure import Figure
from omegaconf import OmegaConf

from pdtrain.files import written_whole
from pdtrain.report import dynamics, profiles, stimulus_figures, unit_figures
from pdtrain.report.charts import Chart, chart_data
from pdtrain.report.csv_tables import write_csv
from pdtrain.report.epochs import shown_epochs
from pdtrain.report.figure_files import save_figure
from pdtrain.report.headline import headline, weaknesses
from pdtrain.report.measured_charts import MeasuredCharts, accuracy_chart
from pdtrain.report.published import PublishedProfile, published_profiles
from pdtrain.report.side_by_side import side_by_side
from pdtrain.report.style import estimated, layers_of, moment
from pdtrain.report.texts import HOW_TO_READ, PUBLISHED, STARS, TITLES
from pdtrain.report.unit_charts import histogram_chart, spread_chart, unit_map_chart
from pdtrain.results.caveats import caveats_of_run, label_note_of_run, not_estimated
from pdtrain.results.configuration import PRETRAINED_WEIGHTS, load_configuration, probe_set_configuration
from pdtrain.results.differences import differences
from pdtrain.results.measures import (
    DISTILLATION,
    INDICES,
    INFORMATION,
    Catalogue,
    Measure,
    catalogue_of,
    foremost,
    foremost_indices,
)
from pdtrain.results.metrics import read_metrics
from pdtrain.results.reader import epoch_ends, load
from pdtrain.results.run_folder import TRAINING, RunFolder, files_of_rows
from pdtrain.results.stimuli import load_stimuli

DIFFERENCES = "differences.csv"  # beside the page: what the marks in its figures are made of
VALUES = "values.csv"  # beside the page: what is drawn, at every epoch
# what draws the charts in a browser, in this order
SCRIPTS = ("charting/d3.min.js", "charting/plot.umd.min.js", "charts.js")
COMPARISON = "comparison_"  # begins the name of a figure of several runs
_COLUMNS = (
    "epoch", "weights", "layer", "depth", "probe", "quantity", "property", "value", "lower", "upper", "units_lower",
    "units_upper", "note",
)  # fmt: skip


@dataclass(frozen=True)
class Panel:
    """A part of the page: a figure as an image, and the chart that a browser shows in its place."""

    name: str
    image: str  # as data URI
    measures: Sequence[Measure] = ()  # what a figure that this package has no text for says of itself
    published: Sequence[PublishedProfile] = ()  # what stands in it beside
    chart: Chart | None = None

    @property
    def title(self) -> str:
        """Heading."""
        if self.name in TITLES:
            return TITLES[self.name]
        what = " and ".join(measure.title_of("").strip() for measure in self.measures)
        return what[:1].upper() + what[1:] + " along depth" + (", after training" if self._compares else "")

    @property
    def how_to_read(self) -> str:
        """Text beside the figure."""
        return " ".join([self._of_figure, *self._of_papers()])

    @property
    def _of_figure(self) -> str:
        if self.name in HOW_TO_READ:
            return HOW_TO_READ[self.name]
        said = [measure.how_to_read for measure in self.measures if measure.how_to_read]
        over = " and ".join(dict.fromkeys(measure.interval for measure in self.measures if measure.interval))
        if self._compares:
            said.append(HOW_TO_READ["comparison_dimension"])
        elif over:
            said.append(f"Bars and bands: 95% interval over {over}. {STARS}")
        return " ".join(said)

    def _of_papers(self) -> Iterator[str]:
        drawn = {measure.quantity for measure in self.measures}
        shown = [f"{profile.label}: {profile.what}" for profile in self.published if profile.quantity in drawn]
        if shown:
            yield f"{PUBLISHED} {'; '.join(shown)}."

    @property
    def _compares(self) -> bool:
        """Whether it is of several runs."""
        return self.name.startswith(COMPARISON)


def write_report(
    run_dir: str | Path, *, probe_set: str = TRAINING, processes: int = 1, rows: pd.DataFrame | None = None
) -> Path:
    """Write `run_dir`/report: figures as PNG and SVG, and report.html; return the page's path.

    The report of another probe set than training's lies in a folder of its name there. It is drawn in one or two
    `processes`; of two the second is a copy of this one, which must have no other work under way. `rows` are those of
    completed epochs, where they have been read.

    Raises
    ------
    InputError
        If the run has no results.
    """
    run_dir, folder = Path(run_dir), RunFolder(run_dir)
    rows = epoch_ends(load(run_dir, probe_set=probe_set)) if rows is None else rows
    every = sorted(map(int, rows["epoch"].unique()))
    seen = shown_epochs(every)
    shown = estimated(rows[rows["epoch"].isin(seen)])
    catalogue = catalogue_of(folder.results(probe_set), shown)
    out = folder.report(probe_set)
    ends = (every[0], every[-1])  # more is not drawn of units, and reading takes long
    units = None
    if any(files_of_rows(run_dir, "units", probe_set)):
        units = epoch_ends(load(run_dir, units=True, probe_set=probe_set, epochs=ends))
    different = ends_differ(run_dir, catalogue.drawn(shown), probe_set, ends, units)
    write_csv(different, out / DIFFERENCES)
    write_csv(_values(rows, catalogue.drawn(shown)), out / VALUES)
    config = probe_set_configuration(folder.results(probe_set)) or load_configuration(run_dir)
    published = published_profiles(config, list(rows["weights"].unique()))
    figures = list(_figures(run_dir, shown, units, catalogue, probe_set, different, published))
    images = side_by_side([partial(_saved, figure, out) for figure in figures], processes=processes)
    panels = [
        Panel(figure.name, data_uri(image), figure.measures, published, figure.chart)
        for figure, image in zip(figures, images, strict=True)
    ]
    last = rows[rows.epoch == every[-1]]
    return write_page(
        folder.page(probe_set),
        template="page.html",
        title=run_dir.resolve().name + ("" if probe_set == TRAINING else f", {probe_set}"),
        caveats=[caveat.sentence for caveat in caveats_of_run(run_dir, rows, probe_set=probe_set)],
        headline=headline(last, catalogue, different),
        notes=[
            *filter(None, [label_note_of_run(run_dir, rows, probe_set=probe_set)]),
            *weaknesses(rows),
            *not_estimated(rows, catalogue),
            *_left_out(every, seen),
        ],
        panels=sorted(panels, key=_place),
        when=moment(last, every[-1]).replace("epoch", "after epoch"),
        indices=last[(last.probe == DISTILLATION.probe) & (last.layer == "")].to_dict("records"),
        config=OmegaConf.to_yaml(config) if config is not None else "",
    )


def _values(rows: pd.DataFrame, drawn: Sequence[Measure]) -> pd.DataFrame:
    """What figures show, and of all epochs."""
    of_layers = rows[rows["layer"] != ""]
    shown = pd.concat([of_layers[:0], *(measure.rows(of_layers) for measure in drawn)])
    return shown[[name for name in _COLUMNS if name in shown]]


def _left_out(every: Sequence[int], seen: Sequence[int]) -> Iterator[str]:
    if len(seen) < len(every):
        yield f"Figures show {len(seen)} of {len(every)} epochs, the first more densely; {VALUES} has all."


def _place(panel: Panel) -> tuple[int, str]:
    """Place on the page; what this package has no text for comes after the information, by name."""
    names = list(TITLES)
    return (names.index(panel.name), "") if panel.name in names else (names.index(INFORMATION.figure), panel.name)


def write_page(path: Path, *, template: str, panels: Sequence[Panel], **content: object) -> Path:
    """Fill a template of this package in, and write the page."""
    templates = Environment(loader=PackageLoader("pdtrain.report", ""), autoescape=True)
    html = templates.get_template(template).render(panels=panels, **_resources(panels), **content)
    with written_whole(path) as temporary:
        temporary.write_text(html)
    return path


def _resources(panels: Iterable[Panel]) -> dict[str, Any]:
    """What a page holds besides its text: its style, and where there are charts their data and what draws them."""
    folder = files("pdtrain.report")
    charts = {panel.name: panel.chart for panel in panels if panel.chart is not None}
    scripts = [folder.joinpath(name).read_text() for name in SCRIPTS] if charts else []
    return {"style": folder.joinpath("page.css").read_text(), "charts": chart_data(charts), "scripts": scripts}


def data_uri(svg: bytes) -> str:
    """A vector figure as the source of an image."""
    return "data:image/svg+xml;base64," + base64.b64encode(svg).decode()


def ends_differ(
    run_dir: Path, measures: Sequence[Measure], probe_set: str, ends: tuple[int, int], units: pd.DataFrame | None
) -> pd.DataFrame:
    """Layers of the last epoch against the first, on the same stimuli and units."""
    first, last = ends
    rows = epoch_ends(load(run_dir, probe_set=probe_set, half_differences=True, epochs=ends))
    of_units = None if units is None else (units[units["epoch"] == first], units[units["epoch"] == last])
    return differences(rows[rows["epoch"] == first], rows[rows["epoch"] == last], measures, of_units)


@dataclass(frozen=True)
class _Drawing:
    """A figure to be drawn, and the chart of the same."""

    name: str
    draw: Callable[[], Figure]
    measures: Sequence[Measure] = ()
    chart: Chart | None = None


def _figures(
    run_dir: Path,
    rows: pd.DataFrame,
    units: pd.DataFrame | None,
    catalogue: Catalogue,
    probe_set: str,
    different: pd.DataFrame,
    published: Sequence[PublishedProfile],
) -> Iterator[_Drawing]:
    drawn, about = catalogue.drawn(rows), foremost(rows)
    charts = MeasuredCharts(rows, drawn)
    if (metrics := read_metrics(run_dir)) is not None and dynamics.holds_accuracy(metrics):
        yield _Drawing("accuracy", partial(dynamics.accuracy, metrics), chart=accuracy_chart(metrics))
    for name, measures in catalogue.figures(rows).items():
        draw = partial(profiles.profile, rows, measures, different, published)
        yield _Drawing(name, draw, measures, charts.along_depth(measures, different, published))
    information = INFORMATION.rows(rows)
    if about is not None and len(information) and units is not None:
        units, last_hidden = estimated(units), layers_of(information)[-2:][0]
        yield _Drawing("units", partial(unit_figures.unit_distribution, units, about), chart=spread_chart(units, about))
        yield _Drawing(
            "unit_map",
            partial(unit_figures.unit_map, units, last_hidden),
            chart=unit_map_chart(units, last_hidden),
        )
    if drawn and _has_epochs(rows):
        of_layers = charts.over_epochs(drawn, about)
        yield _Drawing("paths", partial(dynamics.trajectories, rows, drawn, about), chart=of_layers)
        yield _Drawing("heat_maps", partial(dynamics.heat_maps, rows, drawn), chart=charts.maps())
    if any(len(measure.rows(rows)) for measure in INDICES):
        of_property = foremost_indices(rows)
        draw = partial(dynamics.pruning_and_distillation, of_property)
        yield _Drawing("indices", draw, chart=charts.indices(of_property))
    if probe_set == TRAINING and (stimuli := load_stimuli(run_dir)) is not None:
        yield _Drawing("stimuli", partial(stimulus_figures.contact_sheet, stimuli[0]))
        if stimuli[1]:
            histograms = partial(stimulus_figures.property_histograms, stimuli[1])
            yield _Drawing("properties", histograms, chart=histogram_chart(stimuli[1]))


def _has_epochs(rows: pd.DataFrame) -> bool:
    """Whether they are of a training, not of weights from elsewhere."""
    return PRETRAINED_WEIGHTS not in set(rows["weights"])


def _saved(figure: _Drawing, folder: Path) -> bytes:
    """Draw a figure and write it; return the vector image."""
    return save_figure(figure.draw(), folder, figure.name)
