"""A script of one's own: any LightningModule, any data, and pdtrain's callbacks beside it.

    python examples/plain_lightning.py runs/digits

No configuration, no data module and no network of pdtrain: handwritten digits of 8 pixels, from scikit-learn.
"""

import sys
from collections import OrderedDict
from pathlib import Path

import pytorch_lightning as lightning
import torch
from pytorch_lightning.loggers import CSVLogger
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader, TensorDataset

from pdtrain.callbacks import IntrinsicDimension, Probing, Schedule, UnitInformation
from pdtrain.probes.prober import Prober
from pdtrain.report.page import write_report
from pdtrain.results import load
from pdtrain.results.store import ResultsStore
from pdtrain.stimuli.normalization import Normalization
from pdtrain.stimuli.stimulus_set import StimulusSet


class MyModule(lightning.LightningModule):
    """A module as one finds it: nothing in it knows of pdtrain."""

    def __init__(self) -> None:
        super().__init__()
        modules = OrderedDict(
            conv1=nn.Conv2d(1, 16, 3, padding=1),
            relu1=nn.ReLU(),
            pool=nn.MaxPool2d(2),
            conv2=nn.Conv2d(16, 32, 3, padding=1),
            relu2=nn.ReLU(),
            flatten=nn.Flatten(),
            hidden=nn.Linear(512, 64),
            relu3=nn.ReLU(),
        )
        self.backbone = nn.Sequential(modules)
        self.head = nn.Linear(64, 10)

    def training_step(self, batch: tuple[Tensor, Tensor]) -> Tensor:
        """Loss of a batch."""
        images, labels = batch
        return cross_entropy(self.head(self.backbone(images)), labels)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Adam."""
        return torch.optim.Adam(self.parameters(), lr=0.003)


def main(folder: Path, *, epochs: int = 3, count: int = 500) -> None:
    """Train on digits, probe with `count` that are held out after each epoch, and write the report to `folder`."""
    lightning.seed_everything(0, verbose=False)
    digits = load_digits()
    pixels = torch.tensor(digits.images, dtype=torch.float32)[:, None] / 16  # intensities 0 to 1
    labels = torch.tensor(digits.target)
    normalize = Normalization(mean=0.3, standard_deviation=0.37)  # makes of them what the network sees
    loader = DataLoader(TensorDataset(normalize(pixels[count:]), labels[count:]), batch_size=64, shuffle=True)

    # what is shown: as properties are measured on it, what it is of, and how the network sees it
    stimuli = StimulusSet(pixels[:count], labels[:count], normalize=normalize)
    prober = Prober(stimuli, ResultsStore(folder))
    callbacks = [
        IntrinsicDimension(["two_nn", "mle"]),
        UnitInformation(["luminance", "luminance@receptive_field", "identity"]),
        Probing(prober, Schedule(every_epochs=1), network="backbone"),  # where the network is; None: the module itself
    ]
    trainer = lightning.Trainer(
        max_epochs=epochs, callbacks=callbacks, logger=CSVLogger(folder), enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False, num_sanity_val_steps=0, default_root_dir=folder,
    )  # fmt: skip
    trainer.fit(MyModule(), loader)

    rows = load(folder)
    dimension = rows[(rows.probe == "intrinsic_dimension") & (rows.quantity == "two_nn")]
    print(dimension.pivot(index="layer", columns="epoch", values="value").round(1))
    print("report:", write_report(folder))


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path("runs/digits"))
