import hashlib
import pickle
import shutil
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision
from image_net import make_image_net
from PIL import Image

from pdtrain.errors import InputError
from pdtrain.training.image_sets import ImageFolderData, TorchvisionData
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


def test_training_stimuli_have_the_labels_trained_on_or_the_true_ones(tmp_path: Path) -> None:
    plain, shuffled = _objects(tmp_path, subset=80), _objects(tmp_path, subset=80, shuffled_labels=True)

    trained, true = (shuffled.trained_on(50, labels=labels, seed=1) for labels in ("trained", "true"))
    expected = plain.trained_on(50, labels="trained", seed=1)

    assert torch.equal(trained.pixels, expected.pixels) and torch.equal(true.pixels, expected.pixels)
    assert torch.equal(true.labels, expected.labels) and not torch.equal(trained.labels, expected.labels)
    assert [stimuli.label_kind for stimuli in (trained, true, expected)] == ["shuffled", "true", "true"]
    called = {shuffled.training_set.image(i).numpy().tobytes(): shuffled.training_set[i][1] for i in range(80)}
    assert [called[image.numpy().tobytes()] for image in trained.pixels] == trained.labels.tolist()
    assert "rotation_depth" in trained.parameters


def test_held_out_stimuli_keep_their_true_labels(tmp_path: Path) -> None:
    plain, shuffled = (
        _objects(tmp_path, validation_fraction=0.25, shuffled_labels=labels).held_out(30, seed=0)
        for labels in (False, True)
    )

    assert torch.equal(plain.labels, shuffled.labels) and shuffled.label_kind == "true"


def test_evaluated_training_images_come_once_and_unaugmented(tmp_path: Path) -> None:
    data = _objects(tmp_path, geometric=1.0, batch_size=50)

    images, labels = (torch.cat(parts) for parts in zip(*data.evaluated_train_dataloader(), strict=True))

    assert torch.equal(images, torch.stack([data.training_set[i][0] for i in range(120)]))
    assert torch.equal(labels, data.training_set.labels)


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


@pytest.mark.parametrize("workers", [0, 2])
def test_corrupt_image_is_named_when_it_is_read(tmp_path: Path, workers: int) -> None:
    _image_folder(tmp_path)
    (tmp_path / "cat" / "3.png").write_bytes(b"\x89PNG not really")
    data = ImageFolderData(root=str(tmp_path), validation_fraction=0.1, pixels=16, workers=workers)
    data.setup()

    with pytest.raises(InputError, match=r"3\.png: corrupt image"):
        list(data.train_dataloader())


def test_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"data\.root=.*nowhere: missing"):
        ImageFolderData(root=str(tmp_path / "nowhere")).setup()
    for empty in ("", "cat"):
        (tmp_path / "images" / empty).mkdir(parents=True)
        with pytest.raises(InputError, match=r"data\.root=.*images: empty"):
            ImageFolderData(root=str(tmp_path / "images")).setup()


def test_validation_classes_are_those_of_training_by_name(tmp_path: Path) -> None:
    _image_folder(tmp_path / "train")
    _image_folder(tmp_path / "val")
    shutil.rmtree(tmp_path / "val" / "cat")
    data = ImageFolderData(root=str(tmp_path), pixels=16)
    data.setup()

    assert data.validation_set.labels.tolist() == [1] * 5

    (tmp_path / "val" / "dog").rename(tmp_path / "val" / "wolf")
    with pytest.raises(InputError, match=r"data\.root=.*val: wolf is no class of the training"):
        ImageFolderData(root=str(tmp_path)).setup()


def test_parts_of_the_data_are_not_taken_for_classes(tmp_path: Path) -> None:
    for part in ("train", "validation", "test"):
        _image_folder(tmp_path / part)
    with pytest.raises(
        InputError, match=r"no val beside it \(but test, validation\); name .* data\.root=.*/train, to be"
    ):
        ImageFolderData(root=str(tmp_path)).setup()

    _image_folder(tmp_path / "vehicles")
    (tmp_path / "vehicles" / "dog").rename(tmp_path / "vehicles" / "train")
    data = ImageFolderData(root=str(tmp_path / "vehicles"), pixels=16)
    data.setup()
    assert data.num_classes == 2, "train is a class where images lie in it"


