"""Shows the network with its averaged weights, where a callback of Lightning's keeps an average."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytorch_lightning as lightning
from pytorch_lightning.callbacks import WeightAveraging


@contextmanager
def averaged_weights(trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> Iterator[None]:
    """Give the module the averaged weights for a while, as in validation and checkpoints; else leave it its own."""
    with ExitStack() as after:
        for callback in trainer.callbacks:  # type: ignore[attr-defined]
            if isinstance(callback, WeightAveraging):
                callback.on_validation_epoch_start(trainer, pl_module)
                after.callback(callback.on_validation_epoch_end, trainer, pl_module)
        yield
