"""Finds image files, and reads them as tensors, with a clear error for a damaged one."""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Int
from PIL import ExifTags, Image
from PIL.TiffImagePlugin import BITSPERSAMPLE, PHOTOMETRIC_INTERPRETATION, TiffImageFile
from torch import Tensor
from torchvision.transforms.v2.functional import pil_to_tensor

from pdtrain.errors import InputError
from pdtrain.limits import LIMITS
from pdtrain.stimuli.image_folders import ImageFolders
from pdtrain.stimuli.stimulus_set import random_sample

FORMATS = ("PNG", "JPEG", "BMP", "WEBP", "GIF", "TIFF")  # readers of others run programs
_MID_GREY = (128, 128, 128, 255)
_LONGEST = 100  # longer side over the shorter, which is brought to that of the data: the other would fill the memory

_TURNED: dict[Any, Image.Transpose] = {  # by the orientation that EXIF gives
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def sample_files(root: str | Path, count: int, *, seed: int, asked: str) -> list[Path]:
    """Choose `count` of the image files below a folder, in order; `asked` is what the configuration says of them.

    Raises
    ------
    InputError
        If there are fewer, the folder cannot be read, or a link in it leads to images a second time.
    """
    try:
        walked = ImageFolders().walk(str(root))
    except OSError as error:
        raise LIMITS["stimuli.root"].error("stimuli.root", root) from error
    files = sorted(Path(folder, name) for folder, names in walked for name in names)
    if len(files) < count:
        raise InputError(f"stimuli.root={root}: {len(files)} images found, {asked} asked for")
    return [files[place] for place in random_sample(len(files), count, seed=seed)]


def classes_of(files: Sequence[Path]) -> Int[Tensor, " files"]:
    """Number of the folder that each file lies in, in alphabetical order."""
    folders = sorted({file.parent for file in files})
    return torch.tensor([folders.index(file.parent) for file in files])


def read_image(path: str | Path, *, channels: int) -> Tensor:
    """Read a file as uint8, shape (channels, height, width); 1 channel is grey, 3 are RGB.

    What is transparent is seen before mid-grey, not in the colour that happens to be hidden there. The image is turned
    as its EXIF says. Of several (an animation, pages) the first is read.

    Raises
    ------
    InputError
        If the file is missing, damaged or no image, of more pixels than any photograph, or nothing says which of its
        intensities is white: 8 to 16 bits are scaled by their range, 32 and floating point have none.
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
    if not Path(path).is_file():  # a pipe would be waited for
        raise InputError(f"{path}: missing, or no file but a folder, a pipe or the like; repair or remove it")
    try:
        with warnings.catch_warnings():  # of what can be read all the same nobody need know
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            # by name Pillow 13 maps uncompressed TIFF files, and mixes up the pixels of those that are turned
            with open(path, "rb") as file, Image.open(file, formats=FORMATS) as image:
                _check_shape(image, path)
                image.load()  # which turns those of TIFF, and forgets their orientation
                turn = _TURNED.get(image.getexif().get(ExifTags.Base.Orientation))
                shown = _of_eight_bits(image, path)
                yield shown if turn is None else shown.transpose(turn)
    except (InputError, MemoryError):
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise InputError(f"{path}: larger than any photograph ({error}); make it smaller") from error
    except Exception as error:  # whatever a damaged file brings about
        raise InputError(f"{path}: corrupt image file, or of another kind; repair, convert or remove it") from error


def _check_shape(image: Image.Image, path: str | Path) -> None:
    if not 0 < max(image.size) <= _LONGEST * min(image.size):
        width, height = image.size
        raise InputError(f"{path}: {width} x {height} pixels, too long and thin to be shown; cut or remove it")


def _of_eight_bits(image: Image.Image, path: str | Path) -> Image.Image:
    """Scale up to 16 bits to 8; by itself Pillow cuts off what is above 255."""
    if image.mode.startswith("I;16") or (image.mode == "I" and image.format == "PNG"):  # I in Pillow's older releases
        levels, white = np.asarray(image), 2**16 - 1
        hidden = image.info.get("transparency")
        opaque = None if hidden is None else Image.fromarray(np.where(levels == hidden, 0, 255).astype(np.uint8))
        if isinstance(image, TiffImageFile):
            white = 2 ** image.tag_v2.get(BITSPERSAMPLE, (16,))[0] - 1
            levels = levels if image.tag_v2.get(PHOTOMETRIC_INTERPRETATION) else white - levels  # 0: white is zero
        scaled = Image.fromarray((levels * (255 / white)).round().astype(np.uint8))
        if opaque is not None:
            scaled.putalpha(opaque)
        return scaled
    if image.mode in ("I", "F"):
        raise InputError(
            f"{path}: its intensities are of 32 bits or signed, and nothing says which is white; save it with 8 or 16"
        )
    return image
