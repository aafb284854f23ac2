"""Data sets of image files: MNIST and its kin and CIFAR, downloaded where missing, and any folder of class folders."""

import gzip
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import torchvision
from PIL import Image
from torch import Tensor, nn
from torchvision.transforms import v2

from pdtrain.errors import InputError, unknown_name
from pdtrain.stimuli.image_files import FORMATS, read_image
from pdtrain.training.data import ImageData, LabelledImages

_DATA_SETS = ("MNIST", "FashionMNIST", "CIFAR10", "CIFAR100")
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
        if name not in _DATA_SETS:  # others have other parts, read whole files of pickles, or run programs
            raise unknown_name("data.name", name, _DATA_SETS, of="data set")
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
            images = read_idx(folder / f"{stem}-images-idx3-ubyte.gz")
            return images[:, None], read_idx(folder / f"{stem}-labels-idx1-ubyte.gz").long()
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

    Parameters
    ----------
    root
        The folder.
    pixels
        Images are resized and centrally cropped to this side.
    """

    def __init__(self, *, root: str, pixels: int = 224, **options: Any) -> None:
        super().__init__(**options)
        self._root = Path(root)
        self.shape = (3, pixels, pixels)
        self._resize = v2.Compose([v2.Resize(pixels, antialias=True), v2.CenterCrop(pixels)])

    def load(self) -> tuple[LabelledImages, LabelledImages | None]:
        """List the files and check that each can be opened."""
        own_split = (self._root / "train").is_dir() and (self._root / "val").is_dir()
        folders = [self._root / "train", self._root / "val"] if own_split else [self._root]
        parts = [self._list(folder) for folder in folders]
        self.num_classes = max(label for part in parts for _, label in part) + 1
        return self._part(parts[0]), self._part(parts[1]) if own_split else None

    def _list(self, folder: Path) -> list[tuple[str, int]]:
        try:
            files = torchvision.datasets.ImageFolder(str(folder)).samples
        except (FileNotFoundError, OSError) as error:
            raise InputError(
                f"data.root={folder}: empty or missing; give a folder with one folder of images per class"
            ) from error
        for path, _ in files:
            try:
                with Image.open(path, formats=FORMATS) as image:
                    image.verify()
            except (OSError, SyntaxError) as error:
                raise InputError(f"{path}: corrupt image file; repair or remove it") from error
        return files

    def _part(self, files: Sequence[tuple[str, int]]) -> LabelledImages:
        read = _ImageFiles([path for path, _ in files], self._resize)
        return LabelledImages(read, torch.tensor([label for _, label in files]), self.normalize)


class _ImageFiles:
    """Reads the image at an index; a class, so that worker processes can be sent it."""

    def __init__(self, paths: Sequence[str], resize: nn.Module) -> None:
        self._paths, self._resize = paths, resize

    def __call__(self, index: int) -> Tensor:
        return self._resize(read_image(self._paths[index], channels=3))
