from multiprocessing import get_context
from pathlib import Path

import pytest
import torch
from PIL import Image

from pdtrain.errors import InputError
from pdtrain.training.data import ImageFolderData, TorchvisionData
from pdtrain.training.objects_data import ObjectsData


def _objects(root: Path, **options: object) -> ObjectsData:
    data = ObjectsData(root=str(root), training_images=120, validation_images=60, pixels=16, **options)
    data.setup()
    return data


def _render(root: Path) -> None:
    _objects(root)


def test_torn_cache_is_made_again(tmp_path: Path) -> None:
    before = _objects(tmp_path).training_set[0][0]
    for file in tmp_path.glob("*.npz"):
        file.write_bytes(file.read_bytes()[:-3000])

    assert torch.equal(_objects(tmp_path).training_set[0][0], before)


def test_two_processes_at_once_leave_whole_files(tmp_path: Path) -> None:
    context = get_context("spawn")
    processes = [context.Process(target=_render, args=(tmp_path,)) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()

    assert [process.exitcode for process in processes] == [0, 0]
    assert len(list(tmp_path.iterdir())) == 2


def test_training_and_held_out_images_differ_but_share_the_objects(tmp_path: Path) -> None:
    data = _objects(tmp_path)

    stimuli = data.held_out(60, seed=0)

    assert "rotation_depth" in stimuli.parameters and len(stimuli) == 60
    assert not torch.equal(data.training_set[0][0], stimuli.images[0])


def test_shuffled_labels_keep_their_counts(tmp_path: Path) -> None:
    plain, shuffled = (
        _objects(tmp_path).training_set.labels,
        _objects(tmp_path, shuffled_labels=True).training_set.labels,
    )

    assert torch.equal(plain.bincount(), shuffled.bincount()) and not torch.equal(plain, shuffled)


def test_subset_takes_that_many(tmp_path: Path) -> None:
    assert len(_objects(tmp_path, subset=30).training_set) == 30


def _image_folder(root: Path) -> None:
    for name in ("cat", "dog"):
        (root / name).mkdir(parents=True)
        for i in range(5):
            Image.new("RGB", (40, 30), (i * 20, 90, 200 if name == "cat" else 10)).save(root / name / f"{i}.png")


def test_image_folder_is_split_and_resized(tmp_path: Path) -> None:
    _image_folder(tmp_path)
    data = ImageFolderData(root=str(tmp_path), pixels=16)

    data.setup()

    assert (len(data.training_set), len(data.validation_set), data.num_classes) == (8, 2, 2)
    assert data.training_set[0][0].shape == (3, 16, 16)


def test_corrupt_image_is_named(tmp_path: Path) -> None:
    _image_folder(tmp_path)
    (tmp_path / "cat" / "3.png").write_bytes(b"\x89PNG not really")

    with pytest.raises(InputError, match=r"3\.png: corrupt image"):
        ImageFolderData(root=str(tmp_path)).setup()


def test_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"data\.root=.*empty or missing"):
        ImageFolderData(root=str(tmp_path / "nowhere")).setup()


def test_absent_files_without_download_say_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="put the files there by hand"):
        TorchvisionData(name="CIFAR10", root=str(tmp_path), download=False).setup()
