"""Reads image files as tensors, with a clear error for a damaged one."""

from pathlib import Path

from PIL import Image
from torch import Tensor
from torchvision.transforms.v2.functional import pil_to_tensor

from pdtrain.errors import InputError

FORMATS = ("PNG", "JPEG", "BMP", "WEBP", "GIF", "TIFF")  # readers of others run programs


def read_image(path: str | Path, *, channels: int) -> Tensor:
    """Read a file as uint8, shape (channels, height, width); 1 channel is grey, 3 are RGB.

    Raises
    ------
    InputError
        If the file is missing, damaged or no image.
    """
    try:
        with Image.open(path, formats=FORMATS) as image:
            return pil_to_tensor(image.convert("L" if channels == 1 else "RGB"))
    except (OSError, SyntaxError, ValueError) as error:
        raise InputError(f"{path}: corrupt image file; repair or remove it") from error
