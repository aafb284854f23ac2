"""A script of one's own: any LightningModule, any data, and pdtrain's callbacks beside it.

    python examples/plain_lightning.py

No configuration, no data module and no network of pdtrain: handwritten digits of 8 pixels, from scikit-learn.
"""

import pytorch_lightning as lightning
import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader, TensorDataset, random_split


class MyModule(lightning.LightningModule):
    """A module as one finds it: nothing in it knows of pdtrain."""

    def __init__(self) -> None:
        super().__init__()
        convolutions = [nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(16, 32, 3), nn.ReLU()]
        self.encoder = nn.Sequential(*convolutions, nn.Flatten(), nn.Linear(128, 64), nn.ReLU())
        self.head = nn.Linear(64, 10)

    def training_step(self, batch: tuple[Tensor, Tensor]) -> Tensor:
        """Loss of a batch."""
        images, labels = batch
        return cross_entropy(self.head(self.encoder(images)), labels)

    def validation_step(self, batch: tuple[Tensor, Tensor]) -> None:
        """Accuracy of a batch."""
        images, labels = batch
        self.log("val/accuracy", (self.head(self.encoder(images)).argmax(1) == labels).float().mean())

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Adam."""
        return torch.optim.Adam(self.parameters(), lr=0.003)


def main(epochs: int = 3) -> None:
    """Train on digits, and probe with those that are held out."""
    lightning.seed_everything(0, verbose=False)
    digits = load_digits()
    images = torch.tensor(digits.images, dtype=torch.float32)[:, None] / 16  # intensities 0 to 1
    training_set, test_set = random_split(TensorDataset(images, torch.tensor(digits.target)), [0.7, 0.3])

    # --8<-- [start:probing]
    from pdtrain.callbacks import IntrinsicDimension, Probing, UnitInformation
    from pdtrain.results import load

    probing = Probing(test_set, network="encoder")
    probes = [IntrinsicDimension(), UnitInformation(["luminance", "identity"])]
    trainer = lightning.Trainer(max_epochs=epochs, callbacks=[*probes, probing])
    trainer.fit(MyModule(), DataLoader(training_set, 64, shuffle=True), DataLoader(test_set, 64))

    rows = load(probing.folder)
    dimension = rows[rows.quantity == "two_nn"].pivot(index=["depth", "layer"], columns="epoch", values="value")
    print(dimension.round(1))
    # --8<-- [end:probing]
    print(f"pdtrain-report run_dir={probing.folder}")


if __name__ == "__main__":
    main()
