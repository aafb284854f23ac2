"""Finds image files, and reads them as tensors, with a clear error for a damaged one."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Int
from PIL import Image
from torch import Tensor
from torchvision.transforms.v2.functional import pil_to_tensor

from pdtrain.errors import InputError
from pdtrain.stimuli.stimulus_set import random_sample

FORMATS = ("PNG", "JPEG", "BMP", "WEBP", "GIF", "TIFF")  # readers of others run programs
_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".webp", ".gif", ".tif", ".tiff")  # of these formats
_MID_GREY = (128, 128, 128, 255)


def sample_files(root: str | Path, count: int, *, seed: int, asked: str) -> list[Path]:
    """Choose `count` of the image files below a folder, in order; `asked` is what the configuration says of them.

    Raises
    ------
    InputError
        If there are fewer.
    """
    names = (path.relative_to(root) for path in Path(root).rglob("*"))
    shown = (name for name in names if not any(folder.startswith(".") for folder in name.parts[:-1]))
    files = sorted(Path(root, name) for name in shown if is_image(name.name))
    if len(files) < count:
        raise InputError(f"stimuli.root={root}: {len(files)} images found, {asked} asked for")
    return [files[place] for place in random_sample(len(files), count, seed=seed)]


def is_image(name: str) -> bool:
    """Whether a file of this name is an image that can be read; hidden files, as macOS adds them, are none.

    Examples
    --------
    >>> [is_image(name) for name in ("1.PNG", "._1.png", "1.ppm")]
    [True, False, False]
    """
    return name.lower().endswith(_SUFFIXES) and not name.startswith(".")


def classes_of(files: Sequence[Path]) -> Int[Tensor, " files"]:
    """Number of the folder that each file lies in, in alphabetical order."""
    folders = sorted({file.parent for file in files})
    return torch.tensor([folders.index(file.parent) for file in files])


def read_image(path: str | Path, *, channels: int) -> Tensor:
    """Read a file as uint8, shape (channels, height, width); 1 channel is grey, 3 are RGB.

    What is transparent is seen before mid-grey, not in the colour that happens to be hidden there.

    Raises
    ------
    InputError
        If the file is missing, damaged or no image, or nothing says which of its intensities is white.
    """
    with _opened(path) as image:
        if _is_transparent(image):
            grey = Image.new("RGBA", image.size, _MID_GREY)
            image = Image.alpha_composite(grey, image.convert("RGBA"))
        return pil_to_tensor(image.convert("L" if channels == 1 else "RGB"))


def read_with_alpha(path: str | Path, *, channels: int) -> Tensor:
    """Read a file as uint8 with its alpha channel last, shape (channels + 1, height, width); 255 where it has none.

    Raises
    ------
    InputError
        As `read_image`.
    """
    with _opened(path) as image:
        whole = image.convert("RGBA" if _is_transparent(image) else "RGB")
        colours, alpha = whole.convert("L" if channels == 1 else "RGB"), whole.convert("RGBA").getchannel("A")
        return torch.cat([pil_to_tensor(colours), pil_to_tensor(alpha)])


def _is_transparent(image: Image.Image) -> bool:
    return "A" in image.getbands() or "transparency" in image.info


@contextmanager
def _opened(path: str | Path) -> Iterator[Image.Image]:
    try:
        with Image.open(path, formats=FORMATS) as image:
            yield _of_eight_bits(image, path)
    except InputError:
        raise
    except Image.DecompressionBombError as error:
        raise InputError(f"{path}: larger than any photograph ({error}); make it smaller") from error
    except (OSError, SyntaxError, ValueError) as error:
        raise InputError(f"{path}: corrupt image file; repair or remove it") from error


def _of_eight_bits(image: Image.Image, path: str | Path) -> Image.Image:
    """Scale 16 bits to 8; by itself Pillow cuts off what is above 255."""
    if image.mode.startswith("I;16") or (image.mode == "I" and image.format == "PNG"):  # I in Pillow's older releases
        return Image.fromarray((np.asarray(image) / 257).round().astype(np.uint8))
    if image.mode in ("I", "F"):
        raise InputError(
            f"{path}: its intensities are of 32 bits, and nothing says which is white; save it with 8 or 16"
        )
    return image
