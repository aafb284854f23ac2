"""The abstract data module: what all data sets share, from splits and shuffled labels to augmentation and stimuli."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import pytorch_lightning as lightning
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from pdtrain.errors import InputError
from pdtrain.limits import check_value
from pdtrain.stimuli.luminance_gradient import LUMINANCE_GRADIENT, WithLuminance, luminance_gradient
from pdtrain.stimuli.normalization import Normalization
from pdtrain.stimuli.stimulus_set import StimulusSet, random_sample, stacked
from pdtrain.training.augmentation import Augmentation, AugmentedImages, EpochOrder
from pdtrain.training.labelled_images import LabelledImages
from pdtrain.training.loading import Loader, be_led


class ImageData(lightning.LightningDataModule):
    """What all data sets share: subset, split, label shuffling, augmentation, loaders and held-out stimuli.

    Parameters
    ----------
    batch_size
        Images per batch, of all processes together; `trainer.accumulate_grad_batches` of them make a step.
    workers
        Loading processes, which live as long as the training.
    prefetch_factor
        Batches that each of them prepares ahead.
    subset
        Number of training images kept, drawn at random; None keeps all.
    validation_fraction
        Share of the training images held out for validation and stimuli, in place of the data set's own
        validation part; None takes that part.
    shuffled_labels
        Permute the training labels: a control that can only be memorised.
    luminance_gradient
        Strength of a luminance added to each image, of training and validation, see `WithLuminance`; 0 adds none.
    geometric, photometric, flip, random_resized_crop, random_crop_padding, rand_augment
        Augmentation of the training images, see `Augmentation`.
    mean, standard_deviation
        Normalisation of intensities 0 to 1, of all channels or of each.
    seed
        Seed of the order of the images and of augmentation.
    split_seed
        Seed of what the data are: subset, validation split, label shuffling, added luminance. The same for all seeds of
        a sweep, so that they are probed with the same stimuli.
    """

    def __init__(
        self,
        *,
        batch_size: int = 64,
        workers: int = 0,
        prefetch_factor: int = 2,
        subset: int | None = None,
        validation_fraction: float | None = None,
        shuffled_labels: bool = False,
        luminance_gradient: int | float = 0.0,
        geometric: float = 0.0,
        photometric: float = 0.0,
        flip: bool = False,
        random_resized_crop: float | None = None,
        random_crop_padding: int = 0,
        rand_augment: int | None = None,
        mean: float | Sequence[float] = 0.5,
        standard_deviation: float | Sequence[float] = 0.25,
        seed: int = 0,
        split_seed: int = 0,
    ) -> None:
        super().__init__()
        check_value("data.validation_fraction", validation_fraction)
        self._augmentation = Augmentation(
            random_resized_crop, random_crop_padding, geometric, flip, rand_augment, photometric
        )
        check_value("data.luminance_gradient", luminance_gradient)
        self._luminance_gradient = float(luminance_gradient)
        self.batch_size, self.workers, self.seed, self.split_seed = batch_size, workers, seed, split_seed
        self._subset, self._validation_fraction, self.shuffled_labels = subset, validation_fraction, shuffled_labels
        self._prefetch_factor = prefetch_factor
        self._normalization = Normalization(mean, standard_deviation)
        self.training_set: LabelledImages | None = None
        self.validation_set: LabelledImages | None = None
        self._start = (0, 0)

    num_classes: int
    shape: tuple[int, int, int]

    @abstractmethod
    def load(self) -> tuple[LabelledImages, LabelledImages | None]:
        """Training and validation images (None if the set has no such part), and set `num_classes` and `shape`."""

    def setup(self, stage: str | None = None) -> None:
        """Load once and apply the options."""
        if self.training_set is not None:
            return
        training, validation = self.load()
        if self._luminance_gradient:
            training = self._with_luminance(training, seed=2 * self.split_seed)
            validation = validation and self._with_luminance(validation, seed=2 * self.split_seed + 1)
        self._normalization.check_channels(self.shape[0])
        fraction = self._validation_fraction
        if validation is None or fraction is not None:
            training, validation = self._split(training, 0.2 if fraction is None else fraction)
        if self._subset is not None:
            if not 0 < self._subset <= len(training):
                raise InputError(f"data.subset={self._subset}: choose from 1 to {len(training)} training images")
            training = training.select(random_sample(len(training), self._subset, seed=self.split_seed))
        if self.shuffled_labels:
            order = torch.randperm(len(training), generator=torch.Generator().manual_seed(self.split_seed))
            training.labels = training.labels[order]
        self.training_set, self.validation_set = training, validation

    def _with_luminance(self, images: LabelledImages, *, seed: int) -> LabelledImages:
        """The images as loaded, each with a luminance that depends on the seed and its index alone."""
        added = luminance_gradient(len(images), self._luminance_gradient, seed=seed)
        read = WithLuminance(images.image, added, self._luminance_gradient)
        return LabelledImages(read, images.labels, self.normalize, images.parameters | {LUMINANCE_GRADIENT: added})

    def _split(self, images: LabelledImages, fraction: float) -> tuple[LabelledImages, LabelledImages]:
        held_out = random_sample(len(images), max(1, round(len(images) * fraction)), seed=self.split_seed)
        kept = torch.ones(len(images), dtype=torch.bool)
        kept[held_out] = False
        return images.select(kept.nonzero()[:, 0]), images.select(held_out)

    def normalize(self, image: Tensor) -> Tensor:
        """Turn uint8 intensities into what the network sees."""
        return self._normalization(image)

    def start_at(self, epoch: int, batches: int) -> None:
        """Begin the training with this epoch, after this many of its batches."""
        self._start = (epoch, batches * self.batch_size)

    def check_processes(self, processes: int) -> None:
        """Raise InputError if a batch cannot be shared equally by so many processes."""
        if self.batch_size % processes:
            raise InputError(f"data.batch_size={self.batch_size}: give a multiple of {processes}, one part per process")

    def train_dataloader(self) -> DataLoader:
        """Loader in the order of `EpochOrder`, augmented."""
        assert self.training_set is not None
        images = AugmentedImages(self.training_set, self._augmentation, self.normalize, self.shape[1:])
        rank, processes = self._process()
        order = EpochOrder(len(images), seed=self.seed, start=self._start, rank=rank, processes=processes)
        return self._loader(images, self.batch_size // processes, order)

    def val_dataloader(self) -> DataLoader:
        """Loader of the validation images."""
        assert self.validation_set is not None
        return self._loader_of_share(self.validation_set)

    def evaluated_train_dataloader(self) -> DataLoader:
        """Loader of the training images as they are, not augmented, with the labels that are trained on."""
        assert self.training_set is not None
        return self._loader_of_share(self.training_set)

    def _loader_of_share(self, images: LabelledImages) -> DataLoader:
        """Loader of this process's share, each image once."""
        rank, processes = self._process()
        mine = torch.arange(rank, len(images), processes)
        return self._loader(images.select(mine), max(self.batch_size, 250), None)

    def _process(self) -> tuple[int, int]:
        """Rank of this process and number of processes that train together."""
        return (self.trainer.global_rank, self.trainer.world_size) if self.trainer is not None else (0, 1)

    def _loader(self, images: Dataset, batch_size: int, order: EpochOrder | None) -> DataLoader:
        # a generator of its own: workers draw their seed from it, not from the stream of the training
        generator = torch.Generator().manual_seed(self.seed)
        return Loader(
            images,
            batch_size,
            sampler=order,
            collate_fn=_as_made,
            num_workers=self.workers,
            worker_init_fn=be_led,
            generator=generator,
            prefetch_factor=self._prefetch_factor if self.workers else None,
            persistent_workers=self.workers > 0,
            pin_memory=self.trainer is not None and self.trainer.strategy.root_device.type == "cuda",
        )

    def held_out(self, count: int, *, seed: int) -> StimulusSet:
        """Choose `count` validation images as stimuli.

        Raises
        ------
        InputError
            If there are fewer validation images.
        """
        assert self.validation_set is not None
        chosen = _chosen(self.validation_set, count, seed=seed, of="validation")
        return self._stimuli(chosen, chosen.labels)

    def trained_on(self, count: int, *, labels: str, seed: int) -> StimulusSet:
        """Choose `count` training images as stimuli, with the labels that were "trained" on or the "true" ones.

        Raises
        ------
        InputError
            If there are fewer training images, or `labels` is neither.
        """
        assert self.training_set is not None
        check_value("stimuli.labels", labels)
        chosen = _chosen(self.training_set, count, seed=seed, of="training")
        if labels == "true" or not self.shuffled_labels:
            return self._stimuli(chosen, chosen.true_labels)
        return self._stimuli(chosen, chosen.labels, label_kind="shuffled")

    def _stimuli(self, images: LabelledImages, labels: Tensor, *, label_kind: str = "true") -> StimulusSet:
        pixels = stacked(map(images.image, range(len(images))), (len(images), *self.shape))
        return StimulusSet(pixels, labels, images.parameters, label_kind=label_kind, normalize=self.normalize)


def _as_made(batch: Any) -> Any:
    """The data sets make whole batches."""
    return batch


def _chosen(images: LabelledImages, count: int, *, seed: int, of: str) -> LabelledImages:
    """A random sample, in order; raise InputError if there are too few."""
    if not 0 < count <= len(images):
        raise InputError(f"stimuli.count={count}: choose from 1 to {len(images)}, the number of {of} images")
    return images.select(random_sample(len(images), count, seed=seed))
