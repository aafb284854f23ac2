import pytest
import torch

from pdtrain.estimators.dimension import intrinsic_dimension
from pdtrain.estimators.projection import SignedFold, projected_neighbors


def _maps(count: int) -> torch.Tensor:
    """Responses like those of a convolution: 24 channels of 28 x 28, rectified, of low dimension."""
    generator = torch.Generator().manual_seed(0)
    latent = torch.randn(count, 12, generator=generator)
    return (latent @ torch.randn(12, 24 * 784, generator=generator)).relu()


def test_squared_distances_are_kept_with_the_stated_error() -> None:
    points, features = _maps(200), 1000

    folded = SignedFold(points.shape[1], features, period=784)(points)

    ratio = (torch.pdist(folded) / torch.pdist(points)).square()
    assert abs(float(ratio.mean()) - 1) < 0.02
    assert float(ratio.std()) < 1.5 * (2 / features) ** 0.5


def test_features_have_no_common_factor_with_the_maps() -> None:
    assert SignedFold(10_000, 784, period=784).features == 783


def test_projected_neighbours_have_exact_distances_and_know_their_recall() -> None:
    points = _maps(600)

    found = projected_neighbors(points, 2, features=512, period=784)

    recomputed = torch.linalg.vector_norm(points - points[found.neighbors.indices[:, 0]], dim=1)
    torch.testing.assert_close(found.neighbors.distances[:, 0].float(), recomputed, rtol=1e-5, atol=0)
    assert found.recall > 0.97


def test_projected_dimension_is_near_the_exact_one_and_states_its_error() -> None:
    points = _maps(800)

    exact = intrinsic_dimension(points, resamplings=0).estimates["two_nn"]
    projected = intrinsic_dimension(points, resamplings=0, projected_features=1024).estimates["two_nn"]

    assert projected.dimension == pytest.approx(exact.dimension, rel=0.01)
    assert "projected search: recall" in projected.note and not exact.note


@pytest.mark.parametrize("offset", [0, 10])
@pytest.mark.parametrize("features", [4, 16, 64])
def test_the_stated_error_is_that_of_the_dimension(offset: float, features: int) -> None:
    generator = torch.Generator().manual_seed(0)
    points = (torch.randn(800, 20, generator=generator) @ torch.randn(20, 4000, generator=generator)).relu() + offset

    exact = intrinsic_dimension(points, resamplings=0).estimates["two_nn"]
    projected = intrinsic_dimension(points, resamplings=0, projected_features=features).estimates["two_nn"]

    true = projected.dimension / exact.dimension - 1
    stated, error = map(float, projected.note.split("relative error ")[1].split(" (of")[0].split(" +- "))
    assert stated == pytest.approx(true, abs=2 * error) and error < 0.1
    if features == 4:
        assert true < -0.05 and stated < -0.05, "too low, and said to be"


def test_the_stated_error_is_that_of_the_dimension_far_from_the_origin() -> None:
    points = 0.3 * torch.randn(600, 8000, generator=torch.Generator().manual_seed(0)) + 100

    exact = intrinsic_dimension(points, resamplings=0).estimates["two_nn"]
    projected = intrinsic_dimension(points, resamplings=0, projected_features=500).estimates["two_nn"]

    # high dimensions are hard to project; in float32 without the mean, the audit saw +10%
    assert projected.dimension / exact.dimension - 1 == pytest.approx(-0.07, abs=0.05)
    assert float(projected.note.split("relative error ")[1].split()[0]) < -0.05


def test_the_audit_finds_true_neighbours_far_from_the_origin() -> None:
    points = _maps(300) / 100 + 100

    found = projected_neighbors(points, 2, features=512, period=784)

    distances = torch.cdist(points.double(), points.double(), compute_mode="donot_use_mm_for_euclid_dist")
    true = distances.fill_diagonal_(torch.inf).sort(1).values[found.audited, :2]
    torch.testing.assert_close(found.exact.distances, true, rtol=1e-5, atol=0)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_projected_search_names_the_value_that_is_not_finite(value: float) -> None:
    points = torch.rand(50, 3000, generator=torch.Generator().manual_seed(0))
    points[7, 2000] = value

    with pytest.raises(ValueError, match="stimulus 7, unit 2000 is"):
        intrinsic_dimension(points, projected_features=100)


def test_projected_search_refuses_what_it_cannot_give() -> None:
    with pytest.raises(ValueError, match="ratio estimators only"):
        intrinsic_dimension(torch.rand(50, 3000), estimators=("pc_id",), projected_features=100)
