"""A data set: noisy gratings, whose orientation is to be told."""

import math
from typing import Any

import torch
from torch import Tensor

from pdtrain.errors import InputError
from pdtrain.training.data import ImageData, LabelledImages


class Gratings(ImageData):
    """Gratings of random phase, frequency and contrast; the class is the angle, counter-clockwise from horizontal.

    Parameters
    ----------
    orientations
        Number of classes, evenly spaced over half a turn.
    pixels
        Side of the images.
    training_images, validation_images
        Numbers of images.
    noise
        Standard deviation of the noise of pixels, in intensities 0 to 1.
    options
        As `ImageData`: batch size, seeds, augmentation ...
    """

    def __init__(
        self,
        *,
        orientations: int = 8,
        pixels: int = 32,
        training_images: int = 4000,
        validation_images: int = 1000,
        noise: float = 0.1,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        if orientations < 2:
            raise InputError(f"data.orientations={orientations}: give 2 or more")
        self.num_classes, self.shape = orientations, (1, pixels, pixels)
        self._counts, self._noise = (training_images, validation_images), noise

    def load(self) -> tuple[LabelledImages, LabelledImages]:
        """Draw training and validation images, from seeds of their own."""
        training, validation = (self._draw(count, 2 * self.split_seed + i) for i, count in enumerate(self._counts))
        return training, validation

    def _draw(self, count: int, seed: int) -> LabelledImages:
        generator = torch.Generator().manual_seed(seed)

        def between(low: float, high: float) -> Tensor:
            return low + (high - low) * torch.rand(count, 1, 1, generator=generator)

        labels = torch.randint(self.num_classes, (count,), generator=generator)
        angle = labels.view(-1, 1, 1) * math.pi / self.num_classes
        frequency, contrast, phase = between(1, 4), between(0.2, 1), between(0, 2 * math.pi)
        place = torch.linspace(-0.5, 0.5, self.shape[1])
        across = place * angle.sin() + place[:, None] * angle.cos()
        waves = 0.5 + 0.5 * contrast * (2 * math.pi * frequency * across + phase).sin()
        noisy = waves + self._noise * torch.randn(waves.shape, generator=generator)
        images = (255 * noisy.clamp(0, 1)).to(torch.uint8)[:, None]
        # what is known of each image is a property too: probes.unit_information.properties may name it
        known = {"frequency": frequency.flatten(), "grating_contrast": contrast.flatten()}
        return LabelledImages(images, labels, self.normalize, known)
