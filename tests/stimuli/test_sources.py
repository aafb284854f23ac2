from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from PIL import Image

from pdtrain.errors import InputError
from pdtrain.stimuli.normalization import Normalization
from pdtrain.stimuli.sources import factorial_objects, held_out, image_folder, objects, training
from pdtrain.training.image_sets import ImageFolderData
from pdtrain.training.objects_data import ObjectsData


@pytest.fixture
def data(tmp_path: Path) -> ObjectsData:
    return ObjectsData(root=str(tmp_path / "cache"), training_images=20, validation_images=20, pixels=16)


def test_rendered_stimuli_know_their_transformations(data: ObjectsData) -> None:
    stimuli = objects(data, count=30, seed=0, transformations={"position": 0, "size": [0.7, 0.7]})

    assert len(stimuli) == 30 and stimuli.images.shape[1:] == (1, 16, 16)
    assert stimuli.values("position_x").abs().max() == 0 and stimuli.values("size").unique().tolist() == [
        pytest.approx(0.7)
    ]
    torch.testing.assert_close(stimuli.images[:], (stimuli.pixels / 255 - 0.5) / 0.25)


def test_factorial_stimuli_have_every_combination(data: ObjectsData) -> None:
    stimuli = factorial_objects(data, levels={"size": [0.6, 0.8], "rotation_plane": [-20, 20]}, seed=0, identities=3)

    assert len(stimuli) == 12 and stimuli.labels.bincount().tolist() == [4, 4, 4]


def test_training_images_are_stimuli_with_the_labels_trained_on(data: ObjectsData) -> None:
    data.setup()

    stimuli = training(data, count=20, seed=0)

    assert stimuli.labels.tolist() == data.training_set.labels.tolist() and stimuli.label_kind == "true"
    with pytest.raises(InputError, match=r"stimuli\.count=21: choose from 1 to 20, the number of training images"):
        training(data, count=21, seed=0)
    with pytest.raises(InputError, match=r"stimuli\.labels=both: choose trained or true"):
        training(data, count=20, seed=0, labels="both")


@pytest.mark.parametrize(
    ("transformations", "message"),
    [
        ({"colour": 1}, r"stimuli\.transformations=colour: no such transformation"),
        ({"size": 0.5}, r"stimuli\.transformations\.size=0\.5: give a pair"),
        ({"size": [0.8, 0.2]}, "give a pair"),
        ({"position": "far"}, r"stimuli\.transformations\.position=far: give one number"),
    ],
)
def test_wrong_transformations_are_named(data: ObjectsData, transformations: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        objects(data, count=10, seed=0, transformations=transformations)


def test_a_folder_of_images_is_read_at_the_size_of_the_data(data: ObjectsData, tmp_path: Path) -> None:
    for name, level in (("a", 40), ("b", 200)):
        (tmp_path / "images" / name).mkdir(parents=True)
        for i in range(3):
            Image.new("RGB", (50, 30), (level, level, level)).save(tmp_path / "images" / name / f"{i}.png")

    stimuli = image_folder(data, root=str(tmp_path / "images"), count=6, seed=0)

    assert stimuli.images.shape == (6, 1, 16, 16) and stimuli.labels.tolist() == [0, 0, 0, 1, 1, 1]
    torch.testing.assert_close(stimuli.values("luminance")[[0, 5]], torch.tensor([40 / 255, 200 / 255]))
    with pytest.raises(InputError, match=r"6 images found, stimuli\.count=7"):
        image_folder(data, root=str(tmp_path / "images"), count=7, seed=0)


def test_a_file_is_seen_alike_as_held_out_image_and_from_a_folder(tmp_path: Path) -> None:
    for name in ("train/a/0.png", "train/b/0.png", "val/a/0.png"):
        (tmp_path / name).parent.mkdir(parents=True)
        noise = torch.randint(256, (40, 60, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
        Image.fromarray(noise.numpy()).save(tmp_path / name)
    data = ImageFolderData(root=str(tmp_path), pixels=16, resize=24)
    data.setup()

    stimuli = image_folder(data, root=str(tmp_path / "val"), count=1, seed=0)

    assert torch.equal(stimuli.pixels, data.held_out(1, seed=0).pixels)


def test_without_a_data_set_images_are_brought_to_size_as_the_weights_ask_and_none_are_held_out(tmp_path: Path) -> None:
    def top_left(image: torch.Tensor) -> torch.Tensor:
        return image[:, :8, :8]

    Image.new("RGB", (50, 30), (40, 200, 0)).save(tmp_path / "one.png")
    weights = SimpleNamespace(shape=(3, 8, 8), normalize=Normalization(0.5, 0.25), resize=top_left)

    stimuli = image_folder(weights, root=str(tmp_path), count=1, seed=0)

    assert stimuli.pixels[0, :, 0, 0].tolist() == [40, 200, 0] and stimuli.pixels.shape == (1, 3, 8, 8)
    with pytest.raises(InputError, match=r"stimuli=held_out: there is no data set"):
        held_out(weights, count=1, seed=0)
    with pytest.raises(InputError, match=r"stimuli=training: there is no data set"):
        training(weights, count=1, seed=0)
