"""Callbacks that hear of probe points: what `Probing` measures, and how far it is."""

from collections.abc import Sequence

import pytorch_lightning as lightning

from pdtrain.results.catalogue import Catalogue
from pdtrain.results.rows import ProbePoint, Row


class ProbeListener(lightning.Callback):
    """A callback that `Probing` tells about every point, in the process that measures."""

    def on_probe_progress(self, trainer: lightning.Trainer, stage: str, done: int, total: int) -> None:
        """`done` of `total` steps of a stage are done: stimuli shown, or layers measured."""

    def on_probe(
        self, trainer: lightning.Trainer, point: ProbePoint, rows: Sequence[Row], catalogue: Catalogue
    ) -> None:
        """A point has been measured and written; it has not been logged yet. `catalogue` says what the rows are of."""
