"""Whether units answer at all, and to the stimulus alone: measured at every probe point, whichever probes are on."""

from collections.abc import Sequence

from pdtrain.activations.batch_dependence import BatchDependence
from pdtrain.activations.layers import Layer
from pdtrain.activations.recorder import LayerResponse
from pdtrain.estimators.significance import wilson_interval
from pdtrain.probes.rows import layer_row
from pdtrain.results.measures import BATCH_DEPENDENCE, RANDOM, SILENT_UNITS
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


def batch_dependence_rows(found: Sequence[BatchDependence], layers: Sequence[Layer]) -> list[Row]:
    """How much the responses of layers depend on more than the stimulus: of those that do."""
    return [
        layer_row(
            BATCH_DEPENDENCE, each.layer, layers.index(each.layer), each.share, n=each.shown, note=_why(each),
            estimator=f"{BATCH_DEPENDENCE.probe} 1",
        )
        for each in found
    ]  # fmt: skip


def _why(each: BatchDependence) -> str:
    if each.random:
        return RANDOM
    return f"{each.shown} stimuli at once in place of {each.together}"
