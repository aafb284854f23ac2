import math

import torch
from torchvision.transforms.v2 import functional as torchvision

from pdtrain.training.augmentation import Augmentation
from pdtrain.training.batch_changes import change_light, mirror, moved, uniform

_GENERATOR = torch.Generator().manual_seed(0)
_SEEDS = torch.randint(2**62, (40,), generator=_GENERATOR)


def _images(channels: int, height: int, width: int) -> torch.Tensor:
    return torch.randint(256, (40, channels, height, width), dtype=torch.uint8, generator=_GENERATOR)


def test_numbers_are_those_of_splitmix64() -> None:
    """The first of seed 1234567, as published for other implementations."""
    expected = [6457827717110365317, 3203168211198807973, 9817491932198370423]

    found = uniform(torch.tensor([1234567]), 0, 3)[:, 0]

    assert found.tolist() == [(value >> 11) / 2**53 for value in expected]
    assert not set(found.tolist()) & set(uniform(torch.tensor([1234567]), 1, 3)[:, 0].tolist())


def test_batches_are_moved_as_torchvision_moves_images() -> None:
    angle, scale = (low + 0.6 * torch.rand(40, generator=_GENERATOR).double() for low in (-0.3, 0.7))
    right, down = torch.randint(-5, 6, (2, 40), generator=_GENERATOR).double()
    for images in (_images(1, 28, 28), _images(3, 20, 33)):
        drawn = [
            (math.degrees(a), [int(r), int(d)], float(s)) for a, r, d, s in zip(angle, right, down, scale, strict=True)
        ]
        expected = [
            torchvision.affine(image, *one, [0.0, 0.0], fill=0) for image, one in zip(images, drawn, strict=True)
        ]

        differing = moved(images, angle, right, down, scale) != torch.stack(expected)

        assert differing.float().mean() < 1e-3, "pixels half-way between two alone"


def test_light_is_changed_as_torchvision_changes_it() -> None:
    for images in (_images(1, 12, 12), _images(3, 12, 9)):
        brightness, contrast, order = uniform(_SEEDS, 5, 3)
        expected = []
        for image, b, c, o in zip(images, 0.6 + 0.8 * brightness, 0.6 + 0.8 * contrast, order, strict=True):
            steps = [(torchvision.adjust_brightness, float(b)), (torchvision.adjust_contrast, float(c))]
            for step, factor in steps if o < 0.5 else steps[::-1]:
                image = step(image, factor)
            expected.append(image)

        found = change_light(images, _SEEDS, strength=0.8, stream=5)

        assert (found.int() - torch.stack(expected).int()).abs().max() <= 1


def test_one_image_in_two_is_mirrored() -> None:
    images = torch.arange(4).expand(40, 1, 3, 4)

    shown = mirror(images, _SEEDS, stream=3)

    turned = (shown == images.flip(3)).all((1, 2, 3))
    assert 10 < turned.sum() < 30 and torch.equal(shown[~turned], images[~turned])


def test_an_image_is_changed_alike_whatever_the_batch() -> None:
    every = Augmentation(0.3, random_crop_padding=2, geometric=0.7, flip=True, rand_augment=9, photometric=0.6)
    for images in (_images(1, 16, 16), _images(3, 16, 16)):
        whole = every(images, _SEEDS, (16, 16))

        parts = [every(some, seeds, (16, 16)) for some, seeds in zip(images.split(7), _SEEDS.split(7), strict=True)]

        assert torch.equal(torch.cat(parts), whole) and whole.dtype == torch.uint8
        assert not torch.equal(every(images, _SEEDS + 1, (16, 16)), whole)


def test_intensities_from_0_to_1_stay_there() -> None:
    images = _images(1, 8, 8).float() / 255

    shown = Augmentation(random_crop_padding=1, geometric=1.0, flip=True, photometric=1.0)(images, _SEEDS, (8, 8))

    assert shown.dtype == torch.float32 and shown.min() >= 0 and 0.9 < shown.max() <= 1
