"""The HTML page of a run: self-contained, its figures inside it and as files beside it."""

import base64
from collections.abc import Callable, Iterator, Mapping, Sequence
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
from pdtrain.report import dynamics, profiles, similarity, similarity_figures, stimulus_figures, unit_figures
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
from pdtrain.report.whole_run import VALUES, WholeRun, epochs_of, whole_run
from pdtrain.results.catalogue import Catalogue, catalogue_of
from pdtrain.results.caveats import label_note_of_run
from pdtrain.results.configuration import PRETRAINED_WEIGHTS, load_configuration, probe_set_configuration
from pdtrain.results.differences import differences
from pdtrain.results.measures import DISTILLATION, INDICES, INFORMATION, Measure, foremost, foremost_indices, words
from pdtrain.results.metrics import read_metrics
from pdtrain.results.reader import epoch_ends, load
from pdtrain.results.run_folder import TRAINING, RunFolder, files_of_rows
from pdtrain.results.stimuli import load_stimuli

DIFFERENCES = "differences.csv"  # beside the page: what the marks in its figures are made of
# what draws the charts in a browser, in this order
SCRIPTS = ("charting/d3.min.js", "charting/plot.umd.min.js", "charts.js")
COMPARISON = "comparison_"  # begins the name of a figure of several runs


@dataclass(frozen=True)
class Panel:
    """A part of the page: a figure as an image; a browser shows the chart of its name in its place, if there is one."""

    name: str
    image: str  # as data URI
    measures: Sequence[Measure] = ()  # what a figure that this package has no text for says of itself
    published: Sequence[PublishedProfile] = ()  # what stands in it beside

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


def write_report(run_dir: str | Path, *, probe_set: str = TRAINING, processes: int = 1) -> Path:
    """Write `run_dir`/report: figures as PNG and SVG, and report.html; return the page's path.

    The report of another probe set than training's lies in a folder of its name there. It is drawn in one or two
    `processes`; of two the second is a copy of this one, which must have no other work under way.

    Raises
    ------
    InputError
        If the run has no results.
    """
    return report_of(Path(run_dir), probe_set=probe_set, processes=processes).page


@dataclass(frozen=True)
class Report:
    """A report that was written, the rows that it shows, and what was said of all."""

    page: Path
    rows: pd.DataFrame
    whole: WholeRun


def report_of(run_dir: Path, *, probe_set: str = TRAINING, processes: int = 1) -> Report:
    """As `write_report`, and return what it was made of."""
    folder = RunFolder(run_dir)
    every = epochs_of(run_dir, probe_set)
    seen = shown_epochs(every)
    rows = epoch_ends(load(run_dir, probe_set=probe_set, epochs=seen))
    shown = estimated(rows)
    catalogue = catalogue_of(folder.results(probe_set), shown)
    drawn, out = catalogue.drawn(shown), folder.report(probe_set)
    ends = (every[0], every[-1])  # more is not drawn of units, and reading takes long
    units = None
    if any(files_of_rows(run_dir, "units", probe_set)):
        units = epoch_ends(load(run_dir, units=True, probe_set=probe_set, epochs=ends))
    different = ends_differ(run_dir, drawn, probe_set, ends, units)
    write_csv(different, out / DIFFERENCES)
    config = probe_set_configuration(folder.results(probe_set)) or load_configuration(run_dir)
    published = published_profiles(config, list(rows["weights"].unique()))
    figures = list(_figures(run_dir, shown, units, catalogue, probe_set, different, published))
    known = rows if len(seen) == len(every) else None
    tasks: list[Callable[[], Any]] = [
        partial(_chart_data, figures),
        *(partial(_saved, figure, out) for figure in figures),
        partial(whole_run, run_dir, out, catalogue, drawn, probe_set=probe_set, rows=known),
    ]
    charts, *images, whole = side_by_side(tasks, processes=processes)
    panels = [
        Panel(figure.name, data_uri(image), figure.measures, published)
        for figure, image in zip(figures, images, strict=True)
    ]
    last = rows[rows.epoch == every[-1]]
    page = write_page(
        folder.page(probe_set),
        template="page.html",
        title=run_dir.resolve().name + ("" if probe_set == TRAINING else f", {probe_set}"),
        caveats=[caveat.sentence for caveat in whole.caveats],
        headline=headline(last, catalogue, different),
        notes=[
            *filter(None, [label_note_of_run(run_dir, rows, probe_set=probe_set)]),
            *weaknesses(rows),
            *whole.not_estimated,
            *_left_out(every, seen),
        ],
        panels=sorted(panels, key=_place),
        charts=charts,
        when=moment(last, every[-1]).replace("epoch", "after epoch"),
        indices=last[(last.probe == DISTILLATION.probe) & (last.layer == "")].to_dict("records"),
        config=OmegaConf.to_yaml(config) if config is not None else "",
    )
    return Report(page, rows, whole)


