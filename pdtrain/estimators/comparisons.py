"""Ways to compare matrices of dissimilarities: what is taken of each, and how two of these are compared."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from scipy.stats import kendalltau
from torch import Tensor

_NOTHING = 1e-6  # of the dissimilarities' root mean square: what is left of them below this is rounding
Matrix = Float[Tensor, "stimuli stimuli"]


class Subset:
    """Some of the stimuli, and the pairs of them.

    Parameters
    ----------
    taken
        Which stimuli.

    Examples
    --------
    >>> import torch
    >>> len(Subset(torch.tensor([True, False, True])))
    2
    """

    def __init__(self, taken: Bool[Tensor, " stimuli"]) -> None:
        self.taken = taken
        self._places = taken.nonzero()[:, 0]

    def __len__(self) -> int:
        return len(self._places)

    @cached_property
    def _pairs(self) -> Bool[Tensor, " pairs"]:
        row, column = torch.triu_indices(len(self.taken), len(self.taken), 1, device=self.taken.device)
        return self.taken[row] & self.taken[column]

    def square(self, matrix: Matrix) -> Float[Tensor, "taken taken"]:
        """The part of a matrix that is of these stimuli."""
        return matrix.index_select(0, self._places).index_select(1, self._places)

    def entries(self, of_pairs: Tensor) -> Tensor:
        """Of what there is once a pair of all stimuli, that of these."""
        return of_pairs[self._pairs]


Prepared = Callable[[Subset], Float[Tensor, " entries"]]


@dataclass(frozen=True)
class Comparison:
    """A way to compare matrices of dissimilarities.

    Attributes
    ----------
    prepare
        What is done once with a matrix; then, for any subset of the stimuli, the vector that stands for it: of length
        zero where the matrix holds nothing to compare.
    compare
        Values of each of the first vectors with each of the second.
    """

    prepare: Callable[[Matrix], Prepared]
    compare: Callable[[Float[Tensor, "first entries"], Float[Tensor, "second entries"]], Float[Tensor, "first second"]]


def unit(vector: Float[Tensor, " entries"]) -> Float[Tensor, " entries"]:
    """A vector of length one; zero stays zero.

    Examples
    --------
    >>> import torch
    >>> unit(torch.tensor([3.0, 4.0])).tolist()
    [0.6000000238418579, 0.800000011920929]
    """
    length = torch.linalg.vector_norm(vector)
    return vector / length if length > 0 else vector


def _u_centred(matrix: Matrix) -> Prepared:
    """Without what belongs to single stimuli: rows sum to zero without the diagonal."""
    whole = matrix.double()

    def of(subset: Subset) -> Tensor:
        part, count = subset.square(whole), len(subset)
        of_one = part.sum(1) / (count - 2)
        of_all = part.sum() / ((count - 1) * (count - 2))
        left = (part - (of_one - of_all)[:, None] - of_one).fill_diagonal_(0.0)
        return unit(_unless_nothing(left, part).flatten())

    return of


def _double_centred(matrix: Matrix) -> Prepared:
    """The centred Gram matrix, its diagonal included."""
    whole = matrix.double()

    def of(subset: Subset) -> Tensor:
        part = subset.square(whole)
        of_one = part.mean(1)
        return unit(_unless_nothing(part - of_one[:, None] - of_one + part.mean(), part).flatten())

    return of


def _as_they_are(matrix: Matrix) -> Prepared:
    entries = _entries(matrix)
    return lambda subset: unit(subset.entries(entries))


def _centred(matrix: Matrix) -> Prepared:
    entries = _entries(matrix)

    def of(subset: Subset) -> Tensor:
        part = subset.entries(entries)
        return unit(_unless_nothing(part - part.mean(), part))

    return of


def _ranked(matrix: Matrix, scale: Callable[[Tensor], Tensor] = unit) -> Prepared:
    """Ranks less their mean, those of ties their mean; a matrix is sorted once, whatever the subsets."""
    entries = _entries(matrix)
    entries = torch.where(entries.isnan(), torch.inf, entries)  # they are in no subset
    places: Int[Tensor, " pairs"] = entries.unique(return_inverse=True)[1]

    def of(subset: Subset) -> Tensor:
        part = subset.entries(places)
        tied = part.bincount()
        ranks = (tied.cumsum(0) - (tied - 1) / 2.0).double()[part]
        return scale(ranks - ranks.mean())

    return of


def _without_ties(ranks: Tensor) -> Tensor:
    """Divided by the length they would have without ties."""
    return ranks * math.sqrt(12 / (len(ranks) ** 3 - len(ranks)))


def _entries(matrix: Matrix) -> Float[Tensor, " pairs"]:
    """The dissimilarity of each two stimuli, once."""
    row, column = torch.triu_indices(len(matrix), len(matrix), 1, device=matrix.device)
    return matrix[row, column].double()


def _unless_nothing(left: Tensor, whole: Tensor) -> Tensor:
    """What is left when something was taken off; zero where it is no more than the rounding of the whole."""
    scale = torch.linalg.vector_norm(whole)
    return left if torch.linalg.vector_norm(left) > _NOTHING * scale else torch.zeros_like(left)


def _dot(first: Tensor, second: Tensor) -> Tensor:
    return (first @ second.T).clamp(-1.0, 1.0)


def _tau_a(first: Tensor, second: Tensor) -> Tensor:
    """Kendall's tau-a: tau-b, without the correction for ties."""
    ones, others = first.cpu().numpy(), second.cpu().numpy()
    return torch.tensor([[_tau_a_of(one, other) for other in others] for one in ones], dtype=torch.float64)


def _tau_a_of(one: np.ndarray, other: np.ndarray) -> float:
    untied = math.sqrt(_untied(one)) * math.sqrt(_untied(other))
    return float(kendalltau(one, other).statistic) * untied if untied else 0.0


def _untied(values: np.ndarray) -> float:
    """Share of the pairs that are no ties."""
    counts = np.unique(values, return_counts=True)[1].astype(float)
    return 1 - float((counts * (counts - 1)).sum()) / (len(values) * (len(values) - 1))


COMPARISONS: dict[str, Comparison] = {
    "cka": Comparison(_u_centred, _dot),
    "spearman": Comparison(_ranked, _dot),
    "pearson": Comparison(_centred, _dot),
    "cosine": Comparison(_as_they_are, _dot),
    "rho_a": Comparison(lambda matrix: _ranked(matrix, _without_ties), _dot),
    "kendall_tau_a": Comparison(lambda matrix: _ranked(matrix, lambda ranks: ranks), _tau_a),
    "whitened_cosine": Comparison(_double_centred, _dot),
}
"""Ways to compare, by name.

cka
    U-centred, of squared Euclidean distances: linear CKA with the unbiased HSIC.
spearman, pearson, cosine
    Of the dissimilarities as they are, once a pair of stimuli.
rho_a, kendall_tau_a
    Of ranks, for matrices with ties, which count as disagreement (Nili et al. 2014, Schuett et al. 2023).
whitened_cosine
    Cosine that takes account of how dissimilarities that share a stimulus go together (Diedrichsen et al. 2021). Of
    squared Euclidean distances it is linear CKA *with* its bias.
"""
