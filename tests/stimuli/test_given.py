"""Stimuli from what a script has: tensors, data sets and tables."""

import random
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from pdtrain.errors import InputError
from pdtrain.probes.dimension_probe import DimensionProbe
from pdtrain.probes.object_probe import DiscriminabilityProbe
from pdtrain.stimuli.given import check_numbered, stimuli_of
from pdtrain.stimuli.normalization import Normalization


def _images(count: int = 20, channels: int = 1) -> Tensor:
    return torch.rand(count, channels, 4, 4, generator=torch.Generator().manual_seed(1))


class _Augmented(Dataset):
    """Pairs of image and label, changed at random each time, by all three streams."""

    def __len__(self) -> int:
        return 50

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        drawn = torch.rand(1, 4, 4) + float(np.random.rand()) + random.random()  # noqa: NPY002
        return drawn / 3, index % 5


def test_reading_a_data_set_draws_nothing_from_the_training() -> None:
    torch.manual_seed(3), np.random.seed(3), random.seed(3)  # noqa: NPY002
    expected = torch.rand(()), np.random.rand(), random.random()  # noqa: NPY002
    torch.manual_seed(3), np.random.seed(3), random.seed(3)  # noqa: NPY002

    first, again = (stimuli_of(_Augmented(), count=30, seed=7) for _ in range(2))

    assert (torch.rand(()), np.random.rand(), random.random()) == expected  # noqa: NPY002
    assert torch.equal(first.pixels, again.pixels) and first.fingerprint == again.fingerprint
    assert len(first) == 30 and set(first.labels.tolist()) == set(range(5))


def test_labels_and_properties_go_with_the_images_that_are_drawn() -> None:
    images = [torch.full((1, 4, 4), place / 100) for place in range(100)]
    table = pd.DataFrame({"place": np.arange(100), "kind": ["odd" if place % 2 else "even" for place in range(100)]})
    table["angle"] = table.place * 3.6

    stimuli = stimuli_of(images, table.kind, properties=table, circular={"angle": 360}, count=40)

    places = (stimuli.pixels[:, 0, 0, 0] * 100).round()
    assert len(stimuli) == 40 and torch.equal(stimuli.values("place"), places)
    assert torch.equal(stimuli.labels, places.long() % 2), "even comes before odd"
    assert torch.equal(stimuli.values("kind"), places % 2) and stimuli.property("kind").kind == "discrete"
    assert (stimuli.property("angle").kind, stimuli.property("angle").period) == ("circular", 360.0)


def test_images_that_are_normalised_are_shown_as_they_are_and_measured_as_they_were() -> None:
    images, normalization = _images(channels=3), Normalization([0.4, 0.5, 0.6], [0.2, 0.25, 0.3])

    stimuli = stimuli_of(normalization(images), normalized=normalization)

    torch.testing.assert_close(stimuli.images[:], normalization(images), rtol=0, atol=1e-5)
    torch.testing.assert_close(stimuli.pixels, images, rtol=0, atol=1e-6)


def test_arrays_and_pictures_are_read_as_bytes() -> None:
    array = np.arange(3 * 4 * 4, dtype=np.uint8).reshape(4, 4, 3)
    pictures: list[Any] = [(Image.fromarray(array), "face"), (array.transpose(2, 0, 1), "house")]

    stimuli = stimuli_of(pictures)

    assert stimuli.pixels.dtype == torch.uint8 and torch.equal(stimuli.pixels[0], stimuli.pixels[1])
    assert stimuli.labels.tolist() == [0, 1]


def test_without_labels_nothing_about_them_is_measured() -> None:
    stimuli = stimuli_of([(image, image.flip(-1)) for image in _images(200)])  # two views

    assert not stimuli.labelled and len(stimuli.halves) == 19
    with pytest.raises(InputError, match=r"properties=identity: the stimuli have no labels; give each a label"):
        stimuli.check_properties(["luminance", "identity"])
    with pytest.raises(InputError, match=r"probes\.discriminability: the stimuli have no labels"):
        DiscriminabilityProbe().check(stimuli)
    with pytest.raises(InputError, match=r"per_class: the stimuli have no labels"):
        DimensionProbe(per_class=True).check(stimuli)


@pytest.mark.parametrize(
    ("images", "options", "message"),
    [
        (_images() * 4 - 2, {}, r"values from -1\.\d+ to 2 are no intensities from 0 to 1; give them before"),
        (_images() * torch.nan, {}, r"values from nan to nan"),
        (_images() * 9, {"normalized": Normalization(0.5, 0.5)}, r"; give the Normalization that was applied"),
        (_images()[:, 0], {}, r"images of 20 x 4 x 4; give them as images x channels x height x width"),
        (_images().long(), {}, r"values of type torch\.int64; give bytes"),
        (_images(), {"labels": [0, 1]}, r"labels of 2 for 20 images; give one for each"),
        (_images(), {"labels": torch.rand(20)}, r"labels are no whole numbers"),
        (_images(), {"properties": {"size": [1, 2]}}, r"property size is of 2 for 20 images"),
        (_images(), {"properties": {"size": [np.nan] * 20}}, r"property size is missing or infinite"),
        (_images(), {"circular": {"angle": 180}}, r"circular=angle: properties have no such column"),
        ([_images(1)[0], torch.rand(1, 5, 5)], {}, r"image 1 is 1 x 5 x 5, and image 0 1 x 4 x 4; bring all to one"),
        ([{"image": _images(1)[0]}], {}, r"item 0 of the data set holds a dict in place of an image"),
        ([], {}, r"the data set is empty"),
    ],
)
def test_what_is_no_stimulus_is_one_line(images: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message) as refused:
        stimuli_of(images, **options)

    assert str(refused.value).startswith("stimuli: ") and "\n" not in str(refused.value)


def test_what_gives_no_image_by_number_is_one_line() -> None:
    check_numbered(_images())
    with pytest.raises(InputError, match=r"a DataLoader does not give its images by number; .* its \.dataset"):
        check_numbered(DataLoader(_images()))
