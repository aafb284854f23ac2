"""How alike two representations of the same stimuli are: linear CKA and representational similarity analysis (RSA).

Either compares matrices of dissimilarities (`pdtrain.estimators.dissimilarity`). Off the diagonal a centred Gram matrix
is that of squared Euclidean distances but for what belongs to single stimuli, which U-centring takes off; so the
unbiased HSIC of Song et al. (2012) is the inner product of two U-centred matrices of distances (Szekely and Rizzo
2014), and CKA their cosine (Nguyen et al. 2021, Murphy et al. 2024).
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from scipy.stats import kendalltau, rankdata
from torch import Tensor

from pdtrain.estimators.dissimilarity import DISTANCES, squared_euclidean
from pdtrain.estimators.half_samples import half_samples, interval, standard_error

FEWEST_STIMULI = 4  # of which something is left when single stimuli and the mean are taken off
_ALIKE = "all stimuli are answered alike"
_EQUIDISTANT = "all stimuli are equally far apart"
_NOTHING = 1e-6  # of the dissimilarities' root mean square: what is left of them below this is rounding
Matrix = Float[Tensor, "stimuli stimuli"]


@dataclass(frozen=True)
class Comparison:
    """A way to compare matrices of dissimilarities.

    Attributes
    ----------
    prepare
        What is taken of one matrix, a vector; of length zero where the matrix holds nothing to compare.
    compare
        Values of each of the first vectors with each of the second.
    """

    prepare: Callable[[Matrix], Float[Tensor, " entries"]]
    compare: Callable[[Float[Tensor, "first entries"], Float[Tensor, "second entries"]], Float[Tensor, "first second"]]


@dataclass(frozen=True)
class Similarities:
    """Similarity of each of some representations to each of others.

    Attributes
    ----------
    values
        NaN where there is none; `reasons` says why.
    half_differences
        Half the difference between the value on one half of the stimuli and on the other, for each halving; NaN where a
        half has no value.
    stimuli
        Number of stimuli behind each value.
    reasons
        By place (first, second), why there is no value.
    """

    values: Float[Tensor, "first second"]
    half_differences: Float[Tensor, "splits first second"]
    stimuli: Int[Tensor, "first second"]
    reasons: dict[tuple[int, int], str]


@dataclass(frozen=True)
class Similarity:
    """Similarity of two representations; -1 to 1.

    Attributes
    ----------
    value
        NaN, with a `note`, where it cannot be estimated.
    standard_error, lower, upper
        Over stimuli, from balanced halvings of them (`half_samples`); NaN where a half has no value.
    stimuli
        Number behind the value.
    note
        Why there is no value.
    """

    value: float
    standard_error: float
    lower: float
    upper: float
    stimuli: int
    note: str = ""


def linear_cka(
    first: Float[Tensor, "stimuli first"],
    second: Float[Tensor, "stimuli second"],
    *,
    halves: Bool[Tensor, "splits stimuli"] | None = None,
) -> Similarity:
    """Linear centred kernel alignment of responses to the same stimuli, with the unbiased HSIC.

    Around 0 for representations that have nothing to do with each other, whatever their numbers of stimuli and units;
    1 for those that are the same but for rotation, isotropic scaling and shift.

    Parameters
    ----------
    first, second
        Responses, a row a stimulus.
    halves
        Of the stimuli, for the interval; None halves them at random.

    Examples
    --------
    >>> import torch
    >>> x = torch.randn(100, 20, generator=torch.Generator().manual_seed(0))
    >>> rotation = torch.linalg.qr(torch.randn(20, 20, generator=torch.Generator().manual_seed(1))).Q
    >>> round(linear_cka(x, 3 * x @ rotation + 1).value, 4)
    1.0
    """
    return _of_two(squared_euclidean(first), squared_euclidean(second), "cka", halves)


def rsa(
    first: Float[Tensor, "stimuli first"],
    second: Float[Tensor, "stimuli second"],
    *,
    distance: str = "correlation",
    comparison: str = "spearman",
    halves: Bool[Tensor, "splits stimuli"] | None = None,
) -> Similarity:
    """Representational similarity analysis: how alike the dissimilarities of the stimuli are.

    Parameters
    ----------
    first, second
        Responses, a row a stimulus.
    distance
        A name of `pdtrain.estimators.dissimilarity.DISTANCES`.
    comparison
        A name of `COMPARISONS`.
    halves
        As of `linear_cka`.

    Examples
    --------
    >>> import torch
    >>> x = torch.randn(100, 20, generator=torch.Generator().manual_seed(0))
    >>> round(rsa(x, x.square(), distance="squared_euclidean").value, 1) < rsa(x, 2 * x).value
    True
    """
    return _of_two(DISTANCES[distance](first, None), DISTANCES[distance](second, None), comparison, halves)


def similarities(
    first: Sequence[Matrix],
    second: Sequence[Matrix],
    *,
    comparison: str,
    halves: Bool[Tensor, "splits stimuli"] | None = None,
) -> Similarities:
    """Compare each of the first matrices of dissimilarities with each of the second.

    A stimulus that has no dissimilarity to others in one of two matrices (NaN, see `correlation`) is left out of both.

    Parameters
    ----------
    first, second
        Matrices of the same stimuli.
    comparison
        A name of `COMPARISONS`.
    halves
        Of the stimuli, for the half differences; None or none at all gives none.

    Examples
    --------
    >>> import torch
    >>> line = squared_euclidean(torch.arange(6.0)[:, None])
    >>> similarities([line], [line, 2 * line], comparison="cka").values.tolist()
    [[1.0, 1.0]]
    """
    splits = 0 if halves is None else len(halves)
    found = Similarities(
        values=torch.full((len(first), len(second)), math.nan, dtype=torch.float64),
        half_differences=torch.full((splits, len(first), len(second)), math.nan, dtype=torch.float64),
        stimuli=torch.zeros(len(first), len(second), dtype=torch.long),
        reasons={},
    )
    for together, places in _by_stimuli(first, second):
        rows, columns = (sorted(set(of)) for of in zip(*places, strict=True))
        taken = [first[row] for row in rows], [second[column] for column in columns]
        values = _table(*taken, together, comparison)
        halved = [
            (_table(*taken, together & half, comparison) - _table(*taken, together & ~half, comparison)) / 2
            for half in (() if halves is None else halves.to(together.device))
        ]
        for row, column in places:
            here = rows.index(row), columns.index(column)
            found.values[row, column] = values[here]
            found.stimuli[row, column] = together.sum()
            for split, table in enumerate(halved):
                found.half_differences[split, row, column] = table[here]
            if values[here].isnan():
                found.reasons[row, column] = _why(first[row], second[column], together)
    return found


def noise_ceiling(matrices: Sequence[Matrix], *, comparison: str) -> tuple[float, float]:
    """How well any model could agree with these matrices on average, as they differ themselves (Nili et al. 2014).

    Parameters
    ----------
    matrices
        Of the same stimuli, one for each subject, network or seed; three at least, or both are NaN.
    comparison
        A name of `COMPARISONS` but kendall_tau_a.

    Returns
    -------
    tuple of float
        Mean similarity of each to the mean of the others, and to the mean of all: below and above the ceiling.

    Examples
    --------
    >>> import torch
    >>> line = squared_euclidean(torch.arange(6.0)[:, None])
    >>> [round(bound, 6) for bound in noise_ceiling([line, line, 2 * line], comparison="cka")]
    [1.0, 1.0]
    """
    if len(matrices) < 3:
        return math.nan, math.nan
    prepared = torch.stack([_unit(COMPARISONS[comparison].prepare(matrix)) for matrix in matrices])
    total = prepared.sum(0)
    below = [float(vector @ _unit(total - vector)) for vector in prepared]
    above = [float(vector @ _unit(total)) for vector in prepared]
    return float(np.mean(below)), float(np.mean(above))


def partial_similarity(between: float, first_to_third: float, second_to_third: float) -> float:
    """What two representations have in common beyond a third, such as the images themselves (Cui et al. 2022).

    Of cosines of centred matrices (CKA, and RSA by Pearson or Spearman): the partial correlation, for CKA that of
    Szekely and Rizzo (2014).

    Examples
    --------
    >>> partial_similarity(0.5, 0.0, 0.0), round(partial_similarity(0.64, 0.8, 0.8), 6)
    (0.5, 0.0)
    """
    left = (1 - first_to_third**2) * (1 - second_to_third**2)
    return (between - first_to_third * second_to_third) / math.sqrt(left) if left > 0 else math.nan


def _of_two(
    first: Matrix, second: Matrix, comparison: str, halves: Bool[Tensor, "splits stimuli"] | None
) -> Similarity:
    if halves is None:
        halves = half_samples(torch.zeros(len(first), dtype=torch.long))
    found = similarities([first], [second], comparison=comparison, halves=halves)
    value, error = float(found.values), float(standard_error(found.half_differences[:, 0, 0]))
    lower, upper = (min(max(end, -1.0), 1.0) if end == end else end for end in interval(value, error))
    return Similarity(value, error, lower, upper, int(found.stimuli), found.reasons.get((0, 0), ""))


def _by_stimuli(
    first: Sequence[Matrix], second: Sequence[Matrix]
) -> Iterator[tuple[Bool[Tensor, " stimuli"], list[tuple[int, int]]]]:
    """Pairs of places, by the stimuli that have dissimilarities in both."""
    known = [[_known(matrix) for matrix in matrices] for matrices in (first, second)]
    groups: dict[bytes, tuple[Tensor, list[tuple[int, int]]]] = {}
    for row, column in product(range(len(first)), range(len(second))):
        together = known[0][row] & known[1][column]
        groups.setdefault(together.cpu().numpy().tobytes(), (together, []))[1].append((row, column))
    yield from groups.values()


def _known(matrix: Matrix) -> Bool[Tensor, " stimuli"]:
    """Stimuli that have a dissimilarity to any other."""
    return (~matrix.isnan()).sum(1) > 1  # beside that to itself


def _table(
    first: Sequence[Matrix], second: Sequence[Matrix], taken: Bool[Tensor, " stimuli"], comparison: str
) -> Float[Tensor, "first second"]:
    """Values on some of the stimuli; NaN where a matrix holds nothing to compare."""
    if taken.sum() < FEWEST_STIMULI:
        return torch.full((len(first), len(second)), math.nan, dtype=torch.float64)
    way = COMPARISONS[comparison]
    prepared = {id(matrix): way.prepare(matrix[taken][:, taken]) for matrix in (*first, *second)}  # each once
    vectors = [torch.stack([prepared[id(matrix)] for matrix in of]) for of in (first, second)]
    values = way.compare(*vectors).cpu()
    for axis, of in enumerate(vectors):
        empty = (torch.linalg.vector_norm(of, dim=1) == 0).cpu()
        values = torch.where(empty[:, None] if axis == 0 else empty, math.nan, values)
    return values


def _why(first: Matrix, second: Matrix, together: Bool[Tensor, " stimuli"]) -> str:
    """Why two matrices have no similarity."""
    if len(together) < FEWEST_STIMULI:
        return f"{len(together)} stimuli, and {FEWEST_STIMULI} at least are needed"
    if together.sum() < FEWEST_STIMULI:
        missing = len(together) - int(together.sum())
        return f"{missing} of {len(together)} stimuli are answered alike by all units, or not finitely"
    lefts = [matrix[together][:, together] for matrix in (first, second)]
    return _ALIKE if any(bool((left == 0).all()) for left in lefts) else _EQUIDISTANT


def _entries(matrix: Matrix) -> Float[Tensor, " pairs"]:
    """The dissimilarity of each two stimuli, once."""
    row, column = torch.triu_indices(len(matrix), len(matrix), 1, device=matrix.device)
    return matrix[row, column].double()


def _unless_nothing(left: Tensor, whole: Tensor) -> Tensor:
    """What is left when something was taken off; zero where it is no more than the rounding of the whole."""
    scale = torch.linalg.vector_norm(whole)
    return left if torch.linalg.vector_norm(left) > _NOTHING * scale else torch.zeros_like(left)


def _unit(vector: Tensor) -> Tensor:
    length = torch.linalg.vector_norm(vector)
    return vector / length if length > 0 else vector


def _u_centred(matrix: Matrix) -> Float[Tensor, " pairs"]:
    """Without what belongs to single stimuli: rows sum to zero without the diagonal."""
    whole = matrix.double()
    count = len(whole)
    of_one = whole.sum(1) / (count - 2)
    of_all = whole.sum() / ((count - 1) * (count - 2))
    left = _entries(whole - of_one[:, None] - of_one + of_all)
    return _unit(_unless_nothing(left, _entries(whole)))


def _double_centred(matrix: Matrix) -> Float[Tensor, " entries"]:
    """The centred Gram matrix, its diagonal included."""
    whole = matrix.double()
    of_one = whole.mean(1)
    left = (whole - of_one[:, None] - of_one + whole.mean()).flatten()
    return _unit(_unless_nothing(left, whole))


def _centred(matrix: Matrix) -> Float[Tensor, " pairs"]:
    entries = _entries(matrix)
    return _unit(_unless_nothing(entries - entries.mean(), entries))


def _centred_ranks(matrix: Matrix) -> Float[Tensor, " pairs"]:
    """Ranks, those of ties their mean."""
    entries = _entries(matrix)
    ranks = torch.from_numpy(rankdata(entries.cpu().numpy())).to(entries)
    return ranks - ranks.mean()


def _ranks_without_ties(matrix: Matrix) -> Float[Tensor, " pairs"]:
    """Ranks divided by the length they would have without ties."""
    ranks = _centred_ranks(matrix)
    count = len(ranks)
    return ranks * math.sqrt(12 / (count**3 - count))


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
    "spearman": Comparison(lambda matrix: _unit(_centred_ranks(matrix)), _dot),
    "pearson": Comparison(_centred, _dot),
    "cosine": Comparison(lambda matrix: _unit(_entries(matrix)), _dot),
    "rho_a": Comparison(_ranks_without_ties, _dot),
    "kendall_tau_a": Comparison(_centred_ranks, _tau_a),
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
