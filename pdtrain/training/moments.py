"""Keeps what an optimiser remembers in the order in memory that its weights have, whatever order a checkpoint has.

Kernels that step all weights at once go through memory and ask no element where it stands (torch 2.14, CPU): moments of
weights that were trained with their channels elsewhere would silently be taken for those of other weights, and what
lies between weights that are a part of something larger for weights.
"""

import torch
from torch import Tensor
from torch.optim import Optimizer


def follow_weights(optimizer: Optimizer) -> None:
    """Order all that has the shape of its weights as these are ordered, now and whenever a state is loaded.

    Examples
    --------
    >>> weights = torch.nn.Parameter(torch.zeros(2, 3, 4, 4).to(memory_format=torch.channels_last))
    >>> optimizer = torch.optim.SGD([weights], lr=0.1, momentum=0.9)
    >>> follow_weights(optimizer)
    >>> state = {"state": {0: {"momentum_buffer": torch.zeros(2, 3, 4, 4)}}}
    >>> optimizer.load_state_dict(optimizer.state_dict() | state)
    >>> optimizer.state[weights]["momentum_buffer"].stride() == weights.stride()
    True
    """
    optimizer.register_load_state_dict_post_hook(_order)
    _order(optimizer)


def one_kernel_steps(weights: Tensor) -> bool:
    """Whether a kernel that steps all weights at once steps these: real numbers, without gaps in memory.

    Examples
    --------
    >>> weights = torch.zeros(4, 8)
    >>> one_kernel_steps(weights), one_kernel_steps(weights[:, ::2])
    (True, False)
    """
    return weights.is_floating_point() and torch.empty_like(weights).stride() == weights.stride()


def _order(optimizer: Optimizer) -> None:
    for weights, state in optimizer.state.items():
        for name, value in state.items():
            if isinstance(value, Tensor) and value.shape == weights.shape and value.stride() != weights.stride():
                state[name] = torch.empty_like(weights, dtype=value.dtype, device=value.device).copy_(value)
