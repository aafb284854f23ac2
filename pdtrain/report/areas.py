"""The page of recorded neurons: areas in place of layers, and a network beside them."""

from pathlib import Path

import pandas as pd

from pdtrain.report.area_charts import areas_chart, neurons_chart
from pdtrain.report.area_figures import area_profiles, neuron_distribution
from pdtrain.report.charts import chart_data
from pdtrain.report.csv_tables import write_csv
from pdtrain.report.figure_files import save_figure
from pdtrain.report.page import Panel, data_uri, write_page
from pdtrain.report.similarity_figures import layer_maps
from pdtrain.report.style import estimated
from pdtrain.results.catalogue import catalogue_of
from pdtrain.results.caveats import mixes_in, not_estimated
from pdtrain.results.measures import foremost
from pdtrain.results.reader import epoch_ends, load
from pdtrain.results.run_folder import RunFolder

_SHOWN = ("layer", "layer_index", "probe", "quantity", "property", "value", "lower", "upper", "n", "note")


def write_areas(folder: str | Path, *, probe_set: str, beside: str | Path | None = None) -> Path:
    """Write `folder`/report/areas.html, its figures, and the values as areas.csv; return the page's path.

    Parameters
    ----------
    folder
        `out` of `pdtrain-probe responses=...`.
    probe_set
        Name of its rows.
    beside
        A run, whose layers stand beside the areas.
    """
    measured = load(folder, probe_set=probe_set)
    rows = estimated(measured)
    network = None if beside is None else epoch_ends(load(beside))
    out = RunFolder(folder).report()
    catalogue = catalogue_of(RunFolder(folder).results(probe_set), rows)
    figures = {"areas": area_profiles(rows, catalogue.drawn(rows), network)}
    charts = {"areas": areas_chart(rows, catalogue.drawn(rows), network)}
    figures |= {name: layer_maps(rows, measures) for name, measures in catalogue.maps(rows).items()}
    if (about := foremost(rows)) is not None:
        units = estimated(load(folder, units=True, probe_set=probe_set))
        figures["neurons"] = neuron_distribution(units, about)
        charts["neurons"] = neurons_chart(units, about)
    table = _table(rows)
    write_csv(table, out / "areas.csv")
    return write_page(
        out / "areas.html",
        template="areas.html",
        caveats=[caveat.sentence for caveat in mixes_in(pd.concat([measured, network]))],
        notes=not_estimated(measured, catalogue),
        title=Path(folder).resolve().name + ("" if beside is None else f" beside {Path(beside).resolve().name}"),
        panels=[Panel(name, data_uri(save_figure(figure, out, name))) for name, figure in figures.items()],
        charts=chart_data(charts),
        table=table.to_dict("records"),
    )


def _table(rows: pd.DataFrame) -> pd.DataFrame:
    """Values with an interval, area by area."""
    shown = rows[rows.value.notna() & rows.lower.notna() & ~rows.quantity.str.endswith(("fraction", "_resampled"))]
    return shown.sort_values("layer_index", kind="stable")[list(_SHOWN)].rename(columns={"layer": "area"})
