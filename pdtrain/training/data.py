"""Data modules: an abstract one with the options all share, and those of torchvision and of image folders."""

from abc import abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytorch_lightning as lightning
import torch
import torchvision
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import v2

from pdtrain.errors import InputError
from pdtrain.stimuli.stimulus_set import StimulusSet, random_sample

DEBIAN_FASHION_MNIST = Path("/usr/share/datasets/fashion-mnist")


class LabelledImages(Dataset):
    """Images with labels; `transform` turns what `read` returns (uint8) into what the network sees."""

    def __init__(self, read: Callable[[int], Tensor], labels: Tensor, transform: Callable[[Tensor], Tensor]) -> None:
        self.read, self.labels, self.transform = read, labels, transform

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return self.transform(self.read(index)), int(self.labels[index])


class ImageData(lightning.LightningDataModule):
    """What all data sets share: subset, label shuffling, augmentation, loaders and held-out stimuli.

    Parameters
    ----------
    batch_size, workers
        Of the loaders.
    subset
        Number of training images kept, drawn at random; None keeps all.
    shuffled_labels
        Permute the training labels: a control that can only be memorised.
    geometric, photometric
        Strength of augmentation, 0 (none) to 1: shifts, scaling and flips; brightness and contrast.
    mean, standard_deviation
        Normalisation of intensities 0 to 1.
    seed
        Seed of subset, label shuffling, validation split and order of the images.
    """

    def __init__(
        self,
        *,
        batch_size: int = 64,
        workers: int = 0,
        subset: int | None = None,
        shuffled_labels: bool = False,
        geometric: float = 0.0,
        photometric: float = 0.0,
        flip: bool = False,
        mean: float = 0.5,
        standard_deviation: float = 0.25,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.batch_size, self.workers, self.seed = batch_size, workers, seed
        self._subset, self._shuffled = subset, shuffled_labels
        self._geometric, self._photometric, self._flip = geometric, photometric, flip
        self._mean, self._deviation = mean, standard_deviation
        self.training_set: LabelledImages | None = None
        self.validation_set: LabelledImages | None = None
        self._order = torch.Generator().manual_seed(seed)

    num_classes: int
    shape: tuple[int, int, int]

    @abstractmethod
    def load(self) -> tuple["LabelledImages", "LabelledImages"]:
        """Training and validation images, and set `num_classes` and `shape`; transforms are set by `setup`."""

    def setup(self, stage: str | None = None) -> None:
        """Load once and apply the options."""
        if self.training_set is not None:
            return
        training, validation = self.load()
        if self._subset is not None:
            if not 0 < self._subset <= len(training):
                raise InputError(f"data.subset={self._subset}: choose from 1 to {len(training)} training images")
            kept = random_sample(len(training), self._subset, seed=self.seed)
            read = training.read
            training = LabelledImages(lambda i: read(int(kept[i])), training.labels[kept], training.transform)
        if self._shuffled:
            order = torch.randperm(len(training), generator=torch.Generator().manual_seed(self.seed))
            training.labels = training.labels[order]
        training.transform = self._augmentation()
        validation.transform = self.normalize
        self.training_set, self.validation_set = training, validation

    def normalize(self, image: Tensor) -> Tensor:
        """Turn uint8 intensities into what the network sees."""
        return (image.float() / 255 - self._mean) / self._deviation

    def train_dataloader(self) -> DataLoader:
        """Shuffled loader; its order follows `seed`."""
        assert self.training_set is not None
        return DataLoader(
            self.training_set, self.batch_size, shuffle=True, num_workers=self.workers, generator=self._order
        )

    def val_dataloader(self) -> DataLoader:
        """Loader of the validation images."""
        assert self.validation_set is not None
        return DataLoader(self.validation_set, max(self.batch_size, 250), num_workers=self.workers)

    def held_out(self, count: int, *, seed: int) -> StimulusSet:
        """Choose `count` validation images as stimuli.

        Raises
        ------
        InputError
            If there are fewer validation images.
        """
        assert self.validation_set is not None
        available = len(self.validation_set)
        if count > available:
            raise InputError(
                f"stimuli.count={count}: the validation set has only {available} images; lower stimuli.count"
            )
        chosen = random_sample(available, count, seed=seed)
        pixels = torch.stack([self.validation_set.read(int(i)) for i in chosen])
        parameters = {name: values[chosen] for name, values in self._known_parameters().items()}
        return StimulusSet(self.normalize(pixels), pixels.float() / 255, self.validation_set.labels[chosen], parameters)

    def _known_parameters(self) -> dict[str, Tensor]:
        """Transformation parameters of the validation images, where they are known."""
        return {}

    def _augmentation(self) -> Callable[[Tensor], Tensor]:
        steps: list[Any] = []
        if self._geometric:
            g = self._geometric
            steps.append(v2.RandomAffine(15 * g, translate=(0.15 * g, 0.15 * g), scale=(1 - 0.15 * g, 1 + 0.15 * g)))
        if self._flip:
            steps.append(v2.RandomHorizontalFlip())
        if self._photometric:
            steps.append(v2.ColorJitter(brightness=0.5 * self._photometric, contrast=0.5 * self._photometric))
        return v2.Compose([*steps, self.normalize]) if steps else self.normalize


class TorchvisionData(ImageData):
    """Fashion-MNIST, CIFAR-10 or CIFAR-100, downloaded where missing.

    Parameters
    ----------
    name
        "FashionMNIST", "CIFAR10" or "CIFAR100".
    root
        Folder of the files.
    download
        Fetch missing files.
    """

    def __init__(self, *, name: str, root: str, download: bool = True, **options: Any) -> None:
        super().__init__(**options)
        self._name, self._root, self._download = name, Path(root), download

    def load(self) -> tuple[LabelledImages, LabelledImages]:
        """Read both parts into memory."""
        parts = []
        for train in (True, False):
            images, labels = self._read(train)
            parts.append(LabelledImages(images.__getitem__, labels, self.normalize))
            self.shape = (images.shape[1], images.shape[2], images.shape[3])
        self.num_classes = int(parts[0].labels.max()) + 1
        return parts[0], parts[1]

    def _read(self, train: bool) -> tuple[Tensor, Tensor]:
        if self._name == "FashionMNIST" and (folder := _debian_fashion_mnist()) is not None:
            stem = "train" if train else "t10k"
            images = _read_idx(folder / f"{stem}-images-idx3-ubyte.gz")
            return images[:, None], _read_idx(folder / f"{stem}-labels-idx1-ubyte.gz").long()
        try:
            data = getattr(torchvision.datasets, self._name)(self._root, train=train, download=self._download)
        except (RuntimeError, OSError) as error:
            raise InputError(
                f"data.root={self._root}: {self._name} is not there and cannot be downloaded "
                f"({str(error).splitlines()[0]}); put the files there by hand or connect to the network"
            ) from error
        images = torch.as_tensor(data.data)
        images = images[:, None] if images.dim() == 3 else images.permute(0, 3, 1, 2).contiguous()
        return images, torch.as_tensor(data.targets)


def _debian_fashion_mnist() -> Path | None:
    folder = DEBIAN_FASHION_MNIST
    return folder if (folder / "train-images-idx3-ubyte.gz").exists() else None


def _read_idx(path: Path) -> Tensor:
    """Read a gz-compressed IDX file of unsigned bytes."""
    import gzip

    try:
        raw = gzip.decompress(path.read_bytes())
    except (OSError, EOFError) as error:
        raise InputError(f"{path}: damaged file ({error}); install the package again") from error
    dimensions = raw[3]
    shape = [int.from_bytes(raw[4 + 4 * i : 8 + 4 * i], "big") for i in range(dimensions)]
    return torch.frombuffer(bytearray(raw[4 + 4 * dimensions :]), dtype=torch.uint8).view(shape)


class ImageFolderData(ImageData):
    """Any folder of class folders: `root/train/CLASS/*` and `root/val/CLASS/*`, or `root/CLASS/*` split at random.

    Parameters
    ----------
    root
        The folder.
    pixels
        Images are resized and centrally cropped to this side.
    validation_fraction
        Share of the images held out where there is no `val` folder.
    """

    def __init__(self, *, root: str, pixels: int = 224, validation_fraction: float = 0.2, **options: Any) -> None:
        super().__init__(**options)
        self._root, self._fraction = Path(root), validation_fraction
        self.shape = (3, pixels, pixels)
        self._resize = v2.Compose([v2.Resize(pixels, antialias=True), v2.CenterCrop(pixels)])

    def load(self) -> tuple[LabelledImages, LabelledImages]:
        """List the files and check that each can be opened."""
        if (self._root / "train").is_dir() and (self._root / "val").is_dir():
            training, validation = self._list(self._root / "train"), self._list(self._root / "val")
        else:
            files = self._list(self._root)
            held = random_sample(len(files), max(1, round(len(files) * self._fraction)), seed=self.seed).tolist()
            validation = [files[i] for i in held]
            training = [f for i, f in enumerate(files) if i not in set(held)]
        self.num_classes = max(label for _, label in training + validation) + 1
        return self._part(training), self._part(validation)

    def _list(self, folder: Path) -> list[tuple[str, int]]:
        from PIL import Image

        try:
            files = torchvision.datasets.ImageFolder(str(folder)).samples
        except (FileNotFoundError, OSError) as error:
            raise InputError(
                f"data.root={folder}: empty or missing; give a folder with one folder of images per class"
            ) from error
        for path, _ in files:
            try:
                with Image.open(path) as image:
                    image.verify()
            except (OSError, SyntaxError) as error:
                raise InputError(f"{path}: corrupt image file; repair or remove it") from error
        return files

    def _part(self, files: Sequence[tuple[str, int]]) -> LabelledImages:
        def read(index: int) -> Tensor:
            image = torchvision.io.decode_image(files[index][0], mode="RGB")
            return self._resize(image)

        return LabelledImages(read, torch.tensor([label for _, label in files]), self.normalize)
