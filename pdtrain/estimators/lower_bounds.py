"""When an intrinsic dimension found from neighbours is only a lower bound: one rule for all such estimators.

The distance to the k-th neighbour among N points goes as (N / k)^(-1/d), in units of the cloud's size. As it nears
that size, neighbourhoods reach the cloud's edge and curvature, and estimates fall short: by how much, ln(N / k) / d
decides.
"""

import math

_LOWER_BOUND = "lower bound"
# Ansuini et al. (2019): TwoNN is a lower bound above about 20; theirs is of 500 to 2,000 points. On balls and Gaussians
# (docs/manifolds.md) an estimate of 20 from 1,000 points is a quarter too low. An estimate of what the rule below gives
# is 20 to 30% too low there, from 100 to 10,000 points and with 2 to 64 neighbours (correlation: 30 to 45%).
_DIMENSION, _POINTS, _NEIGHBORS = 20, 1000, 2


def largest_trusted_dimension(points: int, neighbors: int) -> float:
    """Largest estimate, in dimensions, that is no mere lower bound.

    Parameters
    ----------
    points
        Number of points that the estimate is of.
    neighbors
        Order of the farthest neighbour whose distance it uses: 2 of TwoNN.

    Examples
    --------
    >>> largest_trusted_dimension(1000, 2)
    20.0
    >>> round(largest_trusted_dimension(125, 2), 1)
    13.3
    """
    return _DIMENSION * max(0.0, math.log(points / neighbors) / math.log(_POINTS / _NEIGHBORS))


def lower_bound_note(dimension: float, points: int, neighbors: int) -> str:
    """Say so if an estimate is but a lower bound; empty if it is not, or is NaN.

    Examples
    --------
    >>> lower_bound_note(25.0, 1000, 2)
    'lower bound: 1000 points are too few for more than 20 dimensions'
    >>> lower_bound_note(5.0, 1000, 2)
    ''
    """
    if points < 1 or not dimension > largest_trusted_dimension(points, neighbors):
        return ""
    trusted = largest_trusted_dimension(points, neighbors)
    return f"{_LOWER_BOUND}: {points} points are too few for more than {trusted:.0f} dimensions"


def lower_bound_in(note: str) -> str:
    """What `lower_bound_note` has said in a longer note, or nothing.

    Examples
    --------
    >>> lower_bound_in(f"3 duplicate or tied points dropped; {lower_bound_note(25.0, 1000, 2)}")
    'lower bound: 1000 points are too few for more than 20 dimensions'
    """
    return next((part for part in note.split("; ") if part.startswith(_LOWER_BOUND)), "")
