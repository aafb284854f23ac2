"""Data sets of image files: MNIST and its kin and CIFAR, downloaded where missing, and any folder of class folders."""

import gzip
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
import torchvision
from torch import Tensor, nn
from torchvision.transforms import v2

from pdtrain.errors import InputError
from pdtrain.limits import check_value
from pdtrain.locks import one_at_a_time
from pdtrain.stimuli.image_files import read_image
from pdtrain.training.data import ImageData
from pdtrain.training.file_lists import FileList, list_images
from pdtrain.training.labelled_images import LabelledImages
from pdtrain.training.validation_labels import validation_labels

DEBIAN_FASHION_MNIST = Path("/usr/share/datasets/fashion-mnist")


class TorchvisionData(ImageData):
    """MNIST, Fashion-MNIST, CIFAR-10 or CIFAR-100, downloaded where missing.

    Parameters
    ----------
    name
        "MNIST", "FashionMNIST", "CIFAR10" or "CIFAR100".
    root
        Folder of the files.
    download
        Fetch missing files.
    """

    def __init__(self, *, name: str, root: str, download: bool = True, **options: Any) -> None:
        super().__init__(**options)
        check_value("data.name", name)  # others have other parts, read whole files of pickles, or run programs
        self._name, self._root, self._download = name, Path(root), download

    def load(self) -> tuple[LabelledImages, LabelledImages]:
        """Read both parts into memory."""
        parts = []
        for train in (True, False):
            images, labels = self._read(train)
            parts.append(LabelledImages(images, labels, self.normalize))
            self.shape = (images.shape[1], images.shape[2], images.shape[3])
        self.num_classes = int(parts[0].labels.max()) + 1
        return parts[0], parts[1]

    def _read(self, train: bool) -> tuple[Tensor, Tensor]:
        if self._name == "FashionMNIST" and (folder := _debian_fashion_mnist()) is not None:
            stem = "train" if train else "t10k"
            images = read_idx(folder / f"{stem}-images-idx3-ubyte.gz")
            return images[:, None], read_idx(folder / f"{stem}-labels-idx1-ubyte.gz").long()
        lock = one_at_a_time(self._root / f".{self._name}.lock", makes=f"{self._name} in {self._root}")
        try:
            with lock if self._download else nullcontext():
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


def read_idx(path: Path) -> Tensor:
    """Read a gz-compressed IDX file of unsigned bytes."""
    try:
        raw = gzip.decompress(path.read_bytes())
    except (OSError, EOFError) as error:
        raise InputError(f"{path}: damaged file ({error}); install the package again") from error
    dimensions = raw[3]
    shape = [int.from_bytes(raw[4 + 4 * i : 8 + 4 * i], "big") for i in range(dimensions)]
    return torch.frombuffer(bytearray(raw[4 + 4 * dimensions :]), dtype=torch.uint8).view(shape)


class ImageFolderData(ImageData):
    """Any folder of class folders: `root/train/CLASS/*` and `root/val/CLASS/*`, or `root/CLASS/*` split at random.

    The images of `root/val` may lie in it without class folders, as ImageNet's do.

    Parameters
    ----------
    root
        The folder.
    pixels
        Side of the images: they are cropped centrally.
    resize
        Their shorter side before that; None takes `pixels`. Stimuli from other folders are brought to size alike.
    validation_labels
        Where the images of `root/val` lie in one folder: ILSVRC2012's devkit, or a CSV file, see `validation_labels`.
    file_lists
        Where lists of the files are kept, see `list_images`; None keeps none.
    """

    def __init__(
        self,
        *,
        root: str,
        pixels: int = 224,
        resize: int | None = None,
        validation_labels: str | None = None,
        file_lists: str | None = None,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self._root, self._labels = Path(root), validation_labels
        self._file_lists = None if file_lists is None else Path(file_lists)
        self.shape = (3, pixels, pixels)
        if resize is not None and resize < pixels:
            raise InputError(f"data.resize={resize}: give {pixels} (data.pixels) or more, or null")
        self.resize = v2.Compose([v2.Resize(resize or pixels, antialias=True), v2.CenterCrop(pixels)])

    def load(self) -> tuple[LabelledImages, LabelledImages | None]:
        """List the files; each is opened when it is shown, and not before."""
        own_split = self._has_own_split()
        training = self._list(self._root / "train" if own_split else self._root)
        self.num_classes = len(training.classes)
        if not training.classes or 0 in training.labels.bincount(minlength=self.num_classes):
            raise InputError(
                f"data.root={training.root}: empty, or a folder in it is; give one folder of images per class"
            )
        if self.num_classes == 1:
            raise InputError(
                f"data.root={training.root}: one class, {training.classes[0]}; give two or more to tell apart"
            )
        return self._part(training), self._part(self._validation(training.classes)) if own_split else None

    def _has_own_split(self) -> bool:
        train, val = self._root / "train", self._root / "val"
        if train.is_dir() and not val.is_dir() and any(path.is_dir() for path in train.iterdir()):  # else it is a class
            others = sorted(path.name for path in self._root.iterdir() if path.is_dir() and path != train)
            raise InputError(
                f"data.root={self._root}: there are folders of classes in train, and no val beside it (but "
                f"{', '.join(others[:5]) or 'nothing'}); name the folder of validation images val, or give "
                f"data.root={train}, to be split at random"
            )
        return train.is_dir() and val.is_dir()

    def _list(self, folder: Path) -> FileList:
        """Images in class folders; where there are no such folders, all."""
        try:
            found = list_images(folder, kept=self._file_lists)
        except OSError as error:
            raise InputError(
                f"data.root={folder}: missing, or not to be read; give a folder with one folder of images per class"
            ) from error
        in_classes = found.labels >= 0
        return found.select(in_classes, found.labels[in_classes]) if found.classes else found

    def _validation(self, classes: tuple[str, ...]) -> FileList:
        """Validation images with labels as indices of the training's classes."""
        found = self._list(self._root / "val")
        if not len(found.names):
            raise InputError(f"data.root={found.root}: no images; put them there, or remove the folder")
        if not found.classes:
            if self._labels is None:
                raise InputError(
                    f"data.validation_labels=null: the images of {found.root} lie in no class folders; give the folder "
                    "of ILSVRC2012's devkit, or a CSV file of labels"
                )
            return replace(found, labels=validation_labels(found, Path(self._labels), classes))
        if others := sorted(set(found.classes) - set(classes)):
            raise InputError(f"data.root={found.root}: {others[0]} is no class of the training; rename or remove it")
        places = torch.tensor([classes.index(name) for name in found.classes])
        return replace(found, labels=places[found.labels])

    def _part(self, files: FileList) -> LabelledImages:
        read = _ImageFiles(files, self.resize)
        return LabelledImages(read, files.labels, self.normalize, read_whole=read.whole)


class _ImageFiles:
    """Reads the image at an index; a class, so that worker processes can be sent it."""

    def __init__(self, files: FileList, resize: nn.Module) -> None:
        self._files, self._resize = files, resize

    def __call__(self, index: int) -> Tensor:
        return self._resize(self.whole(index))

    def whole(self, index: int) -> Tensor:
        return read_image(self._files.path(index), channels=3)
