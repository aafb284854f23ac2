"""A luminance added to each image: what is known of the stimuli, and what is in their pixels."""

from typing import Any

import pytest
import torch

from pdtrain.errors import InputError
from pdtrain.stimuli.luminance_gradient import LUMINANCE_GRADIENT
from pdtrain.stimuli.normalization import intensities
from pdtrain.training.data import ImageData, LabelledImages


class _Data(ImageData):
    """Eighty grey images of 6 pixels, as bytes; half of them for validation."""

    def load(self) -> tuple[LabelledImages, LabelledImages]:
        images = torch.randint(256, (80, 1, 6, 6), generator=torch.Generator().manual_seed(1)).byte()
        self.shape, self.num_classes = (1, 6, 6), 2
        parts = images.split(40)
        training, validation = (LabelledImages(p, torch.arange(40) % 2, self.normalize) for p in parts)
        return training, validation


def _data(**options: Any) -> _Data:
    data = _Data(**options)
    data.setup()
    return data


def test_stimuli_are_the_images_plus_their_known_luminance() -> None:
    plain = _data().held_out(40, seed=0)
    stimuli = _data(luminance_gradient=50.0).held_out(40, seed=0)

    added = stimuli.parameters[LUMINANCE_GRADIENT]
    assert 0 <= added.min() < 5 and 45 < added.max() < 50
    expected = intensities(plain.pixels) + added.view(-1, 1, 1, 1)
    torch.testing.assert_close(stimuli.pixels * 51, expected, rtol=0, atol=1e-4)
    assert stimuli.pixels.min() >= 0 and stimuli.pixels.max() <= 1, "nothing is clipped"
    assert plain.pixels.dtype == torch.uint8 and LUMINANCE_GRADIENT not in plain.parameters
    torch.testing.assert_close(stimuli.values(LUMINANCE_GRADIENT), added)
    torch.testing.assert_close(stimuli.images[:3], (stimuli.pixels[:3] - 0.5) / 0.25)


def test_the_luminance_depends_on_seed_and_index_alone() -> None:
    every = _data(luminance_gradient=2.0)
    some = _data(luminance_gradient=2.0, subset=10, seed=5, shuffled_labels=True)
    other = _data(luminance_gradient=2.0, split_seed=1)
    assert every.training_set is not None and some.training_set is not None and other.training_set is not None

    luminances = {float(every.training_set.image(i).sum()): i for i in range(40)}
    places = [luminances[float(some.training_set.image(i).sum())] for i in range(10)]
    added = every.training_set.parameters[LUMINANCE_GRADIENT]
    assert torch.equal(some.training_set.parameters[LUMINANCE_GRADIENT], added[places])
    assert not torch.equal(other.training_set.parameters[LUMINANCE_GRADIENT], added)
    assert every.validation_set is not None
    assert not torch.equal(every.validation_set.parameters[LUMINANCE_GRADIENT], added), "other draws"


def test_training_sees_what_stimuli_show() -> None:
    data = _data(luminance_gradient=3.0, batch_size=40)

    (images, _), shown = next(iter(data.train_dataloader())), data.trained_on(40, labels="true", seed=0)

    torch.testing.assert_close(images.sum((1, 2, 3)).sort().values, shown.images[:].sum((1, 2, 3)).sort().values)


def test_a_negative_strength_is_refused() -> None:
    with pytest.raises(InputError, match=r"data.luminance_gradient=-1: give 0 or more"):
        _Data(luminance_gradient=-1)
