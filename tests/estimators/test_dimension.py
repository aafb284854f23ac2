import numpy as np
import pytest
import skdim
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pdtrain.estimators.dimension import intrinsic_dimension
from pdtrain.estimators.neighbors import nearest_neighbors


@pytest.mark.parametrize("name", ["hyperSphere", "hyperBall", "swissRoll3Sph"])
def test_two_nn_equals_scikit_dimension(name: str) -> None:
    generators = {
        "hyperSphere": lambda: skdim.datasets.hyperSphere(1000, d=10, random_state=0),
        "hyperBall": lambda: skdim.datasets.hyperBall(1000, d=5, random_state=0),
        "swissRoll3Sph": lambda: skdim.datasets.swissRoll3Sph(500, 500, a=1, b=2, random_state=0),
    }
    points = np.asarray(generators[name](), dtype=np.float64)

    ours = intrinsic_dimension(torch.from_numpy(points))["two_nn"].dimension

    assert ours == pytest.approx(skdim.id.TwoNN().fit(points).dimension_, rel=1e-6)


@pytest.mark.parametrize("dimension", [1, 2, 5])
@pytest.mark.parametrize("estimator", ["two_nn", "two_nn_mle", "mle"])
def test_cube_has_its_dimension(dimension: int, estimator: str) -> None:
    generator = torch.Generator().manual_seed(0)
    points = torch.rand(2000, dimension, generator=generator) @ torch.randn(dimension, 30, generator=generator)

    estimate = intrinsic_dimension(points, estimators=(estimator,))[estimator]

    assert estimate.dimension == pytest.approx(dimension, rel=0.12)  # edges of the cube lower it
    assert estimate.lower < estimate.upper


def test_linear_estimators_count_the_axes_of_a_gaussian() -> None:
    points = torch.randn(4000, 4, generator=torch.Generator().manual_seed(0))

    found = intrinsic_dimension(points, estimators=("participation_ratio", "pc_id"))

    assert found["participation_ratio"].dimension == pytest.approx(4, rel=0.02)
    assert found["pc_id"].dimension == 4


def test_scikit_dimension_estimators_are_reached_by_name() -> None:
    points = torch.rand(500, 3, generator=torch.Generator().manual_seed(0))

    found = intrinsic_dimension(points, estimators=("skdim.CorrInt",))["skdim.CorrInt"].dimension

    assert found == pytest.approx(skdim.id.CorrInt().fit(points.double().numpy()).dimension_)


def test_duplicates_are_dropped_and_counted() -> None:
    points = torch.rand(300, 3, generator=torch.Generator().manual_seed(0))

    estimate = intrinsic_dimension(torch.cat([points, points[:50]]))["two_nn"]

    assert estimate.dropped >= 100  # and the points between two copies, whose neighbours tie
    assert estimate.dropped + estimate.points == 350
    assert estimate.dimension == pytest.approx(3, rel=0.25)


def test_constant_layer_is_said_not_numbered() -> None:
    estimate = intrinsic_dimension(torch.ones(100, 5))["two_nn"]

    assert np.isnan(estimate.dimension) and "duplicates" in estimate.note


def test_non_finite_value_names_stimulus_and_unit() -> None:
    points = torch.rand(50, 4)
    points[7, 2] = torch.nan

    with pytest.raises(ValueError, match="stimulus 7, unit 2"):
        intrinsic_dimension(points)


def test_neighbours_survive_a_huge_offset() -> None:
    points = torch.rand(200, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)

    shifted = nearest_neighbors(points + 1e8, 2).distances

    torch.testing.assert_close(shifted, nearest_neighbors(points, 2).distances, rtol=1e-5, atol=0)


@settings(deadline=None, max_examples=25)
@given(st.integers(12, 60), st.integers(1, 8), st.integers(0, 10**6), st.integers(3, 100))
def test_neighbours_equal_all_pairs(count: int, features: int, seed: int, block: int) -> None:
    points = torch.randn(count, features, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)

    found = nearest_neighbors(points, 5, block=block).distances

    expected = torch.cdist(points, points, compute_mode="donot_use_mm_for_euclid_dist").sort(1).values[:, 1:6]
    torch.testing.assert_close(found, expected)
