"""Linear dimensions, from the variances along principal components: the contrast to intrinsic dimension."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

Variances = Float[Tensor, " components"]
_CHUNK_BYTES = 128 * 2**20  # so much of the points is held in float64 at a time


def scatter_matrix(points: Float[Tensor, "points features"]) -> Float[Tensor, "features features"]:
    """Products of features about their means, summed over points; float64, a block of points at a time.

    Examples
    --------
    >>> import torch
    >>> scatter_matrix(torch.tensor([[0.0, 0.0], [2.0, 4.0]])).tolist()  # about the mean (1, 2)
    [[2.0, 4.0], [4.0, 8.0]]
    """
    step = max(1, _CHUNK_BYTES // (8 * points.shape[1]))
    blocks = points.split(step)
    mean = torch.stack([block.double().sum(0) for block in blocks]).sum(0) / len(points)
    scatter = torch.zeros(points.shape[1], points.shape[1], dtype=torch.float64, device=points.device)
    for block in blocks:
        centred = block.double() - mean
        scatter.addmm_(centred.T, centred)
    return scatter


def gram_matrix(points: Float[Tensor, "points features"], rows: Int[Tensor, " rows"]) -> Float[Tensor, "rows rows"]:
    """Inner products of some points about their mean; float64, a range of features at a time.

    Examples
    --------
    >>> import torch
    >>> gram_matrix(torch.tensor([[0.0, 0.0], [2.0, 4.0]]), torch.tensor([0, 1])).tolist()  # about the mean (1, 2)
    [[5.0, -5.0], [-5.0, 5.0]]
    """
    step = max(1, _CHUNK_BYTES // (8 * len(rows)))
    gram = torch.zeros(len(rows), len(rows), dtype=torch.float64, device=points.device)
    for start in range(0, points.shape[1], step):
        part = points[rows, start : start + step].double()
        part -= part.mean(0)
        gram.addmm_(part, part.T)
    return gram


def principal_variances(products: Float[Tensor, "size size"]) -> Variances:
    """Variances along principal components (times the number of points), largest first, from Gram or scatter matrix.

    Examples
    --------
    >>> import torch
    >>> [round(variance, 2) for variance in principal_variances(torch.tensor([[2.0, 1.0], [1.0, 2.0]])).tolist()]
    [3.0, 1.0]
    """
    return torch.linalg.eigvalsh(products.double()).clamp_min(0).flip(0)


def principal_component_dimension(variances: Variances, *, share: float = 0.9) -> float:
    """Number of principal components that hold `share` of the variance (PC-ID of Ansuini et al. 2019).

    Examples
    --------
    >>> import torch
    >>> principal_component_dimension(torch.tensor([8.0, 1.5, 0.5]))  # the first two hold 95%
    2.0
    """
    cumulative = variances.cumsum(0)
    return float((cumulative < share * cumulative[-1]).sum() + 1)


def participation_ratio(variance_sum: float, squared_variance_sum: float) -> float:
    """(sum of variances)^2 / sum of squared variances over principal components, in dimensions.

    The two sums are the trace and the squared Frobenius norm of the covariance or of the Gram matrix.

    Examples
    --------
    >>> participation_ratio(2.0 + 2.0, 2.0**2 + 2.0**2)  # two components of equal variance
    2.0
    """
    return variance_sum**2 / squared_variance_sum
