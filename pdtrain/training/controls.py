"""Networks that something was taken from: controls for what training has put in."""

import torch
from torch import nn
from torch.nn.modules.conv import _ConvNd

_WEIGHTED = (_ConvNd, nn.Linear, nn.MultiheadAttention)


def shuffle_weights(network: nn.Module, *, seed: int) -> None:
    """Permute the weights within each convolution and linear layer, in place: their distribution stays.

    Biases and what normalizes stay as they are.

    Examples
    --------
    >>> layer = nn.Linear(100, 100)
    >>> before = layer.weight.detach().clone()
    >>> shuffle_weights(layer, seed=0)
    >>> bool((layer.weight == before).all())
    False
    >>> bool((layer.weight.flatten().sort().values == before.flatten().sort().values).all())
    True
    """
    generator = torch.Generator().manual_seed(seed)
    for module in network.modules():
        # of attention's three linear maps the weights are one tensor
        name = "in_proj_weight" if isinstance(module, nn.MultiheadAttention) else "weight"
        if not isinstance(module, _WEIGHTED) or getattr(module, name) is None:
            continue
        weights = getattr(module, name).detach()
        order = torch.randperm(weights.numel(), generator=generator).to(weights.device)
        getattr(module, name).data = weights.flatten()[order].view_as(weights)
