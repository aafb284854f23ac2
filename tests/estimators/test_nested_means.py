import math

import numpy as np
import pytest

from pdtrain.estimators.halvings import SPLITS
from pdtrain.estimators.nested_means import nested_mean, p_above


@pytest.mark.parametrize(("of_seeds", "of_stimuli"), [(1.0, 0.0), (1.0, 0.3), (0.3, 1.0), (0.0, 1.0)])
@pytest.mark.parametrize("seeds", [3, 8])
def test_the_interval_covers_the_mean_over_other_seeds_and_stimuli(
    of_seeds: float, of_stimuli: float, seeds: int
) -> None:
    generator = np.random.default_rng(0)
    covered = 0
    for _ in range(400):
        shared = of_stimuli * generator.standard_normal()  # what these stimuli do to all seeds
        values = shared + of_seeds * generator.standard_normal(seeds)
        halves = np.tile(of_stimuli * generator.standard_normal(SPLITS), (seeds, 1))
        found = nested_mean(values, halves)
        covered += found.lower < 0 < found.upper

    assert 0.92 <= covered / 400 <= 0.995


def test_stimuli_of_their_own_average_out_over_seeds() -> None:
    halves = np.full((4, SPLITS), 0.2)
    values = np.full(4, 1.0)

    same, own = nested_mean(values, halves), nested_mean(values, halves, same_stimuli=False)

    assert same.upper - same.value == pytest.approx(2 * (own.upper - own.value))


def test_where_nothing_is_known_of_seeds_and_stimuli_there_is_no_interval() -> None:
    for halves in (np.zeros((1, SPLITS)), np.full((3, SPLITS), math.nan)):
        found = nested_mean(np.ones(len(halves)), halves)
        assert found.value == 1.0 and math.isnan(found.lower) and math.isnan(found.upper)


def test_there_is_no_p_value_of_one_seed_nor_of_seeds_alike() -> None:
    assert math.isnan(p_above(np.array([1.0]), 0.0))
    assert math.isnan(p_above(np.array([1.0, 1.0, 1.0]), 0.0))
