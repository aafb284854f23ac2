"""How many of its training images the finished network calls as it was taught: what tells whether it has memorised."""

from itertools import islice

import pytorch_lightning as lightning
import torch

from pdtrain.activations.hooks import evaluating, example_tensor
from pdtrain.activations.sharding import current_shards
from pdtrain.limits import check_value
from pdtrain.results.logged import EVALUATED_ACCURACY
from pdtrain.training.data import ImageData


class TrainingAccuracy(lightning.Callback):
    """Logs `train/accuracy_evaluated` at the end of the training.

    That is the accuracy of the network as it is probed, in evaluation mode, on its training images without augmentation
    and the labels it was trained on. `train/accuracy` is another thing: a mean over an epoch while the network changes,
    with batch norm on the statistics of each batch.

    Parameters
    ----------
    when
        "shuffled": only if the labels were shuffled, since it takes a pass over all training images; or "always".
    batches
        So many batches of them at most, in a rehearsal; None: all.
    """

    def __init__(self, when: str = "shuffled", batches: int | None = None) -> None:
        check_value("callbacks.training_accuracy.when", when)
        self._when, self._batches = when, batches

    def on_train_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Show the network its training images, and log how many it calls as taught."""
        data = trainer.datamodule  # type: ignore[attr-defined]
        if not isinstance(data, ImageData) or not (data.shuffled_labels or self._when == "always"):
            return
        metrics = {
            EVALUATED_ACCURACY: _accuracy(trainer, pl_module, data, self._batches),
            "epoch": float(trainer.current_epoch),
        }
        for logger in trainer.loggers:
            logger.log_metrics(metrics, step=trainer.global_step)


def _accuracy(
    trainer: lightning.Trainer, pl_module: lightning.LightningModule, data: ImageData, batches: int | None
) -> float:
    network = pl_module.network
    assert isinstance(network, torch.nn.Module)
    example = example_tensor(network)
    counts = torch.zeros(2, device=example.device)
    with evaluating(network), current_shards().same_buffers(network):
        for images, labels in islice(data.evaluated_train_dataloader(), batches):
            right = network(images.to(example)).argmax(1).cpu() == labels
            counts += torch.tensor([float(right.sum()), len(right)], device=example.device)
    right, shown = trainer.strategy.reduce(counts, reduce_op="sum").tolist()
    return right / shown
