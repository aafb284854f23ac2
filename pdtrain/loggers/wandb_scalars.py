"""Which numbers of a probe point W&B draws as curves: the headline set or all, and what a sweep asks for."""

import logging
from collections.abc import Sequence
from typing import Any

from pdtrain.errors import first_line
from pdtrain.limits import check_value
from pdtrain.results.catalogue import Catalogue
from pdtrain.results.rows import Row

_log = logging.getLogger(__name__)
HEADLINE, ALL = "headline", "all"


class ChosenScalars:
    """Chooses among the metrics of probe points.

    Parameters
    ----------
    scalars
        "headline", as the catalogue declares it, or "all".
    metric
        A key that is sent in any case: what an optimising sweep looks at. So is the metric of a W&B sweep, where its
        agent started this process; where W&B does not tell what that is, all are sent.

    Raises
    ------
    InputError
        If `scalars` is neither.
    """

    def __init__(self, scalars: str = HEADLINE, metric: str | None = None) -> None:
        check_value("logger.wandb.scalars", scalars)
        self._scalars, self._asked = scalars, {metric} - {None}
        self._knows_agent = False

    def of(self, rows: Sequence[Row], catalogue: Catalogue, run: Any) -> dict[str, float]:
        """What of the metrics of rows is sent to a `wandb.Run`."""
        metrics = catalogue.metrics(rows)
        if not self._knows_agent:
            self._ask(run)
        if self._scalars == ALL:
            return metrics
        return catalogue.headline(rows) | {key: metrics[key] for key in metrics if key in self._asked}

    def _ask(self, run: Any) -> None:
        self._knows_agent = True
        sweep = getattr(run, "sweep_id", None)
        if not sweep or self._scalars == ALL:
            return
        try:
            if run.offline:
                raise ConnectionError("offline")
            self._asked.add(metric_of_sweep(f"{run.entity}/{run.project}/{sweep}"))
        except Exception as error:  # of W&B's: no reason to end a training
            self._scalars = ALL
            _log.warning("logger.wandb.scalars=all: W&B does not tell the metric of its sweep (%s)", first_line(error))


def metric_of_sweep(path: str) -> str | None:
    """The metric of the W&B sweep at `entity/project/id`; None where it has none, as a grid may."""
    import wandb

    metric: dict[str, str] = wandb.Api().sweep(path).config.get("metric") or {}
    return metric.get("name")
