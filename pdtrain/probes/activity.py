"""Whether units answer at all: measured at every probe point, whichever probes are on."""

from collections.abc import Sequence

from pdtrain.activations.recorder import LayerResponse
from pdtrain.estimators.significance import wilson_interval
from pdtrain.probes.rows import layer_row
from pdtrain.results.measures import SILENT_UNITS
from pdtrain.results.rows import Row


def silent_unit_rows(responses: Sequence[LayerResponse]) -> list[Row]:
    """Share of the sampled units of each layer that answer alike to all stimuli, with its interval over units."""
    rows = []
    for index, response in enumerate(responses):
        units = response.unit_responses
        silent, count = int((units == units[:1]).all(0).sum()), units.shape[1]
        rows.append(
            layer_row(
                SILENT_UNITS, response.layer, index, silent / count, over_units=wilson_interval(silent, count), n=count,
                estimator=f"{SILENT_UNITS.probe} 1",
            )
        )  # fmt: skip
    return rows
