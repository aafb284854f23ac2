"""The HTML page of a run: self-contained, its figures inside it and as files beside it."""

import base64
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.resources import files
from pathlib import Path

import pandas as pd
from jinja2 import Environment, PackageLoader
from matplotlib.figure import Figure
from omegaconf import OmegaConf

from pdtrain.files import written_whole
from pdtrain.report import dynamics, profiles, similarity, similarity_figures, stimulus_figures, unit_figures
from pdtrain.report.csv_tables import write_csv
from pdtrain.report.frames import save
from pdtrain.report.headline import headline, weaknesses
from pdtrain.report.published import PublishedProfile, published_profiles
from pdtrain.report.side_by_side import side_by_side
from pdtrain.report.style import estimated, layers_of, moment
from pdtrain.report.texts import HOW_TO_READ, PUBLISHED, STARS, TITLES
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
COMPARISON = "comparison_"  # begins the name of a figure of several runs
_SLIDER = "_slider"  # ends the name of a figure with a slider
_MOST_FRAMES = 16  # of a slider; each is a vector figure inside the page


@dataclass(frozen=True)
class Panel:
    """A part of the page: one figure, or one per epoch with a slider."""

    name: str
    frames: list[tuple[str, str]]  # label, image as data URI
    measures: Sequence[Measure] = ()  # what a figure that this package has no text for says of itself
    published: Sequence[PublishedProfile] = ()  # what stands in it beside

    @property
    def title(self) -> str:
        """Heading."""
        if self.name in TITLES:
            return TITLES[self.name]
        what = " and ".join(measure.title_of("").strip() for measure in self.measures)
        shown = " along depth" if len(self.frames) > 1 else ", untrained and trained"
        return what[:1].upper() + what[1:] + (" along depth, after training" if self._compares else shown)

    @property
    def how_to_read(self) -> str:
        """Text beside the figure."""
        return " ".join([self._of_figure, *self._of_papers()])

    @property
    def _of_figure(self) -> str:
        if self.name in HOW_TO_READ:
            return HOW_TO_READ[self.name]
        said = ["Move the slider through the epochs."] if len(self.frames) > 1 else []
        said += [measure.how_to_read for measure in self.measures if measure.how_to_read]
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
    run_dir, folder = Path(run_dir), RunFolder(run_dir)
    rows = epoch_ends(load(run_dir, probe_set=probe_set))
    catalogue, shown = catalogue_of(folder.results(probe_set), rows), estimated(rows)
    out = folder.report(probe_set)
    ends = (int(rows["epoch"].min()), int(rows["epoch"].max()))  # more is not drawn of units, and reading takes long
    units = None
    if any(files_of_rows(run_dir, "units", probe_set)):
        units = epoch_ends(load(run_dir, units=True, probe_set=probe_set, epochs=ends))
    different = ends_differ(run_dir, catalogue.drawn(shown), probe_set, ends, units)
    write_csv(different, out / DIFFERENCES)
    config = probe_set_configuration(folder.results(probe_set)) or load_configuration(run_dir)
    published = published_profiles(config, list(rows["weights"].unique()))
    frames = _frames(shown)
    figures = list(_figures(run_dir, shown, units, catalogue, probe_set, different, published, list(frames)))
    images = side_by_side([partial(_saved, figure, out, frames) for figure in figures], processes=processes)
    panels = [panel for drawn in zip(figures, images, strict=True) for panel in _panels(*drawn, frames, published)]
    last = rows[(rows.probe == DISTILLATION.probe) & (rows.epoch == rows.epoch.max()) & (rows.layer == "")]
    return write_page(
        folder.page(probe_set),
        template="page.html",
        title=run_dir.resolve().name + ("" if probe_set == TRAINING else f", {probe_set}"),
        caveats=[caveat.sentence for caveat in caveats_of_run(run_dir, rows, probe_set=probe_set)],
        headline=headline(rows, catalogue, different),
        notes=[
            *filter(None, [label_note_of_run(run_dir, rows, probe_set=probe_set)]),
            *weaknesses(rows),
            *not_estimated(rows, catalogue),
        ],
        panels=sorted(panels, key=_place),
        when=moment(rows, rows.epoch.max()).replace("epoch", "after epoch"),
        indices=last.to_dict("records"),
        config=OmegaConf.to_yaml(config) if config is not None else "",
    )


