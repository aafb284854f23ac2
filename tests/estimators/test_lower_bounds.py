import pytest
import torch

from pdtrain.estimators.dimension import intrinsic_dimension
from pdtrain.estimators.lower_bounds import largest_trusted_dimension, lower_bound_in, lower_bound_note
from pdtrain.estimators.ratios import RATIO_ESTIMATORS


def _ball(count: int, dimension: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    directions = torch.nn.functional.normalize(torch.randn(count, dimension, generator=generator))
    return directions * torch.rand(count, 1, generator=generator) ** (1 / dimension)


def test_from_a_thousand_points_two_nn_is_trusted_up_to_twenty() -> None:
    assert lower_bound_note(20.0, 1000, 2) == ""
    assert lower_bound_note(20.1, 1000, 2) == "lower bound: 1000 points are too few for more than 20 dimensions"
    assert lower_bound_note(float("nan"), 1000, 2) == lower_bound_note(float("nan"), 0, 2) == ""


def test_fewer_points_and_farther_neighbours_are_trusted_less() -> None:
    assert largest_trusted_dimension(100, 2) < 13 < 23 < largest_trusted_dimension(3000, 2)
    assert largest_trusted_dimension(1000, 64) < 9 and largest_trusted_dimension(50, 64) == 0


@pytest.mark.parametrize("points", [300, 1000])
@pytest.mark.parametrize("estimator", ["two_nn", "mle", "gride_8", "gride_32"])
def test_what_is_trusted_is_at_most_three_tenths_too_low_on_a_ball(points: int, estimator: str) -> None:
    found = {}
    for true in range(2, 42, 4):
        repeated = [
            intrinsic_dimension(_ball(points, true, seed), estimators=(estimator,), resamplings=0) for seed in range(5)
        ]
        found[true] = sum(report.estimates[estimator].dimension for report in repeated) / 5
    trusted = largest_trusted_dimension(points, RATIO_ESTIMATORS[estimator].neighbors)

    bias = {true: value / true - 1 for true, value in found.items()}
    # 20 to 30% in docs/manifolds.md; the rest is the scatter of five draws
    assert all(bias[true] > -0.36 for true, value in found.items() if value <= trusted)
    assert all(bias[true] < -0.17 for true, value in found.items() if value > trusted)


def test_the_note_is_on_estimates_parts_and_scales_but_not_on_linear_dimensions() -> None:
    names = ("two_nn", "mle", "correlation", "participation_ratio", "pc_id")
    generator = torch.Generator().manual_seed(0)
    high, low = (torch.randn(1000, true, generator=generator) for true in (60, 3))

    of_high = intrinsic_dimension(high, estimators=names, labels=torch.arange(1000) % 4, scales=2, resamplings=0)
    of_low = intrinsic_dimension(low, estimators=names, labels=torch.arange(1000) % 4, scales=2, resamplings=0)

    noted = {name for name, estimate in of_high.estimates.items() if lower_bound_in(estimate.note)}
    assert noted == {"two_nn", "mle", "correlation"}
    assert "of 250 points" not in of_high.per_label["two_nn"].note
    assert of_high.per_label["two_nn"].note.startswith("lower bound: 250 points")
    assert [parts.note.split()[2] for parts in of_high.scales["two_nn"]] == ["500", "250"]
    assert not any(lower_bound_in(estimate.note) for estimate in of_low.estimates.values())
    assert not of_low.per_label["two_nn"].note and not any(parts.note for parts in of_low.scales["two_nn"])


def test_the_note_stands_beside_others() -> None:
    points = torch.randn(300, 60, generator=torch.Generator().manual_seed(0))
    points[0] = points[1]

    note = intrinsic_dimension(points, resamplings=0).estimates["two_nn"].note

    assert "2 duplicate or tied points dropped" in note
    assert lower_bound_in(note) == "lower bound: 298 points are too few for more than 16 dimensions"
