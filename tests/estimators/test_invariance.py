import math

import pytest
import torch

from pdtrain.estimators.invariance import folds_of, linear_discriminability, object_information, random_parts
from pdtrain.estimators.significance import wilson_interval


def _gaussian(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_a_unit_that_tells_objects_apart_has_one_bit_and_a_blind_one_none() -> None:
    objects = torch.arange(800) % 2
    tells, blind = objects[:, None] * 10.0 + _gaussian(800, 1), _gaussian(800, 1, seed=1)

    found = object_information(torch.cat([tells, blind], 1), objects)

    assert found.pairs == [(0, 1)]
    assert float(found.view_invariant_bits[0, 0]) == pytest.approx(1, abs=0.02)
    assert abs(float(found.view_invariant_bits[1, 0])) < 0.02
    assert float(found.total_bits[1, 0]) == pytest.approx(3, abs=0.01)  # eight bins, equally populated
    assert float(found.ratio[0, 0]) == pytest.approx(1 / 3, abs=0.02)


def test_every_pair_is_measured_and_named_by_its_labels() -> None:
    objects = torch.tensor([3, 5, 9]).repeat(300)
    responses = torch.where(objects == 9, 5.0, 0.0)[:, None] + _gaussian(900, 1)

    found = object_information(responses, objects)

    assert found.pairs == [(3, 5), (3, 9), (5, 9)]
    assert abs(float(found.view_invariant_bits[0, 0])) < 0.05 < 0.85 < float(found.view_invariant_bits[0, 1])


def test_silent_units_have_a_ratio_of_zero() -> None:
    found = object_information(torch.zeros(100, 1), torch.arange(100) % 2)

    assert float(found.ratio[0, 0]) == float(found.total_bits[0, 0]) == 0


@pytest.mark.parametrize(("views", "bins"), [(14, 5), (20, 8), (100, 8)])
def test_units_that_tell_nothing_have_no_information_however_few_the_views(views: int, bins: int) -> None:
    objects = torch.arange(8 * views) % 8
    graded, rare = _gaussian(8 * views, 300), (_gaussian(8 * views, 300, seed=1) - 1.3).relu()

    for responses in (graded, rare):
        found = object_information(responses, objects)
        assert found.bins == bins
        assert abs(float(found.view_invariant_bits.nanmean())) < 0.013


def test_objects_of_too_few_views_have_no_view_invariant_information() -> None:
    objects = torch.cat([torch.arange(400) % 2, torch.full((11,), 2)])

    found = object_information(_gaussian(411, 3), objects)

    assert found.pairs == [(0, 1), (0, 2), (1, 2)]
    assert found.view_invariant_bits.isnan().any(0).tolist() == [False, True, True]


def test_many_pairs_are_sampled_within_memory() -> None:
    objects = torch.arange(3000) % 100
    responses = _gaussian(3000, 20)

    found, blocked = (object_information(responses, objects, most_pairs=40, memory_bytes=m) for m in (2**27, 2**16))

    assert len(set(found.pairs)) == 40 and found.possible_pairs == 4950
    torch.testing.assert_close(found.view_invariant_bits, blocked.view_invariant_bits)


def test_one_object_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 2 objects"):
        object_information(torch.zeros(10, 1), torch.zeros(10, dtype=torch.long))


def test_separable_objects_are_discriminated_and_noise_is_at_chance() -> None:
    objects, parts = torch.arange(600) % 3, folds_of(_gaussian(600), 5)
    separable = torch.nn.functional.one_hot(objects, 3) * 8.0 + _gaussian(600, 3)

    good = linear_discriminability(separable, objects, parts)
    noise = linear_discriminability(_gaussian(600, 20, seed=1), objects, parts)

    assert good.accuracy > 0.98 and good.lower < good.accuracy < good.upper
    assert noise.accuracy == pytest.approx(noise.chance, abs=0.08) and noise.chance == pytest.approx(1 / 3)
    assert len(noise.fold_accuracies) == 5 and noise.stimuli == 600


def test_held_out_views_are_harder_than_random_ones_when_the_view_carries_the_object() -> None:
    view = torch.linspace(-1, 1, 600)
    objects = torch.arange(600) % 2
    sign = torch.where(objects == 0, 1.0, -1.0)
    responses = torch.stack([sign * view, view], 1)  # which side an object lies on turns over with the view

    across = linear_discriminability(responses, objects, folds_of(view, 2))

    assert across.accuracy < 0.2


@pytest.mark.parametrize("views", [14, 15], ids=["parts of unequal size", "of equal size"])
@pytest.mark.parametrize("dealt", [True, False], ids=["dealt out", "random ranges"])
def test_responses_that_tell_nothing_are_classified_by_chance(views: int, dealt: bool) -> None:
    objects = torch.arange(8 * views) // views
    accuracies = []
    for seed in range(30):
        generator = torch.Generator().manual_seed(seed)
        responses = torch.randn(len(objects), 26, generator=generator)
        ranges = folds_of(torch.randn(len(objects), generator=generator), 5)
        parts = random_parts(objects, 5, generator) if dealt else ranges
        accuracies.append(linear_discriminability(responses, objects, parts).accuracy)

    error = torch.tensor(accuracies).std() / 30**0.5
    assert abs(sum(accuracies) / 30 - 1 / 8) < 3 * error


def test_folds_of_distinct_values_are_equally_populated() -> None:
    parts = folds_of(torch.randperm(103).float(), 5)

    assert parts.bincount().tolist() == [21, 21, 20, 21, 20] and parts.dtype == torch.int64


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0.0, 0.0, 1.0, 2.0, 2.0, 2.0], [0, 0, 1, 2, 2, 2]),  # fewer values than folds: a part for each
        ([0.0, 1.0, *[2.0] * 98, 3.0, 4.0], [0, 1, *[2] * 98, 3, 4]),  # quantiles would put nearly all in one
        ([1.0] * 4, [0] * 4),
    ],
)
def test_folds_of_values_that_many_share_keep_equal_ones_together(values: list[float], expected: list[int]) -> None:
    assert folds_of(torch.tensor(values), 5).tolist() == expected


def test_random_parts_hold_as_many_views_of_every_object() -> None:
    objects = torch.tensor([0, 1, 1, 0, 2, 1, 2, 0, 0, 2, 1, 2])

    parts = random_parts(objects, 2, torch.Generator().manual_seed(0))

    assert torch.bincount(objects * 2 + parts).tolist() == [2] * 6
    assert not torch.equal(parts, random_parts(objects, 2, torch.Generator().manual_seed(1)))


def test_wilson_interval_of_a_textbook_case() -> None:
    lower, upper = wilson_interval(81, 263)  # Newcombe 1998, table I
    assert (round(lower, 4), round(upper, 4)) == (0.2553, 0.3662)
    assert math.isclose(wilson_interval(0, 10)[0], 0, abs_tol=1e-12)