def _place(panel: Panel) -> tuple[int, str, bool]:
    """Place on the page; what this package has no text for comes after the information, by name, each slider first."""
    names = list(TITLES)
    if panel.name in names:
        return names.index(panel.name), "", False
    return names.index(INFORMATION.figure), panel.name.removesuffix(_SLIDER), not panel.name.endswith(_SLIDER)


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
    """A figure to be drawn."""

    name: str
    draw: Callable[[], Figure]
    measures: Sequence[Measure] = ()

    def moving(self, frames: Mapping[int, str]) -> Mapping[int, str]:
        """The frames of its slider: a figure of measures has one."""
        return frames if self.measures else {}


def _figures(
    run_dir: Path,
    rows: pd.DataFrame,
    units: pd.DataFrame | None,
    catalogue: Catalogue,
    probe_set: str,
    different: pd.DataFrame,
    published: Sequence[PublishedProfile],
    frames: Sequence[int],
) -> Iterator[_Drawing]:
    if (metrics := read_metrics(run_dir)) is not None and dynamics.holds_accuracy(metrics):
        yield _Drawing("accuracy", partial(dynamics.accuracy, metrics))
    for name, measures in catalogue.figures(rows).items():
        yield _Drawing(name, partial(profiles.profile, rows, measures, different, published, frames=frames), measures)
    for name, measures in catalogue.maps(rows).items():
        yield _Drawing(name, partial(similarity_figures.layer_maps, rows, measures, frames=frames), measures)
    if _has_epochs(rows) and similarity.keeps_epochs(str(run_dir), rows, probe_set):
        yield _Drawing("similarity_epochs", partial(similarity.compared_epochs, str(run_dir), rows, probe_set))
    about = foremost(rows)
    information = INFORMATION.rows(rows)
    if about is not None and len(information) and units is not None:
        units = estimated(units)
        yield _Drawing("units", partial(unit_figures.unit_distribution, units, about))
        yield _Drawing("unit_map", partial(unit_figures.unit_map, units, layers_of(information)[-2:][0]))
    if (drawn := catalogue.drawn(rows)) and _has_epochs(rows):
        yield _Drawing("paths", partial(dynamics.trajectories, rows, drawn, about))
        yield _Drawing("heat_maps", partial(dynamics.heat_maps, rows, drawn))
    if any(len(measure.rows(rows)) for measure in INDICES):
        yield _Drawing("indices", partial(dynamics.pruning_and_distillation, foremost_indices(rows)))
    if probe_set == TRAINING and (stimuli := load_stimuli(run_dir)) is not None:
        yield _Drawing("stimuli", partial(stimulus_figures.contact_sheet, stimuli[0]))
        if stimuli[1]:
            yield _Drawing("properties", partial(stimulus_figures.property_histograms, stimuli[1]))


def _frames(rows: pd.DataFrame) -> dict[int, str]:
    """Epochs that a slider goes through, with their names; none of a single one, or of weights from elsewhere."""
    epochs = sorted(map(int, rows.epoch.unique()))
    if len(epochs) < 2 or not _has_epochs(rows):
        return {}
    step = max(1, -(-len(epochs) // _MOST_FRAMES))
    return {epoch: moment(rows, epoch) for epoch in sorted({*epochs[::step], epochs[-1]})}


def _has_epochs(rows: pd.DataFrame) -> bool:
    """Whether they are of a training, not of weights from elsewhere."""
    return PRETRAINED_WEIGHTS not in set(rows["weights"])


def _saved(figure: _Drawing, folder: Path, frames: Mapping[int, str]) -> list[bytes]:
    """Draw a figure and write it; return its vector images, that of the page and those of its frames."""
    return save(figure.draw(), folder, figure.name, list(map(str, figure.moving(frames))))


def _panels(
    figure: _Drawing, images: Sequence[bytes], frames: Mapping[int, str], published: Sequence[PublishedProfile]
) -> Iterator[Panel]:
    """A figure is a panel, and its frames are another."""
    still, *moving = map(data_uri, images)
    yield Panel(figure.name, [("", still)], figure.measures, published)
    if moving:
        labels = figure.moving(frames).values()
        yield Panel(f"{figure.name}{_SLIDER}", list(zip(labels, moving, strict=True)), figure.measures)
