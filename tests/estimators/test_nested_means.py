import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from pdtrain.estimators.halvings import SPLITS
from pdtrain.estimators.nested_means import nested_mean


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


def test_there_is_no_p_value_of_one_seed_of_seeds_alike_and_of_unknown_stimuli() -> None:
    for values, halves in (
        (np.array([1.0]), np.zeros((1, SPLITS))),
        (np.ones(3), np.zeros((3, SPLITS))),
        (np.array([1.0, 1.1, 1.2]), np.full((3, SPLITS), math.nan)),
    ):
        found = nested_mean(values, halves)
        assert all(map(math.isnan, (found.p_above(0.0), found.p_below(0.0), found.p_differs())))


@given(
    values=st.lists(st.floats(-5, 5), min_size=2, max_size=9, unique_by=lambda v: round(v, 3)),
    error=st.floats(0, 2),
    than=st.floats(-5, 5),
)
def test_the_test_is_the_interval_inverted(values: list[float], error: float, than: float) -> None:
    found = nested_mean(np.array(values), np.full((len(values), SPLITS), error))

    assert (found.p_above(than) < 0.025) == (found.lower > than)
    assert (found.p_below(than) < 0.025) == (found.upper < than)
    assert 0 <= found.p_differs() <= 1


def test_where_stimuli_do_nothing_it_is_students_test() -> None:
    values = np.array([0.3, 0.9, 1.4, 0.2, 0.8])
    found = nested_mean(values, np.zeros((5, SPLITS)))

    assert found.p_above(0.1) == pytest.approx(stats.ttest_1samp(values, 0.1, alternative="greater").pvalue, rel=1e-6)
    assert found.p_differs() == pytest.approx(stats.ttest_1samp(values, 0.0).pvalue, rel=1e-6)
