"""The HTML page of a run: self-contained, its figures inside it and as files beside it."""

import base64
from importlib.resources import files
from pathlib import Path

import pandas as pd
from jinja2 import Template
from matplotlib.figure import Figure
from omegaconf import OmegaConf

from pdtrain.files import written_whole
from pdtrain.report import figures
from pdtrain.results.configuration import load_configuration
from pdtrain.results.reader import load
from pdtrain.results.stimuli import load_stimuli

_CAPTIONS = {
    "accuracy": "Accuracy over epochs.",
    "dimension": "Intrinsic dimension against depth, one line per epoch (pale to dark), untrained dashed. Bars: "
    "95% interval. Trained networks rise, then fall: the hunchback.",
    "information": "Mean information per unit about each property; bands: 95% interval over units. Falling with depth "
    "after training, and below the untrained network: distillation and pruning.",
    "objects": "Information about which of two objects is shown, whatever its view: mean over units and pairs; bands: "
    "95% interval over units. Rising with depth after training while that about luminance falls: distillation.",
    "units": "Share of units below a given information about luminance. A curve further left carries less.",
    "heat_maps": "Every probe point: layers upwards, epochs to the right.",
    "stimuli": "A sample of the stimuli shown to the network.",
    "properties": "Properties of all stimuli. A property that hardly varies cannot be informative.",
}


def write_report(run_dir: str | Path) -> Path:
    """Write `run_dir`/report: figures as PNG and SVG, and report.html; return the page's path.

    Raises
    ------
    InputError
        If the run has no results.
    """
    run_dir = Path(run_dir)
    rows = load(run_dir)
    folder = run_dir / "report"
    drawn = {name: _embed(figure, folder, name) for name, figure in _draw(run_dir, rows).items()}
    last = rows[(rows.probe == "index") & (rows.epoch == rows.epoch.max()) & (rows.layer == "")]
    config = load_configuration(run_dir)
    template = Template(files("pdtrain.report").joinpath("page.html").read_text(), autoescape=True)
    html = template.render(
        name=run_dir.resolve().name,
        figures=[(name, _CAPTIONS[name], image) for name, image in drawn.items()],
        indices=last.to_dict("records"),
        config=OmegaConf.to_yaml(config) if config is not None else "",
    )
    page = folder / "report.html"
    with written_whole(page) as temporary:
        temporary.write_text(html)
    return page


def _draw(run_dir: Path, rows: pd.DataFrame) -> dict[str, Figure]:
    drawn: dict[str, Figure] = {}
    metrics = run_dir / "csv" / "metrics.csv"
    if metrics.exists():
        drawn["accuracy"] = figures.accuracy(pd.read_csv(metrics))
    if (rows.probe == "intrinsic_dimension").any():
        drawn["dimension"] = figures.dimension_profile(rows)
    if (rows.probe == "unit_information").any():
        drawn["information"] = figures.information_profile(rows)
        units = load(run_dir, units=True)
        first_property = "luminance" if (units.property == "luminance").any() else units.property.iloc[0]
        drawn["units"] = figures.unit_distribution(units, first_property)
    if rows.probe.isin(["object_information", "discriminability"]).any():
        drawn["objects"] = figures.object_profile(rows)
    drawn["heat_maps"] = figures.heat_maps(rows)
    stimuli = load_stimuli(run_dir)
    if stimuli is not None:
        drawn["stimuli"] = figures.contact_sheet(stimuli[0])
        if stimuli[1]:
            drawn["properties"] = figures.property_histograms(stimuli[1])
    return drawn


def _embed(figure: Figure, folder: Path, name: str) -> str:
    path = figures.save(figure, folder, name)
    return "data:image/svg+xml;base64," + base64.b64encode(path.read_bytes()).decode()
