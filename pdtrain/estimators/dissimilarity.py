"""How far apart the responses to each two stimuli are: what representations of any number of units have in common.

A matrix of dissimilarities (RDM) is N x N, however many units there are; it is summed up over portions of the units, so
that nothing as large as the responses is made beside them.
"""

from collections.abc import Callable, Iterator

import torch
from jaxtyping import Float
from torch import Tensor

_PORTION_BYTES = 64 * 2**20
_SAME = 2e-6  # of the squared lengths: two patterns this near are one, to the precision of float32
_ALIKE = 32  # roundings of a response: units that differ by less from their mean are alike


def squared_euclidean(
    patterns: Float[Tensor, "stimuli features"], constant: Float[Tensor, " features"] | None = None
) -> Float[Tensor, "stimuli stimuli"]:
    """Squared Euclidean distances between the patterns of each two stimuli.

    Parameters
    ----------
    patterns
        Responses, or a random projection of them, which keeps these distances in expectation.
    constant
        Not needed here; see `correlation`.

    Returns
    -------
    Tensor
        Symmetric, float64, zero on the diagonal; in squared units of the responses. NaN where responses are not finite.

    Examples
    --------
    >>> import torch
    >>> squared_euclidean(torch.tensor([[0.0, 0.0], [3.0, 4.0]])).tolist()
    [[0.0, 25.0], [25.0, 0.0]]
    """
    return _distances(_products(part - part.mean(0) for part in _portions(patterns)))


def correlation(
    patterns: Float[Tensor, "stimuli features"], constant: Float[Tensor, " features"] | None = None
) -> Float[Tensor, "stimuli stimuli"]:
    """One less Pearson's correlation between the patterns of each two stimuli, over units (Kriegeskorte et al. 2008).

    Parameters
    ----------
    patterns
        Responses, or a random projection of them.
    constant
        Of a projection: what a representation that is 1 in every unit is projected to. The mean over units is taken off
        by it, but for one direction of the projection's many. None: the patterns are the responses themselves.

    Returns
    -------
    Tensor
        Symmetric, float64, 0 to 2, zero on the diagonal. NaN for a stimulus that all units answer alike, or not
        finitely: it has no correlation.

    Examples
    --------
    >>> import torch
    >>> correlation(torch.tensor([[1.0, 2.0, 3.0], [2.0, 4.0, 6.0], [3.0, 2.0, 1.0]])).round(decimals=6)[0].tolist()
    [0.0, 0.0, 2.0]
    """
    ones = patterns.new_ones(patterns.shape[1]) if constant is None else constant.to(patterns)
    means = _sum(part @ one.to(part) for part, one in _with(patterns, ones)) / ones.double().square().sum()
    products = _products(part - means.to(part)[:, None] * one.to(part) for part, one in _with(patterns, ones))
    lengths = products.diagonal()
    uncentred = lengths + means.square() * ones.double().square().sum()
    alike = _ALIKE * max(_rounding(patterns), _rounding(constant) if constant is not None else 0)
    lengths = torch.where(lengths > alike**2 * uncentred, lengths, torch.nan).sqrt()
    return _distances(products / lengths[:, None] / lengths) / 2


DISTANCES: dict[str, Callable[[Tensor, Tensor | None], Tensor]] = {
    "correlation": correlation,
    "squared_euclidean": squared_euclidean,
}


def _portions(patterns: Tensor) -> Iterator[Tensor]:
    """Consecutive features of all stimuli; float32, or float64 where they are."""
    features = max(1, _PORTION_BYTES // (8 * max(len(patterns), 1)))
    for part in patterns.split(features, dim=1):
        yield part if part.dtype == torch.float64 else part.float()


def _rounding(values: Tensor) -> float:
    """Of one number, as a share of it, in what its products are added up in."""
    return torch.finfo(torch.float64 if values.dtype == torch.float64 else torch.float32).eps


def _with(patterns: Tensor, ones: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Each portion of the features, and what stands for 1 in them."""
    start = 0
    for part in _portions(patterns):
        yield part, ones[start : start + part.shape[1]]
        start += part.shape[1]


def _sum(terms: Iterator[Tensor]) -> Tensor:
    total = next(terms).double()
    for term in terms:
        total = total + term.double()
    return total


def _products(portions: Iterator[Tensor]) -> Float[Tensor, "stimuli stimuli"]:
    """Inner products of patterns, added up in float64."""
    return _sum(part @ part.T for part in portions)


def _distances(products: Float[Tensor, "stimuli stimuli"]) -> Float[Tensor, "stimuli stimuli"]:
    """Squared distances from inner products; zero between patterns that are the same, which rounding would not be."""
    lengths = products.diagonal()
    both = lengths[:, None] + lengths
    found = both - products - products.T
    return torch.where(found <= _SAME * both, 0.0, found).fill_diagonal_(0.0)
