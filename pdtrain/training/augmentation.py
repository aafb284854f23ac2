"""Training images as they are shown: in an order, and augmented, as seed, epoch and image alone say."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor
from torch.utils.data import Dataset, Sampler
from torchvision.transforms import v2

from pdtrain.limits import check_value
from pdtrain.training.batch_changes import (
    BatchChange,
    Images,
    Seeds,
    change_light,
    crop_of_padded,
    mirror,
    move,
    one_by_one,
)
from pdtrain.training.labelled_images import LabelledImages

_MAGNITUDES = 31  # of RandAugment, the weakest being 0


@dataclass(frozen=True)
class Augmentation:
    """What is done to training images at random, in this order.

    Attributes
    ----------
    random_resized_crop
        Smallest share of the whole image's area that a crop covers, which is resized to the size of all images (Szegedy
        et al. 2015); None takes the image as validation does.
    random_crop_padding
        Pixels of zeros around the image, of which a part of its size is taken.
    geometric
        Strength, 0 (none) to 1, of shifts, scaling and turns.
    flip
        Mirror left to right, one image in two.
    rand_augment
        Magnitude, 0 to 30, of two operations drawn at random (Cubuk et al. 2020); None for none.
    photometric
        Strength, 0 (none) to 1, of changes of brightness and contrast.

    Raises
    ------
    InputError
        For a value that cannot be.

    Examples
    --------
    >>> change = Augmentation(random_resized_crop=0.08, flip=True)
    >>> photographs = [torch.zeros(3, 375, 500, dtype=torch.uint8), torch.zeros(3, 500, 375, dtype=torch.uint8)]
    >>> change(photographs, torch.tensor([7, 8]), (224, 224)).shape
    torch.Size([2, 3, 224, 224])
    """

    random_resized_crop: float | None = None
    random_crop_padding: int = 0
    geometric: float = 0.0
    flip: bool = False
    rand_augment: int | None = None
    photometric: float = 0.0

    def __post_init__(self) -> None:
        for key in ("geometric", "photometric", "random_resized_crop", "rand_augment"):
            check_value(f"data.{key}", getattr(self, key))

    def __call__(self, images: Sequence[Tensor] | Tensor, seeds: Seeds, size: tuple[int, int]) -> Images:
        """Change images, uint8, each of shape (channels, height, width), to a batch of this height and width."""
        for change in self._changes(size):
            images = change(images, seeds)
        assert isinstance(images, Tensor)
        return images

    def _changes(self, size: tuple[int, int]) -> Iterator[BatchChange]:
        if self.random_resized_crop is not None:
            crop = v2.RandomResizedCrop(size, scale=(self.random_resized_crop, 1.0), antialias=True)
            yield partial(one_by_one, step=crop, stream=0)
        if self.random_crop_padding:
            yield partial(crop_of_padded, padding=self.random_crop_padding, stream=1)
        if self.geometric:
            yield partial(move, strength=self.geometric, stream=2)
        if self.flip:
            yield partial(mirror, stream=3)
        if self.rand_augment is not None:
            randomly = v2.RandAugment(magnitude=self.rand_augment, num_magnitude_bins=_MAGNITUDES)
            yield partial(one_by_one, step=randomly, stream=4)
        if self.photometric:
            yield partial(change_light, strength=self.photometric, stream=5)


class AugmentedImages(Dataset[tuple[Tensor, Tensor]]):
    """Training images by the batch, each augmented from the seed that `EpochOrder` draws for it."""

    def __init__(
        self,
        images: LabelledImages,
        augmentation: Augmentation,
        normalize: Callable[[Tensor], Tensor],
        size: tuple[int, int],
    ) -> None:
        self._images, self._augment, self._normalize, self._size = images, augmentation, normalize, size

    def __getitems__(self, drawn: Sequence[tuple[int, int]]) -> tuple[Tensor, Tensor]:
        indices, seeds = torch.tensor(drawn).unbind(1)
        shown = self._augment(self._read(indices), seeds, self._size)
        return self._normalize(shown), self._images.labels[indices]

    def _read(self, indices: Tensor) -> Sequence[Tensor] | Tensor:
        if self._augment.random_resized_crop is None:
            return self._images.images(indices)
        return [self._images.whole_image(index) for index in indices.tolist()]

    def __len__(self) -> int:
        return len(self._images)


class EpochOrder(Sampler[tuple[int, int]]):
    """Order of the images and a seed for each one's augmentation: functions of seed and epoch alone.

    So neither the number of workers nor going on from a checkpoint changes what is trained on. Lightning
    calls `set_epoch`.

    Parameters
    ----------
    count
        Number of images.
    seed
        Seed of the order.
    start
        Epoch to begin with, and how many of its images are done already.
    rank, processes
        Of a data-parallel run: each process takes every so many-th image, so that their batches together are those of
        a single process. All get the same number: the first images come twice where they are too few.
    """

    def __init__(
        self, count: int, *, seed: int, start: tuple[int, int] = (0, 0), rank: int = 0, processes: int = 1
    ) -> None:
        self._count, self._seed, self._rank, self._processes = count, seed, rank, processes
        self._epoch, self._start = start[0], start

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch (from 0) whose order comes next."""
        self._epoch = epoch

    def __iter__(self) -> Iterator[tuple[int, int]]:
        generator = torch.Generator().manual_seed(1_000_003 * self._seed + self._epoch)
        order = torch.randperm(self._count, generator=generator)
        seeds = torch.randint(2**62, (self._count,), generator=generator)
        done = self._start[1] if self._epoch == self._start[0] else 0
        mine = torch.arange(done + self._rank, len(self) * self._processes, self._processes) % self._count
        return zip(order[mine].tolist(), seeds[mine].tolist(), strict=True)

    def __len__(self) -> int:
        return -(-self._count // self._processes)
