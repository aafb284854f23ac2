"""Intrinsic dimension from ratios of a point's distances to its neighbours: TwoNN, Gride, Levina-Bickel.

Each function takes neighbour distances, nearest first, and returns one number, in dimensions. Points that a ratio
cannot take (duplicates, ties) are left out by the function's own rule, `usable`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from jaxtyping import Bool, Float
from scipy.optimize import brentq
from torch import Tensor

Distances = Float[Tensor, "points k"]
MLE_NEIGHBORS = 20
GRIDE_SCALES = (1, 2, 4, 8, 16, 32)


@dataclass(frozen=True)
class RatioEstimator:
    """An estimator of this module.

    Attributes
    ----------
    neighbors
        Columns of distances it needs: the order of the farthest neighbour it looks at.
    near, far
        The two of them (from 0) that must differ, the nearer above zero, for a point to be usable.
    estimate
        From the distances of usable points, shape (points, neighbors), to the dimension.

    Examples
    --------
    >>> import torch
    >>> distances = torch.tensor([[1.0, 2.0], [0.0, 1.0], [1.0, 1.0]])  # the second point has a copy, the third a tie
    >>> RATIO_ESTIMATORS["two_nn"].usable(distances).tolist()
    [True, False, False]
    """

    neighbors: int
    near: int
    far: int
    estimate: Callable[[Tensor], float]

    def usable(self, distances: Distances) -> Bool[Tensor, " points"]:
        """Points that are neither duplicates nor ties for this estimator, and have all the neighbours it needs."""
        near, far = distances[:, self.near], distances[:, self.far]
        return (near > 0) & (far > near) & torch.isfinite(distances[:, self.neighbors - 1])


def two_nn(distances: Distances, *, discard_fraction: float = 0.1) -> float:
    """TwoNN by regression (Facco et al. 2017): slope of -log(1-F(mu)) on log(mu) through the origin.

    Parameters
    ----------
    distances
        To the first two neighbours, shape (points, 2 or more).
    discard_fraction
        Share of the largest ratios left out of the fit.

    Returns
    -------
    float
        Intrinsic dimension, in dimensions. F(i) = i/N with i from 1, as `skdim.id.TwoNN`.

    Examples
    --------
    >>> import torch
    >>> share = (torch.arange(1, 101) / 100).clamp_max(0.995)
    >>> distances = torch.stack([torch.ones(100), (1 - share) ** (-1 / 2)], 1)  # in a plane F(mu) = 1 - 1 / mu^2
    >>> round(two_nn(distances), 2)
    2.0
    """
    log_ratio = (distances[:, 1] / distances[:, 0]).log().sort().values
    count = len(log_ratio)
    return _slope(log_ratio, int(count * (1 - discard_fraction)))


def two_nn_ansuini(distances: Distances, *, fraction: float = 0.9) -> float:
    """TwoNN as in the code of Ansuini et al. (2019), in dimensions.

    F(i) = i/N; the two points of the largest ratios are left out, as log(1-F) of the last is infinite, and of the rest
    the first floor(`fraction` N), N with those two. At 0.9 and from 20 points on those two are beyond the fraction
    anyway, and it is `two_nn`.

    Examples
    --------
    >>> import torch
    >>> share = (torch.arange(1, 101) / 100).clamp_max(0.995)
    >>> distances = torch.stack([torch.ones(100), (1 - share) ** (-1 / 2)], 1)  # in a plane F(mu) = 1 - 1 / mu^2
    >>> round(two_nn_ansuini(distances), 2)
    2.0
    """
    log_ratio = (distances[:, 1] / distances[:, 0]).log().sort().values
    count = len(log_ratio)
    return _slope(log_ratio, min(int(count * fraction), count - 2))


def _slope(log_ratio: Float[Tensor, " points"], kept: int) -> float:
    """Slope of -log(1-F) on the first `kept` of the sorted log ratios, least squares through the origin."""
    kept = min(kept, len(log_ratio) - 1)  # of the last it is infinite
    empirical = torch.arange(1, kept + 1, dtype=torch.float64, device=log_ratio.device) / len(log_ratio)
    x, y = log_ratio[:kept].double(), -torch.log1p(-empirical)
    return float((x @ y) / (x @ x))


def two_nn_maximum_likelihood(distances: Distances) -> float:
    """TwoNN by maximum likelihood, (N-1) / sum log(mu) (Facco et al. 2017; unbiased form), in dimensions.

    Examples
    --------
    >>> import torch
    >>> round(two_nn_maximum_likelihood(torch.tensor([[1.0, 2.0]]).expand(11, 2)), 2)  # 10 / (11 ln 2)
    1.31
    """
    log_ratio = (distances[:, 1] / distances[:, 0]).log()
    return float((len(log_ratio) - 1) / log_ratio.sum())


def levina_bickel(distances: Distances) -> float:
    """Maximum-likelihood dimension of Levina and Bickel (2004), averaged as MacKay and Ghahramani (2005).

    Equal to `skdim.id.MLE` with as many neighbours as there are columns; in dimensions.

    Examples
    --------
    >>> import torch
    >>> round(levina_bickel(torch.tensor([[1.0, 2.0, 4.0]])), 2)  # 1 / ((ln 4 + ln 2) / 2)
    0.96
    """
    inverse = (distances[:, -1:] / distances[:, :-1]).log().mean(1)
    return float(1 / inverse.mean())


def gride(distances: Distances, *, scale: int) -> float:
    """Gride (Denti et al. 2022): maximum likelihood from the ratio of distances to neighbours 2 scale and scale.

    With the conventions of `skdim.id.GRIDE`: (N-1) in place of N, so that scale 1 is `two_nn_maximum_likelihood`, and
    ratios above q50 + 20 (q95 - q50) are left out as overlapping points.

    Parameters
    ----------
    distances
        Shape (points, 2 scale or more).
    scale
        Order of the nearer neighbour.

    Returns
    -------
    float
        In dimensions; NaN if the ratios are all alike.

    Examples
    --------
    >>> import torch
    >>> from pdtrain.estimators.neighbors import nearest_neighbors
    >>> plane = torch.rand(1000, 2, generator=torch.Generator().manual_seed(0))
    >>> distances = nearest_neighbors(plane, 8).distances
    >>> [round(gride(distances, scale=scale)) for scale in (1, 2, 4)]
    [2, 2, 2]
    """
    ratio = (distances[:, 2 * scale - 1] / distances[:, scale - 1]).cpu().numpy()
    upper, median = np.percentile(ratio, [95, 50])
    log_ratio = np.log(ratio[ratio < median + 20 * (upper - median)])
    count, total = len(log_ratio), log_ratio.sum()
    if count < 2:
        return np.nan

    def score(dimension: float) -> float:
        attraction = (scale - 1) * np.sum(log_ratio / -np.expm1(-dimension * log_ratio))
        return float((count - 1) / dimension + attraction - (2 * scale - 1) * total)

    highest = 1.0
    while score(highest) > 0:
        highest *= 2
    return float(brentq(score, 1e-8, highest, xtol=1e-12, rtol=1e-12))


RATIO_ESTIMATORS: dict[str, RatioEstimator] = {
    "two_nn": RatioEstimator(2, 0, 1, two_nn),
    "two_nn_ansuini": RatioEstimator(2, 0, 1, two_nn_ansuini),
    "two_nn_mle": RatioEstimator(2, 0, 1, two_nn_maximum_likelihood),
    "mle": RatioEstimator(MLE_NEIGHBORS, 0, MLE_NEIGHBORS - 1, levina_bickel),
} | {f"gride_{n}": RatioEstimator(2 * n, n - 1, 2 * n - 1, partial(gride, scale=n)) for n in GRIDE_SCALES}
