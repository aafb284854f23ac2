"""How alike two representations of the same stimuli are: linear CKA and representational similarity analysis (RSA).

Either compares matrices of dissimilarities (`pdtrain.estimators.dissimilarity`). Off the diagonal a centred Gram matrix
is that of squared Euclidean distances but for what belongs to single stimuli, which U-centring takes off; so the
unbiased HSIC of Song et al. (2012) is the inner product of two U-centred matrices of distances (Szekely and Rizzo
2014), and CKA their cosine (Nguyen et al. 2021, Murphy et al. 2024).
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from pdtrain.estimators.comparisons import COMPARISONS, Comparison, Matrix, Prepared, Subset, unit
from pdtrain.estimators.dissimilarity import DISTANCES, squared_euclidean
from pdtrain.estimators.half_samples import half_samples, interval, standard_error

FEWEST_STIMULI = 4  # of which something is left when single stimuli and the mean are taken off
_ALIKE = "all stimuli are answered alike"
_EQUIDISTANT = "all stimuli are equally far apart"


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
        A name of `pdtrain.estimators.comparisons.COMPARISONS`.
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
        A name of `pdtrain.estimators.comparisons.COMPARISONS`.
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
    way = COMPARISONS[comparison]
    prepared = {id(matrix): way.prepare(matrix) for matrix in (*first, *second)}  # each once
    for together, places in _by_stimuli(first, second):
        row, column = torch.tensor(places).T.contiguous()
        rows, columns = row.unique(), column.unique()
        here = torch.searchsorted(rows, row), torch.searchsorted(columns, column)
        of = [id(first[at]) for at in rows], [id(second[at]) for at in columns]
        values = _table(*of, prepared, way, Subset(together))[here]
        found.values[row, column] = values
        found.stimuli[row, column] = int(together.sum())
        for split, half in enumerate(() if halves is None else halves.to(together.device)):
            inside, outside = (_table(*of, prepared, way, Subset(together & part))[here] for part in (half, ~half))
            found.half_differences[split, row, column] = (inside - outside) / 2
        for at in values.isnan().nonzero()[:, 0].tolist():
            found.reasons[places[at]] = _why(first[places[at][0]], second[places[at][1]], together)
    return found


def noise_ceiling(matrices: Sequence[Matrix], *, comparison: str) -> tuple[float, float]:
    """How well any model could agree with these matrices on average, as they differ themselves (Nili et al. 2014).

    Parameters
    ----------
    matrices
        Of the same stimuli, one for each subject, network or seed; three at least, or both are NaN.
    comparison
        A name of `pdtrain.estimators.comparisons.COMPARISONS` but kendall_tau_a.

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
    everything = Subset(torch.ones(len(matrices[0]), dtype=torch.bool, device=matrices[0].device))
    vectors = torch.stack([unit(COMPARISONS[comparison].prepare(matrix)(everything)) for matrix in matrices])
    total = vectors.sum(0)
    below = [float(vector @ unit(total - vector)) for vector in vectors]
    above = [float(vector @ unit(total)) for vector in vectors]
    return float(np.mean(below)), float(np.mean(above))


def partial_similarity(between: float, first_to_third: float, second_to_third: float) -> float:
    """What two representations have in common beyond a third, such as the images themselves (Cui et al. 2022).

    Of cosines of centred matrices (CKA, and RSA by Pearson or Spearman): the partial correlation, for CKA that of
    Szekely and Rizzo (2014).

    Examples
    --------
    >>> partial_similarity(0.5, 0.0, 0.0), abs(round(partial_similarity(0.64, 0.8, 0.8), 6))
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
    first: Sequence[int], second: Sequence[int], prepared: Mapping[int, Prepared], way: Comparison, subset: Subset
) -> Float[Tensor, "first second"]:
    """Values on some of the stimuli; NaN where a matrix holds nothing to compare."""
    if len(subset) < FEWEST_STIMULI:
        return torch.full((len(first), len(second)), math.nan, dtype=torch.float64)
    vectors = {key: prepared[key](subset) for key in {*first, *second}}
    ones, others = (torch.stack([vectors[key] for key in of]) for of in (first, second))
    values = way.compare(ones, others).cpu()
    empty, others_empty = ((torch.linalg.vector_norm(of, dim=1) == 0).cpu() for of in (ones, others))
    return values.masked_fill(empty[:, None] | others_empty, math.nan)


def _why(first: Matrix, second: Matrix, together: Bool[Tensor, " stimuli"]) -> str:
    """Why two matrices have no similarity."""
    if len(together) < FEWEST_STIMULI:
        return f"{len(together)} stimuli, and {FEWEST_STIMULI} at least are needed"
    if together.sum() < FEWEST_STIMULI:
        missing = len(together) - int(together.sum())
        return f"{missing} of {len(together)} stimuli are answered alike by all units, or not finitely"
    lefts = [matrix[together][:, together] for matrix in (first, second)]
    return _ALIKE if any(bool((left == 0).all()) for left in lefts) else _EQUIDISTANT