def test_a_flat_validation_folder_needs_labels(tmp_path: Path) -> None:
    root = make_image_net(tmp_path, per_class=2, validation=6)
    with pytest.raises(InputError, match=r"data\.validation_labels=null: .*val lie in no class folders"):
        ImageFolderData(root=str(root)).setup()

    data = ImageFolderData(root=str(root), validation_labels=str(root / "ILSVRC2012_devkit_t12"), pixels=16, resize=20)
    data.setup()

    assert data.validation_set.labels.tolist() == [1, 2, 0, 1, 2, 0] and data.num_classes == 3
    assert data.validation_set.image(0).shape == (3, 16, 16)
    with pytest.raises(InputError, match=r"data\.resize=15: give 16"):
        ImageFolderData(root=str(root), pixels=16, resize=15)


def test_absent_files_without_download_say_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="put the files there by hand"):
        TorchvisionData(name="CIFAR10", root=str(tmp_path), download=False).setup()


def _batches(root: Path, workers: int, epoch: int) -> list[torch.Tensor]:
    loader = _objects(root, workers=workers, geometric=1.0, photometric=1.0, flip=True, seed=3).train_dataloader()
    loader.sampler.set_epoch(epoch)
    return [images for images, _ in loader]


def test_workers_do_not_change_order_or_augmentation(tmp_path: Path) -> None:
    alone, shared = _batches(tmp_path, 0, 1), _batches(tmp_path, 2, 1)

    assert all(torch.equal(a, b) for a, b in zip(alone, shared, strict=True))
    assert not torch.equal(alone[0], _batches(tmp_path, 0, 2)[0])


def test_augmentation_leaves_the_random_stream_alone(tmp_path: Path) -> None:
    before = torch.random.get_rng_state()

    _batches(tmp_path, 0, 0)

    assert torch.equal(torch.random.get_rng_state(), before)


def test_validation_fraction_is_taken_from_the_training_images(tmp_path: Path) -> None:
    data = _objects(tmp_path, validation_fraction=0.25)

    assert (len(data.training_set), len(data.validation_set)) == (90, 30)
    training = {data.training_set.image(i).numpy().tobytes() for i in range(90)}
    assert not training & {data.validation_set.image(i).numpy().tobytes() for i in range(30)}
    assert len(data.validation_set.parameters["size"]) == 30


def test_seeds_of_a_sweep_share_their_stimuli(tmp_path: Path) -> None:
    first, second = (_objects(tmp_path, seed=seed).held_out(50, seed=0) for seed in (0, 1))

    assert torch.equal(first.images[:], second.images[:])


def _cifar_batch(path: Path, count: int, first: int) -> str:
    pixels = np.full((count, 3072), first, dtype=np.uint8)
    path.write_bytes(pickle.dumps({"data": pixels, "labels": [i % 10 for i in range(count)]}))
    return hashlib.md5(path.read_bytes()).hexdigest()


def test_cifar_files_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    (folder / "batches.meta").write_bytes(pickle.dumps({"label_names": [str(i) for i in range(10)]}))
    meta = {"filename": "batches.meta", "key": "label_names"}
    meta["md5"] = hashlib.md5((folder / "batches.meta").read_bytes()).hexdigest()
    lists = [[["data_batch_1", _cifar_batch(folder / "data_batch_1", 40, 7)]]]
    lists.append([["test_batch", _cifar_batch(folder / "test_batch", 20, 9)]])
    for name, value in (("meta", meta), ("train_list", lists[0]), ("test_list", lists[1])):
        monkeypatch.setattr(torchvision.datasets.CIFAR10, name, value)

    data = TorchvisionData(name="CIFAR10", root=str(tmp_path))
    data.setup()

    assert (len(data.training_set), len(data.validation_set), data.num_classes) == (40, 20, 10)
    assert data.shape == (3, 32, 32) and int(data.validation_set.image(0).max()) == 9
