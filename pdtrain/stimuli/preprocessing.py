"""How images are shown to weights from elsewhere: as their publisher showed them, or as the user says."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from jaxtyping import Float, UInt8
from torch import Tensor
from torchvision.transforms.v2 import functional as transforms
from torchvision.transforms.v2.functional import InterpolationMode

from pdtrain.errors import InputError
from pdtrain.limits import check_value
from pdtrain.stimuli.normalization import Normalization


@dataclass(frozen=True)
class Preprocessing:
    """Size, crop and normalization of images, in place of those of a data set.

    Parameters
    ----------
    pixels
        Side of the square that the network sees.
    resize_to
        The shorter side of an image is resized to so many pixels, and the middle cut out.
    interpolation
        As torchvision names it: "bilinear", "bicubic" ...
    mean, standard_deviation
        Of intensities from 0 to 1, of each channel.
    squash
        Resize both sides to that, whatever the shape.

    Examples
    --------
    >>> import torch
    >>> shown = Preprocessing(pixels=4, resize_to=8, mean=(0.5,) * 3, standard_deviation=(0.5,) * 3)
    >>> white = torch.full((3, 16, 32), 255, dtype=torch.uint8)
    >>> shown.resize(white).shape, float(shown.normalize(shown.resize(white)).max())
    (torch.Size([3, 4, 4]), 1.0)
    """

    pixels: int
    resize_to: int
    interpolation: str = "bilinear"
    mean: tuple[float, ...] = (0.485, 0.456, 0.406)
    standard_deviation: tuple[float, ...] = (0.229, 0.224, 0.225)
    squash: bool = False

    @property
    def shape(self) -> tuple[int, int, int]:
        """Of an image, as (channels, height, width)."""
        return len(self.mean), self.pixels, self.pixels

    def resize(self, image: UInt8[Tensor, "channels height width"]) -> UInt8[Tensor, "channels pixels pixels"]:
        """The middle of an image, at the size that the network sees."""
        size = [self.resize_to] * (2 if self.squash else 1)
        resized = transforms.resize(image, size, InterpolationMode(self.interpolation), antialias=True)
        return transforms.center_crop(resized, [self.pixels, self.pixels])

    def normalize(
        self, images: UInt8[Tensor, "*images channels height width"]
    ) -> Float[Tensor, "*images channels height width"]:
        """Bytes, as what the network sees."""
        return Normalization(self.mean, self.standard_deviation)(images)

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> "Preprocessing":
        """What was given alone, where nothing is published; the whole image where no `resize_to` is."""
        return cls(pixels=given["pixels"], resize_to=given["pixels"]).changed(given)

    def changed(self, given: Mapping[str, Any]) -> "Preprocessing":
        """With what was given in place of its own, None keeping that; another size is resized to in proportion.

        Raises
        ------
        InputError
            For an interpolation that torchvision has not, or values that are none of images.
        """
        values = {key: value for key, value in given.items() if value is not None}
        if "pixels" in values:
            values.setdefault("resize_to", round(self.resize_to * values["pixels"] / self.pixels))
        values |= {key: tuple(map(float, values[key])) for key in ("mean", "standard_deviation") if key in values}
        changed = replace(self, **values)
        changed._check()
        return changed

    def _check(self) -> None:
        check_value("preprocessing.interpolation", self.interpolation)
        check_value("preprocessing.pixels", self.pixels)
        check_value("preprocessing.standard_deviation", list(self.standard_deviation))
        if len(self.mean) not in (1, 3):
            raise InputError(f"preprocessing.mean={list(self.mean)}: give 3 values, or 1 for grey images")
        if self.pixels > self.resize_to:
            raise InputError(
                f"preprocessing.resize_to={self.resize_to}: {self.pixels} pixels are cut out of it; give at least that"
            )
        if len(self.mean) != len(self.standard_deviation):
            raise InputError("preprocessing.mean: give as many values as preprocessing.standard_deviation has")

    def __str__(self) -> str:
        mean, deviation = ([round(value, 4) for value in of] for of in (self.mean, self.standard_deviation))
        return (
            f"resized to {self.resize_to} ({self.interpolation}), middle {self.pixels} x {self.pixels} pixels, mean "
            f"{mean}, deviation {deviation}"
        )
