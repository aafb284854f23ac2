"""Information without bins, from nearest neighbours: a check of the binned one (Gao et al. 2017).

The estimator of Kraskov et al. (2004) and Ross (2014) in the form that holds for variables that are continuous,
discrete or both, as a rectified unit is: where a point's neighbours lie at distance zero, all of them are counted.
"""

import math

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from scipy.spatial import KDTree
from scipy.special import digamma, ndtri
from scipy.stats import rankdata
from torch import Tensor

from pdtrain.estimators.contingency import LN2
from pdtrain.estimators.discretization import Kind, check_kind
from pdtrain.estimators.finite import refuse_non_finite

_FEWEST_STIMULI = 20
_BEYOND = 1 + 1e-10  # times a distance: what lies at it lies within, whatever its rounding
_CIRCLE = math.sqrt(12)  # circumference of a circle on which angles have the variance of normal scores
_Column = Float[np.ndarray, " stimuli"]


def nearest_neighbor_information(
    responses: Float[Tensor, "stimuli units"],
    values: Float[Tensor, " stimuli"] | Int[Tensor, " stimuli"],
    *,
    kind: Kind = "continuous",
    period: float | None = None,
    neighbors: int = 5,
) -> Float[Tensor, " units"]:
    """Information of each unit about one property, bits, from nearest neighbours.

    Kraskov et al. (2004, eq. 8), and Ross (2014, eq. 2) of a discrete property. Where many responses are alike,
    several points lie at the distance of the farthest neighbour: then all of them count, as Gao et al. (2017, algorithm
    1) count those at distance zero. Responses and a continuous property are taken by rank, as normal scores, so that
    increasing maps change nothing.

    Parameters
    ----------
    responses
        Raw responses.
    values
        The property; NaN where it is not defined, and the stimulus is left out.
    kind, period
        As in `information_about`.
    neighbors
        Neighbours whose distance is taken; fewer where a value of a discrete property has no more.

    Returns
    -------
    Tensor
        Shape (units,), float64. Zero for a silent unit; NaN for all units if the property does not vary, or fewer than
        20 stimuli have it (of a discrete one, values that occur once count for nothing).

    Raises
    ------
    ValueError
        If a response is not finite, the number of neighbours is none of 1 to stimuli - 1, the kind is unknown, or a
        circular property has no period.

    Examples
    --------
    >>> import torch
    >>> objects = torch.arange(400) % 4
    >>> told = torch.where(objects == 0, 1.0, 0.0)  # one object in four: 0.811 bit
    >>> round(float(nearest_neighbor_information(told[:, None], objects, kind="discrete")), 2)
    0.81
    """
    check_kind(kind, period)
    refuse_non_finite(responses)
    if not 1 <= neighbors < max(len(responses), 2):
        raise ValueError(f"neighbors={neighbors}: give 1 or more, and fewer than the {len(responses)} stimuli")
    property = values.detach().double().cpu().numpy()
    kept = np.isfinite(property) if kind == "circular" else ~np.isnan(property)
    if kind == "discrete":
        kept &= np.isin(property, _repeated(property))
    property, columns = property[kept], responses.detach().double().cpu().numpy()[kept]
    if len(property) < _FEWEST_STIMULI or (property == property[0]).all():
        return torch.full((columns.shape[1],), torch.nan, dtype=torch.float64)
    scores = (_normal_scores(column) for column in columns.T)
    if kind == "discrete":
        found = [_about_classes(score, property, neighbors) for score in scores]
    elif kind == "circular":
        turns = property / (period or 1.0) % 1.0 % 1.0  # a hair below zero is a whole turn, and that is zero
        angles = turns * _CIRCLE  # as wide as normal scores
        found = [_about_places(score, angles, _CIRCLE, neighbors) for score in scores]
    else:
        found = [_about_places(score, _normal_scores(property), None, neighbors) for score in scores]
    silent = (responses == responses[:1]).all(0).cpu()
    return torch.where(silent, 0.0, torch.tensor(found, dtype=torch.float64))


def _repeated(values: _Column) -> Float[np.ndarray, " distinct"]:
    distinct, times = np.unique(values[~np.isnan(values)], return_counts=True)
    return distinct[times > 1]


def _normal_scores(values: _Column) -> _Column:
    """Standard normal quantiles of the mid-ranks: steps that differ, so that distances seldom tie as those of ranks."""
    return ndtri((rankdata(values) - 0.5) / len(values))


def _about_places(response: _Column, place: _Column, circumference: float | None, neighbors: int) -> float:
    """Of a continuous or circular property; distances are the larger of the two variables'."""
    points = np.stack([response - response.min(), place], 1)
    # periodic in the property alone: no response is farther from another than the width given for it
    around = None if circumference is None else [4 * (np.ptp(response) + 1), circumference]
    tree = KDTree(points, boxsize=around)
    distance = tree.query(points, k=neighbors + 1, p=np.inf)[0][:, -1]
    reached = tree.query_ball_point(points, distance * _BEYOND, p=np.inf, return_length=True)
    tied = reached > neighbors + 1
    nearest = np.where(tied, reached, neighbors)
    of_response = digamma(_within(distance, response, tied))
    of_place = digamma(_within(distance, place, tied, circumference))
    return float((digamma(nearest) + digamma(len(response)) - of_response - of_place).mean()) / LN2


def _about_classes(response: _Column, classes: _Column, neighbors: int) -> float:
    """Of a discrete property: neighbours are those of the same value."""
    count = len(response)
    distance, nearest, members = np.empty(count), np.empty(count), np.empty(count)
    tied = np.empty(count, dtype=bool)
    for label in np.unique(classes):
        chosen = np.flatnonzero(classes == label)
        own = response[chosen]
        within = min(neighbors, len(own) - 1)
        distance[chosen] = _distance_to(np.sort(own), own, within)
        reached = _within(distance[chosen], own, np.ones(len(own), dtype=bool))
        tied[chosen] = reached > within + 1
        nearest[chosen] = np.where(tied[chosen], reached, within)
        members[chosen] = len(own)
    alike = digamma(_within(distance, response, tied))
    return float((digamma(nearest) + digamma(count) - alike - digamma(members)).mean()) / LN2


def _within(
    distance: _Column, values: _Column, tied: Bool[np.ndarray, " stimuli"], circumference: float | None = None
) -> Int[np.ndarray, " stimuli"]:
    """How many values lie closer to each than its distance, itself among them; where tied, at the distance too."""
    parts = [values] if circumference is None else [values - circumference, values, values + circumference]
    around = np.sort(np.concatenate(parts))
    reach = distance * np.where(tied, _BEYOND, 2 - _BEYOND)
    found = np.searchsorted(around, values + reach, "right") - np.searchsorted(around, values - reach, "left")
    return np.minimum(found, len(values))


def _distance_to(ordered: _Column, values: _Column, neighbor: int) -> _Column:
    """Distance of each of the values, which are those of `ordered`, to its so many-th neighbour there."""
    place = np.searchsorted(ordered, values, "left")
    reaches = []
    for below in range(neighbor + 1):  # so many of the neighbours lie below
        first = place - below
        last = first + neighbor
        fits = (first >= 0) & (last < len(ordered))
        low, high = ordered[first.clip(0)], ordered[last.clip(max=len(ordered) - 1)]
        reaches.append(np.where(fits, np.maximum(values - low, high - values), np.inf))
    return np.min(reaches, axis=0)
