"""Links in folders of images: no image is met twice, and none in two classes."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from pdtrain.errors import InputError
from pdtrain.stimuli.image_files import classes_of, sample_files
from pdtrain.training.file_lists import list_images
from pdtrain.training.image_sets import ImageFolderData


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two classes of two images, the first with a folder within."""
    for number, name in enumerate(("cat/1.png", "cat/more/2.png", "dog/3.png", "dog/4.png")):
        (tmp_path / "images" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (16, 16), (40 * number, 0, 0)).save(tmp_path / "images" / name)
    return tmp_path / "images"


def _elsewhere(folder: Path) -> Path:
    other = folder.parent / "elsewhere"
    other.mkdir()
    Image.new("RGB", (16, 16)).save(other / "9.png")
    return other


def _link(name: str, target: str) -> Callable[[Path], object]:
    return lambda folder: (folder / name).symlink_to(target)


# what is met of the training, and of a folder of stimuli, where each folder is a class
_ALL = {"cat/1.png": 0, "cat/more/2.png": 0, "dog/3.png": 1, "dog/4.png": 1}
_FOLLOWED: dict[str, tuple[Callable[[Path], object], dict[str, int]]] = {
    "no link": (lambda folder: None, {}),
    "an image elsewhere": (lambda f: (f / "dog" / "5.png").symlink_to(_elsewhere(f) / "9.png"), {"dog/5.png": 1}),
    "an image, relative": (lambda f: (_elsewhere(f), _link("dog/5.png", "../../elsewhere/9.png")(f)), {"dog/5.png": 1}),
    "a folder elsewhere": (lambda f: (f / "dog" / "more").symlink_to(_elsewhere(f)), {"dog/more/9.png": 1}),
    "a class elsewhere": (lambda f: (f / "cow").symlink_to(_elsewhere(f)), {"cow/9.png": 1}),
    "an image of the same folder": (_link("dog/5.png", "3.png"), {}),
    "an image of the same folder, met first": (_link("dog/0.png", "4.png"), {}),
    "a link to a link": (lambda f: (_link("dog/5.png", "6.png")(f), _link("dog/6.png", "3.png")(f)), {}),
    "two links to one image": (
        lambda f: [(f / "dog" / n).symlink_to(f.parent / "elsewhere" / "9.png") for n in ("5.png", "6.png")]
        and _elsewhere(f),
        {"dog/5.png": 1},
    ),
    "a hidden link to the parent": (_link("cat/.up", ".."), {}),
    "a file that is no image": (_link("cat/notes.txt", "../dog/3.png"), {}),
}  # fmt: skip


@pytest.mark.parametrize("name", _FOLLOWED)
def test_links_are_followed_once(name: str, folder: Path) -> None:
    make, added = _FOLLOWED[name]
    make(folder)
    expected = _ALL | added
    if "cow/9.png" in added:
        expected = {file: {"cat": 0, "cow": 1, "dog": 2}[file[:3]] for file in expected}

    listed = list_images(folder)
    shown = sample_files(folder, len(expected), seed=0, asked="all")

    assert dict(zip([n.decode() for n in listed.names], listed.labels.tolist(), strict=True)) == expected
    assert [str(path.relative_to(folder)) for path in shown] == sorted(expected)
    assert len({path.resolve() for path in shown}) == len(shown)
    assert len(classes_of(shown).unique()) == len({Path(file).parent for file in expected})


_REFUSED: dict[str, tuple[Callable[[Path], object], str]] = {
    "the parent": (_link("cat/up", ".."), "cat/up: a link to a folder that it is in"),
    "itself": (_link("cat/here", "."), "cat/here: a link to a folder that it is in"),
    "itself, by its whole name": (lambda f: (f / "cat" / "here").symlink_to(f / "cat"), "cat/here: a link to a folder"),
    "the folder of all": (lambda f: (f / "loop").symlink_to(f), "loop: a link to a folder that it is in"),
    "above the folder of all": (_link("cat/far", "../.."), "cat/far: a link to a folder that it is in"),
    "the root of the disk": (_link("dog/root", "/"), "dog/root: a link to a folder that it is in"),
    "deep": (_link("cat/more/up", "../.."), "cat/more/up: a link to a folder that it is in"),
    "by a link": (lambda f: (_link("cat/a", "b")(f), _link("cat/b", "..")(f)), "cat/a: a link to a folder that it is"),
    "another class": (_link("cat/dogs", "../dog"), "the same as one of"),
    "another class, met first": (_link("dog/cats", "../cat"), "the same as one of"),
    "two names of a class": (_link("puppy", "dog"), "the same as one of"),
    "an image of another class": (_link("cat/3.png", "../dog/3.png"), "the same as one of"),
    "an image of another class, met first": (_link("dog/1.png", "../cat/1.png"), "the same as one of"),
    "one image in two classes": (
        lambda f: [(f / n).symlink_to(f.parent / "elsewhere" / "9.png") for n in ("cat/5.png", "dog/5.png")]
        and _elsewhere(f),
        "dog/5.png: the same as one of",
    ),
    "a circle of classes": (lambda f: (_link("cat/d", "../dog")(f), _link("dog/c", "../cat")(f)), "the same as one of"),
}  # fmt: skip


@pytest.mark.parametrize("name", _REFUSED)
def test_links_in_circles_and_into_two_classes_are_refused(name: str, folder: Path) -> None:
    make, said = _REFUSED[name]
    make(folder)
    data = ImageFolderData(root=str(folder), pixels=16)

    for meet in (data.setup, lambda: sample_files(folder, 1, seed=0, asked="one")):
        with pytest.raises(InputError, match=re.escape(said)) as refused:
            meet()
        assert str(refused.value).startswith(f"{folder}/") and "\n" not in str(refused.value)


def test_links_of_one_class_within_another_folder_of_it_count_once_in_training(folder: Path) -> None:
    (folder / "cat" / "5.png").symlink_to("more/2.png")
    (folder / "cat" / "same").symlink_to("more")

    listed = list_images(folder)

    assert listed.labels.bincount().tolist() == [2, 2]
    assert len({Path(listed.path(place)).resolve() for place in range(len(listed.names))}) == 4


def test_links_that_lead_nowhere_or_in_a_circle_are_no_folders(folder: Path) -> None:
    for name, target in (("dog/nowhere", "gone"), ("dog/circle", "circle"), ("dog/to", "fro"), ("dog/fro", "to")):
        (folder / name).symlink_to(target)

    assert len(list_images(folder).names) == 4
    assert len(sample_files(folder, 4, seed=0, asked="4")) == 4


def test_a_folder_called_like_an_image_is_a_folder(folder: Path) -> None:
    (folder / "dog" / "more.png").mkdir()
    (folder / "dog" / "3.png").rename(folder / "dog" / "more.png" / "3.png")

    assert [path.name for path in sample_files(folder, 4, seed=0, asked="4")] == ["1.png", "2.png", "4.png", "3.png"]
    assert list_images(folder).labels.tolist() == [0, 0, 1, 1]


def test_one_class_is_refused(folder: Path) -> None:
    for path in (folder / "dog").iterdir():
        path.unlink()
    (folder / "dog").rmdir()

    with pytest.raises(InputError, match=r"^data\.root=.*images: one class, cat; give two or more"):
        ImageFolderData(root=str(folder), pixels=16).setup()