def _left_out(every: Sequence[int], seen: Sequence[int]) -> Iterator[str]:
    if len(seen) < len(every):
        yield f"Figures show {len(seen)} of {len(every)} epochs, the first more densely; {VALUES} has all."


def _place(panel: Panel) -> tuple[int, str]:
    """Place on the page; what this package has no text for comes after the information, by name."""
    names = list(TITLES)
    return (names.index(panel.name), "") if panel.name in names else (names.index(INFORMATION.figure), panel.name)


def write_page(
    path: Path,
    *,
    template: str,
    panels: Sequence[Panel] = (),
    charts: Mapping[str, Any] | None = None,
    **content: object,
) -> Path:
    """Fill a template of this package in, and write the page; `charts` is what `chart_data` gives of its panels."""
    templates = Environment(loader=PackageLoader("pdtrain.report", ""), autoescape=True)
    templates.filters["words"] = words
    folder = files("pdtrain.report")
    html = templates.get_template(template).render(
        style=folder.joinpath("page.css").read_text(),
        scripts=[folder.joinpath(name).read_text() for name in SCRIPTS] if charts else [],
        charts=charts or {"charts": {}},
        panels=panels,
        **content,
    )
    with written_whole(path) as temporary:
        temporary.write_text(html)
    return path


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
    chart: Callable[[], Chart] | None = None


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
    measured = MeasuredCharts(rows, drawn)
    if (metrics := read_metrics(run_dir)) is not None and dynamics.holds_accuracy(metrics):
        yield _Drawing("accuracy", partial(dynamics.accuracy, metrics), chart=partial(accuracy_chart, metrics))
    for name, measures in catalogue.figures(rows).items():
        draw = partial(profiles.profile, rows, measures, different, published)
        yield _Drawing(name, draw, measures, partial(measured.along_depth, measures, different, published))
    for name, measures in catalogue.maps(rows).items():
        draw = partial(similarity_figures.layer_maps, rows, measures)
        yield _Drawing(name, draw, measures, partial(measured.between_layers, measures))
    if _has_epochs(rows) and similarity.keeps_epochs(str(run_dir), rows, probe_set):
        yield _Drawing("similarity_epochs", partial(similarity.compared_epochs, str(run_dir), rows, probe_set))
    information = INFORMATION.rows(rows)
    if about is not None and len(information) and units is not None:
        of = (estimated(units), about)
        yield _Drawing("units", partial(unit_figures.unit_distribution, *of), chart=partial(spread_chart, *of))
        at = (estimated(units), layers_of(information)[-2:][0])
        yield _Drawing("unit_map", partial(unit_figures.unit_map, *at), chart=partial(unit_map_chart, *at))
    if drawn and _has_epochs(rows):
        paths = partial(measured.over_epochs, drawn, about)
        yield _Drawing("paths", partial(dynamics.trajectories, rows, drawn, about), chart=paths)
        yield _Drawing("heat_maps", partial(dynamics.heat_maps, rows, drawn), chart=measured.maps)
    if any(len(measure.rows(rows)) for measure in INDICES):
        indices = foremost_indices(rows)
        draw = partial(dynamics.pruning_and_distillation, indices)
        yield _Drawing("indices", draw, chart=partial(measured.indices, indices))
    if probe_set == TRAINING and (stimuli := load_stimuli(run_dir)) is not None:
        images, values = stimuli
        yield _Drawing("stimuli", partial(stimulus_figures.contact_sheet, images))
        if values:
            draw = partial(stimulus_figures.property_histograms, values)
            yield _Drawing("properties", draw, chart=partial(histogram_chart, values))


def _has_epochs(rows: pd.DataFrame) -> bool:
    """Whether they are of a training, not of weights from elsewhere."""
    return PRETRAINED_WEIGHTS not in set(rows["weights"])


def _chart_data(figures: Sequence[_Drawing]) -> dict[str, Any]:
    return chart_data({figure.name: figure.chart() for figure in figures if figure.chart is not None})


def _saved(figure: _Drawing, folder: Path) -> bytes:
    """Draw a figure and write it; return the vector image."""
    return save_figure(figure.draw(), folder, figure.name)
