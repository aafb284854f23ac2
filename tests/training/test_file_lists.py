import os
from pathlib import Path

import numpy as np
import pytest
from image_net import settle
from torchvision.datasets import ImageFolder

from pdtrain.training import file_lists
from pdtrain.training.file_lists import FileList, list_images


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two classes, one of which has a folder within."""
    hidden = (".thumbnails/0.png", "cat/._1.png", "cat/.cache/1.png", "dog/1.ppm")  # and one that is not read
    for name in ("cat/1.png", "cat/more/0.JPEG", "dog/2.jpg", "dog/notes.txt", "loose.png", *hidden):
        (tmp_path / "images" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "images" / name).touch()
    settle(tmp_path / "images")
    return tmp_path / "images"


def _names(listed: FileList) -> list[str]:
    return [name.decode() for name in listed.names]


def test_files_lie_in_the_order_of_torchvision_and_loose_ones_have_no_class(folder: Path) -> None:
    listed = list_images(folder)

    assert listed.classes == ("cat", "dog")
    assert _names(listed) == ["loose.png", "cat/1.png", "cat/more/0.JPEG", "dog/2.jpg"]
    assert listed.labels.tolist() == [-1, 0, 0, 1]
    for name in (".thumbnails/0.png", "cat/._1.png", "cat/.cache/1.png", "dog/1.ppm"):
        (folder / name).unlink()
    (folder / ".thumbnails").rmdir()
    assert [(listed.path(i), int(listed.labels[i])) for i in range(1, 4)] == ImageFolder(folder).samples


def test_a_list_is_made_once(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = list_images(folder, kept=tmp_path / "lists")
    monkeypatch.setattr(file_lists, "_walk", None)

    again = list_images(folder, kept=tmp_path / "lists")

    assert (_names(again), again.classes, again.root) == (_names(first), first.classes, folder)
    assert again.labels.equal(first.labels)
    assert [path.suffix for path in (tmp_path / "lists").iterdir()] == [".npz"]


@pytest.mark.parametrize(
    "change",
    [
        lambda folder: (folder / "cat" / "more" / "9.png").touch(),
        lambda folder: (folder / "dog" / "2.jpg").unlink(),
        lambda folder: (folder / "dog" / "2.jpg").rename(folder / "dog" / "3.jpg"),
        lambda folder: (folder / "cow").mkdir(),
        lambda folder: (folder / "cat").rename(folder / "lion"),
    ],
)
def test_a_list_of_a_folder_that_has_changed_is_made_again(change, folder: Path, tmp_path: Path) -> None:
    before = list_images(folder, kept=tmp_path / "lists")

    change(folder)

    after = list_images(folder, kept=tmp_path / "lists")
    assert (_names(after), after.classes) == (_names(list_images(folder)), list_images(folder).classes)
    assert (_names(after), after.classes) != (_names(before), before.classes)


def test_no_list_is_kept_of_a_folder_that_has_just_changed(folder: Path, tmp_path: Path) -> None:
    """A file that comes within the same tick of the disk's clock would go unnoticed."""
    os.utime(folder / "dog")

    list_images(folder, kept=tmp_path / "lists")

    assert not (tmp_path / "lists").exists()


def test_a_torn_list_and_one_of_another_format_are_made_again(folder: Path, tmp_path: Path) -> None:
    expected = _names(list_images(folder, kept=tmp_path / "lists"))
    (file,) = (tmp_path / "lists").iterdir()
    whole = file.read_bytes()
    for content in (whole[: len(whole) // 2], b"", b"PK"):
        file.write_bytes(content)
        assert _names(list_images(folder, kept=tmp_path / "lists")) == expected
    np.savez(file, format=0)
    assert _names(list_images(folder, kept=tmp_path / "lists")) == expected


def test_where_no_list_can_be_kept_there_is_one_all_the_same(folder: Path) -> None:
    assert len(list_images(folder, kept=Path("/proc/nowhere")).names) == 4
