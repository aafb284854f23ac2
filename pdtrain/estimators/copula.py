"""Information by the Gaussian copula: a check that needs no bins (Ince et al. 2017).

Ranks of response and property are mapped to normal scores; the information of a Gaussian with their correlation is a
lower bound on the true one, and equals it for a monotone relation with Gaussian noise.
"""

import math

import torch
from jaxtyping import Float, Int
from scipy.special import digamma
from torch import Tensor


def normal_scores(values: Float[Tensor, "stimuli columns"]) -> Float[Tensor, "stimuli columns"]:
    """Standard normal quantiles of the ranks of each column, float64; equal values share their mean rank."""
    ordered, columns = values.sort(0).values.T.contiguous(), values.T.contiguous()
    low, high = (torch.searchsorted(ordered, columns, right=right).double().T for right in (False, True))
    return torch.special.ndtri((low + high + 1) / 2 / (len(values) + 1))


def copula_information(
    responses: Float[Tensor, "stimuli units"], properties: Float[Tensor, "stimuli columns"]
) -> Float[Tensor, " units"]:
    """Information of each unit about one continuous property, bits.

    Parameters
    ----------
    responses
        Responses of the units.
    properties
        The property; for a circular one two columns, its cosine and sine.

    Returns
    -------
    Tensor
        Bias-corrected (Ince et al. 2017, eq. 11; Goodman 1963), shape (units,); may fall slightly below zero. Zero for
        units that do not vary.
    """
    x, y = _standard(normal_scores(responses)), _standard(normal_scores(properties))
    basis = torch.linalg.qr(y).Q  # orthonormal: the squared projections add to the share of variance explained
    explained = (basis.T @ x).square().sum(0) / x.square().sum(0).clamp_min(1e-300)
    plugin = -0.5 * torch.log1p(-explained.clamp(0, 1 - 1e-15)) / math.log(2)
    silent = (responses == responses[:1]).all(0)
    return torch.where(silent, 0.0, plugin - _bias_bits(len(x), y.shape[1]))


def class_copula_information(
    responses: Float[Tensor, "stimuli units"], labels: Int[Tensor, " stimuli"]
) -> Float[Tensor, " units"]:
    """Information of each unit about a discrete property, bits: Gaussians of the normal scores within each class.

    H(x) - sum_c p_c H(x | c), bias-corrected as `copula_information`, shape (units,).
    """
    x = normal_scores(responses)
    silent = (responses == responses[:1]).all(0)
    total = _gaussian_entropy_bits(x)
    for label in labels.unique():
        member = x[labels == label]
        total = total - len(member) / len(x) * _gaussian_entropy_bits(member)
    return torch.where(silent, 0.0, total)


def _standard(scores: Tensor) -> Tensor:
    return scores - scores.mean(0)


def _gaussian_entropy_bits(scores: Tensor) -> Tensor:
    """Entropy of one-dimensional Gaussian samples, bits, bias-corrected (Goodman 1963)."""
    count = len(scores)
    variance = scores.var(0, correction=1).clamp_min(1e-12)
    bias = 0.5 * (math.log(2) - math.log(count - 1) + float(digamma((count - 1) / 2)))
    return (0.5 * torch.log(2 * math.pi * math.e * variance) - bias) / math.log(2)


def _bias_bits(count: int, columns: int) -> float:
    """Expected information of independent Gaussian samples: one response against so many columns."""

    def entropy_bias(dimensions: int) -> float:
        terms = sum(float(digamma((count - i) / 2)) for i in range(1, dimensions + 1))
        return 0.5 * (dimensions * (math.log(2) - math.log(count - 1)) + terms)

    return (entropy_bias(1) + entropy_bias(columns) - entropy_bias(columns + 1)) / math.log(2)
