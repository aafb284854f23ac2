import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pdtrain.estimators.dimension import intrinsic_dimension
from pdtrain.estimators.half_samples import half_differences_of_mean, half_samples, interval, standard_error
from pdtrain.estimators.halvings import SPLITS


def test_the_halvings_are_balanced_and_any_two_cross() -> None:
    halves = half_samples(torch.zeros(400, dtype=torch.long))

    assert halves.shape == (SPLITS, 400) and (halves.sum(1) == 200).all()
    both = (halves[:, None] & halves[None]).sum(-1)
    assert (both.fill_diagonal_(100) == 100).all(), "a quarter of the stimuli is in either half of both"


def test_views_of_an_object_are_shared_out_evenly() -> None:
    labels = torch.arange(600) % 10

    for half in half_samples(labels):
        assert ((labels[half].bincount() - 30).abs() <= 2).all()


@pytest.mark.parametrize(("objects", "views"), [(10, 10), (10, 50), (3, 7), (40, 30)])
def test_no_group_of_objects_lies_in_one_half(objects: int, views: int) -> None:
    labels = torch.arange(objects * views) % objects

    odd, halves = (labels % 2 == 1).float(), half_samples(labels)
    apart = torch.stack([odd[half].mean() - odd[~half].mean() for half in halves])

    assert float(apart.square().mean().sqrt()) < 1.5 / len(labels) ** 0.5, "as of halves drawn at random, or less"
    assert ((halves.sum(1) - len(labels) / 2).abs() <= max(10, 0.1 * len(labels))).all()


def test_they_depend_on_labels_and_seed_alone() -> None:
    labels = torch.arange(100) % 4

    assert half_samples(labels).equal(half_samples(labels.clone()))
    assert not half_samples(labels).equal(half_samples(labels, seed=1))


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 2**31), st.sampled_from([100, 237, 1000]))
def test_the_standard_error_of_a_mean_is_the_textbook_one(seed: int, stimuli: int) -> None:
    values = torch.randn(stimuli, 400, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)

    errors = standard_error(half_differences_of_mean(values, half_samples(torch.zeros(stimuli, dtype=torch.long))))

    # each is of 19 squares; over 400 variables their mean square is right to a few percent
    assert float(errors.square().mean().sqrt() * stimuli**0.5) == pytest.approx(1.0, rel=0.06)


def test_intervals_of_a_mean_hold_it_95_times_of_100() -> None:
    values = torch.randn(200, 2000, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    errors = standard_error(half_differences_of_mean(values, half_samples(torch.zeros(200, dtype=torch.long))))

    held = [low <= 0 <= high for low, high in map(interval, values.mean(0).tolist(), errors.tolist())]

    assert 0.93 < np.mean(held) < 0.97


def test_the_differences_of_paired_values_are_those_of_their_halves() -> None:
    values = torch.randn(200, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    halves = half_samples(torch.zeros(200, dtype=torch.long))

    one, other = half_differences_of_mean(values, halves).T

    torch.testing.assert_close(one - other, half_differences_of_mean(values[:, 0] - values[:, 1], halves))


def test_a_point_that_is_the_neighbour_of_many_counts_in_the_standard_error_of_a_dimension() -> None:
    generator = torch.Generator().manual_seed(0)
    values, errors = [], []
    for _ in range(60):
        points = torch.randn(300, 200, generator=generator) * torch.rand(
            300, 1, generator=generator
        )  # hubs near the mean
        found = intrinsic_dimension(points, resamplings=0).estimates["two_nn"]
        values.append(found.dimension)
        errors.append(found.spread.standard_error)

    assert np.sqrt(np.mean(np.square(errors))) / np.std(values) == pytest.approx(1.1, abs=0.35)
