from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from pdtrain.checksums import add_to_zip
from pdtrain.errors import DamagedFile
from pdtrain.estimators.dissimilarity import correlation, squared_euclidean
from pdtrain.estimators.similarity import similarities
from pdtrain.results.dissimilarities import (
    Dissimilarities,
    packed,
    read_dissimilarities,
    unpacked,
    write_dissimilarities,
)

_NAME = "epoch=0001-step=00000010.dissimilarities.npz"


@pytest.fixture
def found() -> Dissimilarities:
    entries = np.random.default_rng(0).random((2, 10)).astype(np.float16)
    return Dissimilarities(
        ("input", "relu1"), (0.0, 0.5), (100, 50), (False, True), "ab12", np.arange(5), np.ones((19, 5), dtype=bool),
        {"cka": ("squared_euclidean", "cka")}, {"squared_euclidean": entries},
    )  # fmt: skip


def test_they_come_back_as_they_went(found: Dissimilarities, tmp_path: Path) -> None:
    write_dissimilarities(found, tmp_path / _NAME)

    again = read_dissimilarities(tmp_path / _NAME)

    assert replace(again, packed={}, chosen=None, halves=None) == replace(found, packed={}, chosen=None, halves=None)
    assert again.same_stimuli(found) and (again.halves == found.halves).all()
    assert (again.matrix_of("cka", "relu1") == found.matrix_of("cka", "relu1")).all()


def test_a_matrix_is_kept_to_three_digits() -> None:
    matrix = np.abs(np.random.default_rng(0).normal(size=(6, 6)))
    matrix = 1e9 * (matrix + matrix.T) * (1 - np.eye(6))

    back = unpacked(packed(matrix), 6)

    assert back * (matrix[0, 1] / back[0, 1]) == pytest.approx(matrix, rel=2e-3)
    assert (back == back.T).all() and (np.diag(back) == 0).all()


@pytest.mark.parametrize(("dimensions", "most"), [(100, 5e-5), (50_000, 4e-3)])
def test_what_is_kept_is_about_as_alike_as_what_was_measured(dimensions: int, most: float) -> None:
    generator = torch.Generator().manual_seed(0)
    one = torch.randn(200, dimensions, generator=generator)
    patterns = one, one + torch.randn(200, dimensions, generator=generator)

    for distance, comparison in ((squared_euclidean, "cka"), (correlation, "spearman")):
        measured = [distance(of) for of in patterns]
        kept = [torch.from_numpy(unpacked(packed(matrix.numpy()), 200)) for matrix in measured]
        values = [similarities([of[0]], [of[1]], comparison=comparison).values.item() for of in (measured, kept)]
        assert values[1] == pytest.approx(values[0], abs=most)


def test_a_matrix_of_zeros_stays_one() -> None:
    assert (packed(np.zeros((4, 4))) == 0).all()


def test_every_flipped_byte_is_found(found: Dissimilarities, tmp_path: Path) -> None:
    path = tmp_path / _NAME
    write_dissimilarities(found, path)
    content = path.read_bytes()

    for place in range(0, len(content), 37):
        path.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        with pytest.raises(DamagedFile):
            read_dissimilarities(path)


def test_the_file_of_another_point_is_refused(found: Dissimilarities, tmp_path: Path) -> None:
    write_dissimilarities(found, tmp_path / _NAME)
    other = (tmp_path / _NAME).rename(tmp_path / _NAME.replace("0001", "0002"))

    with pytest.raises(DamagedFile, match="damaged"):
        read_dissimilarities(other)


@pytest.mark.parametrize(
    "changes",
    [
        {"layers": ("input",)},
        {"layers": ("input", "input")},
        {"chosen": np.arange(6)},
        {"halves": np.ones((19, 4), dtype=bool)},
        {"ways": {"cka": ("squared_euclidean", "os.system")}},
        {"ways": {"cka": ("nothing", "cka")}},
    ],
)
def test_what_does_not_go_together_is_refused(found: Dissimilarities, tmp_path: Path, changes: dict) -> None:
    write_dissimilarities(replace(found, **changes), tmp_path / _NAME)

    with pytest.raises(DamagedFile):
        read_dissimilarities(tmp_path / _NAME)


def test_pickled_objects_are_not_read(tmp_path: Path) -> None:
    np.savez(tmp_path / _NAME, layers=np.array([{"code": 1}], dtype=object))
    add_to_zip(tmp_path / _NAME)

    with pytest.raises(DamagedFile):
        read_dissimilarities(tmp_path / _NAME)
