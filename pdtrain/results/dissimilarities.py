"""The dissimilarities of all layers at one probe point, kept beside its rows, by which epochs and runs are compared.

Two bytes for each two stimuli and each layer: comparisons do not depend on a matrix's scale, and are made of what was
kept, so that they come out the same whenever they are made.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pdtrain.checksums import add_to_zip, zip_is_intact
from pdtrain.errors import DamagedFile, one_line
from pdtrain.files import written_whole
from pdtrain.limits import COMPARISONS_OF_RSA

_KEPT = "kept_"  # begins the names of the arrays of matrices


@dataclass(frozen=True)
class Dissimilarities:
    """Matrices of dissimilarities of some layers, on the same stimuli.

    Attributes
    ----------
    layers
        Their names, in the order of depth.
    depths
        Relative depth of each.
    features
        Of each layer, how many its matrices were made of; fewer than its units where it was projected.
    projected
        Whether it was.
    stimuli
        Fingerprint of the stimuli that were shown.
    chosen
        Places of those, among all shown, that the matrices are of.
    halves
        Their halvings, shape (splits, chosen).
    ways
        By quantity, such as "cka", the name of the distance it is made of, and of the comparison.
    packed
        By the name of the distance, the entries above the diagonal, shape (layers, pairs), float16; NaN where there is
        none.
    """

    layers: tuple[str, ...]
    depths: tuple[float, ...]
    features: tuple[int, ...]
    projected: tuple[bool, ...]
    stimuli: str
    chosen: NDArray[np.int64]
    halves: NDArray[np.bool_]
    ways: dict[str, tuple[str, str]]
    packed: dict[str, NDArray[np.float16]]

    def matrix(self, distance: str, layer: str) -> NDArray[np.float32]:
        """The matrix of a layer, shape (chosen, chosen), in units of its root mean square."""
        return unpacked(self.packed[distance][self.layers.index(layer)], len(self.chosen))

    def matrix_of(self, quantity: str, layer: str) -> NDArray[np.float32]:
        """That of the distance which a quantity is made of."""
        return self.matrix(self.ways[quantity][0], layer)

    def same_stimuli(self, other: Dissimilarities) -> bool:
        """Whether both are of the same stimuli, so that they can be compared."""
        return self.stimuli == other.stimuli and np.array_equal(self.chosen, other.chosen)


def packed(matrix: NDArray[np.float64]) -> NDArray[np.float16]:
    """The entries above the diagonal, in units of their root mean square.

    Three digits of each entry move a similarity the more, the less the entries differ: by some 3e-5 in a representation
    of 100 dimensions of equal variance, by 1e-4 in one of 1,000, by 2e-3 in one of 50,000.

    Examples
    --------
    >>> packed(np.array([[0.0, 3.0], [3.0, 0.0]])).tolist()
    [1.0]
    """
    entries = matrix[np.triu_indices(len(matrix), 1)]
    known = entries[np.isfinite(entries)]
    scale = np.sqrt(np.square(known).mean()) if known.any() else 1.0
    return np.asarray(entries / scale, dtype=np.float16)


def unpacked(entries: NDArray[np.float16], count: int) -> NDArray[np.float32]:
    """The symmetric matrix of `count` stimuli with these entries above its diagonal.

    Examples
    --------
    >>> unpacked(np.array([1.0], dtype=np.float16), 2).tolist()
    [[0.0, 1.0], [1.0, 0.0]]
    """
    matrix = np.zeros((count, count), dtype=np.float32)
    matrix[np.triu_indices(count, 1)] = entries
    return matrix + matrix.T


def write_dissimilarities(found: Dissimilarities, path: Path) -> None:
    """Write a file that appears whole or not at all, with a checksum."""
    arrays: dict[str, Any] = {_KEPT + distance: entries for distance, entries in found.packed.items()}
    with written_whole(path) as temporary:
        np.savez(
            temporary, place=np.array(_place(path)), layers=np.array(found.layers, dtype=np.str_),
            depths=np.array(found.depths, dtype=float), features=np.array(found.features, dtype=np.int64),
            projected=np.array(found.projected, dtype=bool), stimuli=np.array(found.stimuli), chosen=found.chosen,
            halves=found.halves, ways=np.array([(name, *way) for name, way in found.ways.items()]), **arrays,
        )  # fmt: skip
        add_to_zip(temporary)


def read_dissimilarities(path: Path) -> Dissimilarities:
    """Read such a file, from anywhere: it is data alone.

    Raises
    ------
    DamagedFile
        If it is not as it was written, is that of another probe point, or holds what does not go together.
    """
    try:
        if not zip_is_intact(path):
            raise ValueError("its checksum differs")
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            content = {name: arrays[name] for name in arrays.files}
        found = Dissimilarities(
            tuple(one_line(str(name)) for name in content["layers"]),
            tuple(map(float, content["depths"])),
            tuple(map(int, content["features"])),
            tuple(map(bool, content["projected"])),
            str(content["stimuli"]),
            content["chosen"].astype(np.int64),
            content["halves"].astype(bool),
            {str(name): (str(distance), str(comparison)) for name, distance, comparison in content["ways"]},
            {n.removeprefix(_KEPT): v.astype(np.float16) for n, v in content.items() if n.startswith(_KEPT)},
        )
        _check(found)
        if str(content["place"]) != _place(path):
            raise ValueError("it is that of another probe point")
    except Exception as error:  # whatever a damaged file brings about
        raise DamagedFile(
            f"{path}: damaged; pdtrain-train with resume=auto measures it again, and pdtrain-probe that of a probe set"
        ) from error
    return found


def _place(path: Path) -> str:
    """How the name of a file begins: its probe point."""
    return path.name.partition(".")[0]


def _check(found: Dissimilarities) -> None:
    layers, count = len(found.layers), len(found.chosen)
    shapes = {entries.shape for entries in found.packed.values()} | {(layers, count * (count - 1) // 2)}
    lengths = {len(found.depths), len(found.features), len(found.projected), len(set(found.layers)), layers}
    if len(shapes) > 1 or len(lengths) > 1 or found.halves.ndim != 2 or found.halves.shape[1] != count:
        raise ValueError("its parts do not go together")
    known = ("cka", *COMPARISONS_OF_RSA)
    if not all(distance in found.packed and comparison in known for distance, comparison in found.ways.values()):
        raise ValueError("it is to be compared in no known way")
