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
    assert found.recall > 0.97 and abs(found.relative_error) < 0.02


def test_projected_dimension_is_near_the_exact_one_and_states_its_error() -> None:
    points = _maps(800)

    exact = intrinsic_dimension(points, resamplings=0).estimates["two_nn"]
    projected = intrinsic_dimension(points, resamplings=0, projected_features=1024).estimates["two_nn"]

    assert projected.dimension == pytest.approx(exact.dimension, rel=0.01)
    assert "projected search: recall" in projected.note and not exact.note


def test_projected_search_refuses_what_it_cannot_give() -> None:
    with pytest.raises(ValueError, match="ratio estimators only"):
        intrinsic_dimension(torch.rand(50, 3000), estimators=("pc_id",), projected_features=100)
