"""A folder laid out as ImageNet lies on researchers' disks, of a few small images."""

import os
from pathlib import Path

import numpy as np
import scipy.io
from PIL import Image

CLASSES = ("n01440764", "n01443537", "n01484850")
_NUMBERS = (3, 1, 2)  # of the classes in the devkit, in another order than their names


def make_image_net(root: Path, *, per_class: int = 20, validation: int = 30, noise: int = 256) -> Path:
    """Write train/CLASS/*, val/* and ILSVRC2012_devkit_t12; a validation image's class is its number mod 3."""
    rng = np.random.default_rng(0)
    for label, name in enumerate(CLASSES):
        for index in range(per_class):
            _save(root / "train" / name / f"{name}_{index}.JPEG", rng, label, noise)
    for index in range(1, validation + 1):
        _save(root / "val" / f"ILSVRC2012_val_{index:08d}.JPEG", rng, index % 3, noise)
    _write_devkit(root / "ILSVRC2012_devkit_t12" / "data", validation)
    settle(root)
    return root


def settle(root: Path) -> None:
    """Date all folders back: of those that have just changed no list is kept."""
    for folder in (root, *(path for path in root.rglob("*") if path.is_dir())):
        time = folder.stat().st_mtime - 60
        os.utime(folder, (time, time))


def _save(path: Path, rng: np.random.Generator, label: int, noise: int) -> None:
    """An image of a size of its own, whose colour tells its class."""
    path.parent.mkdir(parents=True, exist_ok=True)
    height, width = rng.integers(40, 56, size=2)
    pixels = rng.integers(noise, size=(height, width, 3))
    pixels[..., label] = 255 - pixels[..., label] // 4
    Image.fromarray(pixels.astype(np.uint8)).save(path, quality=90)


def _write_devkit(folder: Path, validation: int) -> None:
    folder.mkdir(parents=True)
    kind = [("ILSVRC2012_ID", "O"), ("WNID", "O"), ("words", "O"), ("num_children", "O")]
    synsets = [(number, name, "a thing", 0) for number, name in zip(_NUMBERS, CLASSES, strict=True)]
    synsets.append((1001, "n00000001", "all things", 3))
    scipy.io.savemat(folder / "meta.mat", {"synsets": np.array(synsets, dtype=kind)})
    numbers = [_NUMBERS[index % 3] for index in range(1, validation + 1)]
    (folder / "ILSVRC2012_validation_ground_truth.txt").write_text("".join(f"{number}\n" for number in numbers))
