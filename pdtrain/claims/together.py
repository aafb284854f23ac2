"""Whether two quantities change together over the layers: more within a seed than between seeds."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice, permutations

import numpy as np
import pandas as pd
from jaxtyping import Float
from scipy.stats import spearmanr

from pdtrain.claims.declared import Correlation, Quantity
from pdtrain.claims.groups import Group
from pdtrain.claims.profiles import MeasuredRun
from pdtrain.estimators.halvings import SPLITS
from pdtrain.estimators.nested_means import NestedMean, nested_mean

_MOST_EXACT = 8  # seeds, all of whose pairings are counted; 40,320 of them
_DRAWS = 40_000


@dataclass(frozen=True)
class Together:
    """A rank correlation over layers, measured.

    Attributes
    ----------
    correlation
        What was said.
    effect
        Mean over seeds of the correlation within a seed, and its interval over seeds.
    between
        Mean of the correlations of one seed's first quantity with another's second.
    of_seeds
        That within each seed.
    layers
        How many hidden layers it is over, at least.
    p_for, p_against
        How likely it is by chance on the side that was claimed, and on the other: the larger of Student's over seeds,
        and that of pairing seeds at random.
    notes
        Why there is no number.
    """

    correlation: Correlation
    effect: NestedMean
    between: float
    of_seeds: Mapping[int, float]
    layers: int
    p_for: float
    p_against: float
    notes: tuple[str, ...] = ()


def together(correlation: Correlation, of: tuple[Quantity, Quantity], group: Group) -> Together:
    """Correlate what training changes in two quantities, over the hidden layers that have both."""
    changes = {seed: [_change(run, quantity) for quantity in of] for seed, run in group.runs.items()}
    pairs = {
        (one, other): _rank_correlation(changes[one][0], changes[other][1]) for one in changes for other in changes
    }
    matrix = np.array([[pairs[one, other][0] for other in changes] for one in changes])
    layers = min((pairs[seed, seed][1] for seed in changes), default=0)
    if not len(matrix) or not np.isfinite(matrix).all():
        none = NestedMean(math.nan, 0, math.nan, math.nan)
        why = "a seed has fewer than three hidden layers with both, or one that does not change" if changes else ""
        return Together(correlation, none, math.nan, {}, layers, math.nan, math.nan, (why or "no such run",))
    within, seeds = matrix.diagonal(), len(matrix)
    effect = nested_mean(within, np.zeros((seeds, SPLITS)))
    ways = (effect.p_above(0.0), effect.p_below(0.0))
    over_seeds = ways if correlation.sign > 0 else ways[::-1]
    between = float(matrix[~np.eye(seeds, dtype=bool)].mean()) if seeds > 1 else math.nan
    return Together(
        correlation,
        effect,
        between,
        dict(zip(changes, within.tolist(), strict=True)),
        layers,
        max(over_seeds[0], _p_of_pairing(correlation.sign * matrix)),
        max(over_seeds[1], _p_of_pairing(-correlation.sign * matrix)),
    )


def _change(run: MeasuredRun, of: Quantity) -> pd.Series:
    """By hidden layer, trained less untrained."""
    ends = [run.profile(of, time).hidden.set_index("layer")["value"] for time in ("untrained", "trained")]
    return (ends[1] - ends[0]).dropna()


def _rank_correlation(one: pd.Series, other: pd.Series) -> tuple[float, int]:
    """Spearman's over the layers that have both, and how many they are."""
    shared = [layer for layer in one.index if layer in other.index]
    first, second = one[shared], other[shared]
    if len(shared) < 3 or first.nunique() < 2 or second.nunique() < 2:
        return math.nan, len(shared)
    return float(spearmanr(first, second).statistic), len(shared)


def _p_of_pairing(matrix: Float[np.ndarray, "seeds seeds"]) -> float:
    """How likely a mean within seeds so high is by chance, as one pairing of seeds of all."""
    seeds = len(matrix)
    places = np.arange(seeds)
    if seeds <= _MOST_EXACT:
        pairings = np.array(list(islice(permutations(places), _DRAWS + 1000)))
    else:
        generator = np.random.default_rng(0)
        pairings = np.stack([places, *(generator.permutation(seeds) for _ in range(_DRAWS))])
    means = matrix[places, pairings].mean(1)
    return float((means >= means[0] - 1e-12).mean())
