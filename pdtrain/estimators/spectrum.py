"""Linear dimensions, from the variances along principal components: the contrast to intrinsic dimension."""

import torch
from jaxtyping import Float
from torch import Tensor

Variances = Float[Tensor, " components"]


def principal_variances(gram: Float[Tensor, "points points"]) -> Variances:
    """Variances along principal components (times the number of points), largest first, from the Gram matrix."""
    return torch.linalg.eigvalsh(gram.double()).clamp_min(0).flip(0)


def principal_component_dimension(variances: Variances, *, share: float = 0.9) -> float:
    """Number of principal components that hold `share` of the variance (PC-ID of Ansuini et al. 2019)."""
    cumulative = variances.cumsum(0)
    return float((cumulative < share * cumulative[-1]).sum() + 1)


def participation_ratio(variance_sum: float, squared_variance_sum: float) -> float:
    """(sum of variances)^2 / sum of squared variances over principal components, in dimensions.

    The two sums are the trace and the squared Frobenius norm of the covariance or of the Gram matrix.
    """
    return variance_sum**2 / squared_variance_sum
