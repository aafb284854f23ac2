"""Which epochs a report shows: all of a short training; of a long one some, denser where more happens."""

from collections.abc import Sequence

import numpy as np

MOST_SHOWN = 16


def shown_epochs(epochs: Sequence[int], *, most: int = MOST_SHOWN) -> list[int]:
    """At most so many epochs: the first, the last, and others between them in steps that grow as the logarithm.

    Examples
    --------
    >>> shown_epochs([0, 1, 2, 3])
    [0, 1, 2, 3]
    >>> shown_epochs(range(101))
    [0, 1, 2, 3, 4, 6, 8, 11, 14, 19, 25, 33, 44, 58, 76, 100]
    """
    known = sorted(set(map(int, epochs)))
    if len(known) <= most:
        return known
    # of the steps that give too few places, as the first are less than 1 apart, the finest that gives enough
    for count in range(most, len(known) * most):
        places = np.unique(np.geomspace(1, len(known), count).round().astype(int)) - 1
        if len(places) >= most:
            break
    return [known[place] for place in _without(places, len(places) - most)]


def _without(places: np.ndarray, superfluous: int) -> np.ndarray:
    """Leave the last but one out, so many times: there steps are widest."""
    return places if superfluous <= 0 else np.delete(places, np.arange(-1 - superfluous, -1))
