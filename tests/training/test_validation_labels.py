from pathlib import Path

import pytest
from image_net import CLASSES, make_image_net

from pdtrain.errors import InputError
from pdtrain.training.file_lists import list_images
from pdtrain.training.validation_labels import validation_labels

_TRUE = [index % 3 for index in range(1, 7)]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_image_net(tmp_path_factory.mktemp("image_net"), per_class=1, validation=6)


def _labels(root: Path, source: Path) -> list[int]:
    return validation_labels(list_images(root / "val"), source, CLASSES).tolist()


def test_the_devkits_numbers_are_those_of_its_synsets(root: Path) -> None:
    assert _labels(root, root / "ILSVRC2012_devkit_t12") == _TRUE


@pytest.mark.parametrize(
    ("header", "line"),
    [
        ("file,label", "ILSVRC2012_val_{0:08d}.JPEG,{1}"),
        ("label,file", "{1},val/ILSVRC2012_val_{0:08d}"),
        ("ImageId,PredictionString", "ILSVRC2012_val_{0:08d},{1} 111 108 230 366 {2} 1 2 3 4 "),
    ],
)
def test_tables_are_read_in_any_order(header: str, line: str, root: Path, tmp_path: Path) -> None:
    lines = [line.format(i, CLASSES[i % 3], CLASSES[(i + 1) % 3]) for i in (4, 2, 6, 1, 3, 5)]
    (tmp_path / "labels.csv").write_text("\n".join([header, *lines]))

    assert _labels(root, tmp_path / "labels.csv") == _TRUE


def test_what_is_wrong_is_named(root: Path, tmp_path: Path) -> None:
    rows = [f"ILSVRC2012_val_{i:08d},{CLASSES[0]}" for i in range(1, 7)]
    wrong = {
        "no label of .*val_00000006": ["file,label", *rows[:-1]],
        "goldfish, the label of ILSVRC2012_val_00000001": ["file,label", rows[0].replace(CLASSES[0], "goldfish")],
        "no columns file and label": ["image,class", *rows],
        "cannot be read": None,
    }
    for said, lines in wrong.items():
        file = tmp_path / "labels.csv"
        file.unlink(missing_ok=True)
        if lines is not None:
            file.write_text("\n".join(lines))
        with pytest.raises(InputError, match=f"data.validation_labels=.*labels.csv: {said}"):
            _labels(root, file)
    (tmp_path / "devkit" / "data").mkdir(parents=True)
    with pytest.raises(InputError, match="no devkit of ILSVRC2012"):
        _labels(root, tmp_path / "devkit")
    (tmp_path / "devkit" / "data" / "ILSVRC2012_validation_ground_truth.txt").write_text("1\n")
    (tmp_path / "devkit" / "data" / "meta.mat").write_bytes(b"no MATLAB file at all" * 20)
    with pytest.raises(InputError, match="damaged devkit"):
        _labels(root, tmp_path / "devkit")
