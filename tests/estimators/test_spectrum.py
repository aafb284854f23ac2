import numpy as np
import pytest
import torch

from pdtrain.estimators import dimension, spectrum
from pdtrain.estimators.dimension import intrinsic_dimension


class _Largest(torch.utils._python_dispatch.TorchDispatchMode):
    """Watches the largest tensor, in bytes, that is newly made."""

    bytes = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        result = func(*args, **(kwargs or {}))
        if isinstance(result, torch.Tensor):
            own = result.untyped_storage().data_ptr() not in {
                given.untyped_storage().data_ptr() for given in args if isinstance(given, torch.Tensor)
            }
            self.bytes = max(self.bytes, own * result.numel() * result.element_size())
        return result


def _points(count: int, features: int) -> torch.Tensor:
    """Four large directions among many small ones, far from the origin."""
    generator = torch.Generator().manual_seed(0)
    latent = torch.randn(count, 4, generator=generator) @ torch.randn(4, features, generator=generator)
    return latent + 0.1 * torch.randn(count, features, generator=generator) + 50


def _reference(points: torch.Tensor) -> float:
    variances = np.linalg.svd(points.double().numpy() - points.double().numpy().mean(0), compute_uv=False) ** 2
    return float(np.searchsorted(variances.cumsum() / variances.sum(), 0.9) + 1)


@pytest.mark.parametrize(("count", "features"), [(300, 40), (40, 300), (120, 120)])
def test_pc_id_is_that_of_the_singular_values(count: int, features: int) -> None:
    points = torch.rand(count, features, generator=torch.Generator().manual_seed(0)) + 50

    found = intrinsic_dimension(points, estimators=("pc_id",), resamplings=0).estimates["pc_id"]

    assert found.dimension == _reference(points) and found.note == ""


def test_of_few_features_no_matrix_of_all_pairs_is_made() -> None:
    points = _points(3000, 6)

    with _Largest() as watch:
        found = intrinsic_dimension(points, estimators=("pc_id",), resamplings=0).estimates["pc_id"]

    assert found.dimension == _reference(points)
    assert watch.bytes < 3000 * 3000 * 4


def test_no_copy_of_all_points_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dimension, "_LARGEST_MATRIX", 100)
    monkeypatch.setattr(spectrum, "_CHUNK_BYTES", 2**20)
    monkeypatch.setattr("pdtrain.estimators.moved_points._CHUNK_BYTES", 2**20)
    points = _points(400, 30_000)
    monkeypatch.setattr(dimension, "_unusable", lambda points: "")

    with _Largest() as watch:
        found = intrinsic_dimension(points, estimators=("pc_id",), resamplings=0).estimates["pc_id"]

    assert found.dimension == 4 and found.note == "of 100 random points"
    assert watch.bytes < 0.25 * points.numel() * points.element_size()


def test_products_are_about_the_mean(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spectrum, "_CHUNK_BYTES", 4096)
    points, rows = _points(200, 30), torch.arange(0, 200, 3)

    scatter, gram = spectrum.scatter_matrix(points), spectrum.gram_matrix(points, rows)

    centred, part = (p.double() - p.double().mean(0) for p in (points, points[rows]))
    torch.testing.assert_close(scatter, centred.T @ centred)
    torch.testing.assert_close(gram, part @ part.T)
