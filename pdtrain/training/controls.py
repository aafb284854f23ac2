"""Networks that something was taken from: controls for what training has put in."""

import torch
from torch import nn

_WEIGHTED = (nn.Conv2d, nn.Linear)


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
        if isinstance(module, _WEIGHTED):
            weights = module.weight.detach().flatten()
            order = torch.randperm(len(weights), generator=generator).to(weights.device)
            module.weight.data = weights[order].view_as(module.weight)
