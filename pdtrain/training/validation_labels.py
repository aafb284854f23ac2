"""Labels of validation images that lie in one folder, as ImageNet's do: from its devkit, or a table."""

import csv
from pathlib import Path

import numpy as np
import scipy.io
import torch
from torch import Tensor

from pdtrain.errors import InputError
from pdtrain.stimuli.image_folders import is_image
from pdtrain.training.file_lists import FileList

_KEY = "data.validation_labels"
# columns of the image and of its class: ours, and Kaggle's LOC_val_solution.csv
_COLUMNS = (("file", "label"), ("ImageId", "PredictionString"))


def validation_labels(files: FileList, source: Path, classes: tuple[str, ...]) -> Tensor:
    """Class of each file, shape (files,), as an index of `classes`.

    Parameters
    ----------
    files
        Images of one folder.
    source
        Folder of ILSVRC2012's devkit; or a CSV file with the columns `file` and `label` (with the image's name or
        without its suffix; the name of the class folder), or Kaggle's `ImageId` and `PredictionString`.
    classes
        Names of the class folders of the training images.

    Raises
    ------
    InputError
        If `source` is neither, an image has no label, or a label is no class.

    Examples
    --------
    >>> import tempfile
    >>> from pdtrain.training.file_lists import list_images
    >>> folder = Path(tempfile.mkdtemp())
    >>> (folder / "1.jpg").touch(), (folder / "2.jpg").touch()
    (None, None)
    >>> (folder / "labels.csv").write_text("file,label\\n2.jpg,cat\\n1.jpg,dog\\n")
    31
    >>> validation_labels(list_images(folder), folder / "labels.csv", ("cat", "dog")).tolist()
    [1, 0]
    """
    named = _of_devkit(source) if source.is_dir() else _of_table(source)
    indices = {name: index for index, name in enumerate(classes)}
    labels = []
    for index in range(len(files.names)):
        name = _without_suffix(Path(files.path(index)).name)
        if name not in named:
            raise InputError(f"{_KEY}={source}: no label of {files.path(index)}; give the labels of these images")
        if named[name] not in indices:
            raise InputError(f"{_KEY}={source}: {named[name]}, the label of {name}, is no class folder of the training")
        labels.append(indices[named[name]])
    return torch.tensor(labels)


def _without_suffix(name: str) -> str:
    return Path(name).stem if is_image(name) else name


def _of_table(file: Path) -> dict[str, str]:
    """Class by the name of the image."""
    try:
        with file.open(newline="", encoding="utf-8-sig") as opened:
            rows = csv.DictReader(opened)
            for image, label in _COLUMNS:
                if {image, label} <= set(rows.fieldnames or ()):
                    return {_without_suffix(Path(row[image]).name): _class_in(row[label], label) for row in rows}
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{_KEY}={file}: cannot be read; give a CSV file, or the folder of the devkit") from error
    raise InputError(f"{_KEY}={file}: no columns file and label (or ImageId and PredictionString)")


def _class_in(text: str | None, column: str) -> str:
    """Kaggle writes boxes behind the class."""
    text = text or ""
    return text.partition(" ")[0] if column == "PredictionString" else text


def _of_devkit(folder: Path) -> dict[str, str]:
    """ILSVRC2012's: line i of the ground truth is the number of the i-th image's class, whose name is in meta.mat."""
    try:
        numbers = (folder / "data" / "ILSVRC2012_validation_ground_truth.txt").read_text().split()
        synsets = np.atleast_1d(scipy.io.loadmat(folder / "data" / "meta.mat", squeeze_me=True)["synsets"])
        names = {int(row["ILSVRC2012_ID"]): str(row["WNID"]) for row in synsets}
        return {f"ILSVRC2012_val_{i:08d}": names[int(number)] for i, number in enumerate(numbers, start=1)}
    except OSError as error:
        raise InputError(
            f"{_KEY}={folder}: no devkit of ILSVRC2012; it has data/meta.mat and the ground truth"
        ) from error
    except Exception as error:  # whatever a damaged MATLAB file brings about
        raise InputError(f"{_KEY}={folder}: damaged devkit ({type(error).__name__}); unpack it again") from error
