"""What is known of the downloadable data sets before they are read."""

from dataclasses import dataclass


@dataclass(frozen=True)
class DataSet:
    """Channels of its images, and how many classes they are of."""

    channels: int
    classes: int


DATA_SETS = {
    "MNIST": DataSet(channels=1, classes=10),
    "FashionMNIST": DataSet(channels=1, classes=10),
    "CIFAR10": DataSet(channels=3, classes=10),
    "CIFAR100": DataSet(channels=3, classes=100),
}
