from pathlib import Path

import pytest
import torch
from image_net import make_image_net

from pdtrain.errors import InputError
from pdtrain.training.augmentation import Augmentation
from pdtrain.training.image_sets import ImageFolderData
from pdtrain.training.labelled_images import LabelledImages

_ALL = {"random_resized_crop": 0.3, "random_crop_padding": 2, "geometric": 0.5, "photometric": 0.5, "flip": True}
_SEEDS = torch.randint(2**62, (400,), generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_image_net(tmp_path_factory.mktemp("image_net"), per_class=6, validation=3)


def _data(root: Path, **options: object) -> ImageFolderData:
    labels = str(root / "ILSVRC2012_devkit_t12")
    data = ImageFolderData(root=str(root), validation_labels=labels, pixels=16, batch_size=6, seed=3, **options)
    data.setup()
    return data


def _epochs(loader: torch.utils.data.DataLoader, *epochs: int) -> list[torch.Tensor]:
    """Images of each epoch, from one loader, as a training asks for them."""
    found = []
    for epoch in epochs:
        loader.sampler.set_epoch(epoch)
        found.append(torch.cat([images for images, _ in loader]))
    return found


def test_workers_that_persist_see_the_epochs_that_one_process_sees(root: Path) -> None:
    options = {**_ALL, "rand_augment": 9}
    alone = _epochs(_data(root, **options).train_dataloader(), 0, 1)
    shared = _epochs(_data(root, **options, workers=2, prefetch_factor=1).train_dataloader(), 0, 1)
    later = _epochs(_data(root, **options, workers=2).train_dataloader(), 1)

    assert all(torch.equal(a, b) for a, b in zip(alone, shared, strict=True)) and torch.equal(later[0], alone[1])
    assert not torch.equal(alone[0], alone[1])


def test_a_random_resized_crop_is_of_the_whole_image(root: Path) -> None:
    """Of one pixel's share of it, resized, whatever central crop validation takes."""
    whole = torch.zeros(3, 40, 90, dtype=torch.uint8)
    whole[:, :, :20] = 255  # outside of a central square
    images = LabelledImages(
        lambda index: whole[:, :, 25:65], torch.zeros(1), lambda image: image, read_whole=lambda index: whole
    )
    crop = Augmentation(random_resized_crop=0.01)

    shown = crop([images.whole_image(0)] * 60, _SEEDS[:60], (16, 16))

    assert shown.shape == (60, 3, 16, 16)
    assert shown.amax() == 255 and int(images.image(0).max()) == 0
    assert _epochs(_data(root, random_resized_crop=0.01).train_dataloader(), 0)[0].shape == (18, 3, 16, 16)


def test_a_padded_crop_moves_the_image_by_at_most_the_padding() -> None:
    image = torch.zeros(1, 9, 9, dtype=torch.uint8)
    image[:, 4, 4] = 1
    shown = Augmentation(random_crop_padding=2)(image.expand(400, 1, 9, 9), _SEEDS, (9, 9))

    places = {tuple(one[0].nonzero()[0].tolist()) for one in shown}

    assert places == {(row, column) for row in range(2, 7) for column in range(2, 7)}


@pytest.mark.parametrize("channels", [1, 3])
def test_rand_augment_changes_images_of_any_channels_at_their_size(channels: int) -> None:
    images = torch.randint(256, (1, channels, 12, 12), dtype=torch.uint8).expand(20, -1, -1, -1)

    shown = Augmentation(rand_augment=20)(images, _SEEDS[:20], (12, 12))

    assert shown.shape == images.shape and shown.dtype == torch.uint8
    assert sum(not torch.equal(one, image) for one, image in zip(shown, images, strict=True)) > 10


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"geometric": 1.5}, "data.geometric=1.5: give a strength"),
        ({"random_resized_crop": 0.0}, "data.random_resized_crop=0.0: give a share"),
        ({"rand_augment": 31}, "data.rand_augment=31: give a magnitude"),
    ],
)
def test_what_cannot_be_is_refused(options: dict, said: str) -> None:
    with pytest.raises(InputError, match=said):
        Augmentation(**options)
