"""Schedules of the learning rate that are told the length of the training."""

import math
from collections.abc import Sequence

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

from pdtrain.limits import check_value


def warmup_cosine(
    optimizer: Optimizer, total_steps: int, *, warmup: float = 0.05, start_factor: float = 0.01
) -> LambdaLR:
    """Rise linearly to the optimiser's rate, then fall to zero along half a cosine (Loshchilov and Hutter 2017).

    Parameters
    ----------
    optimizer
        Its learning rates are the highest.
    total_steps
        Optimiser steps of the training.
    warmup
        Share of them that rise (Goyal et al. 2017).
    start_factor
        Where they begin, as a share of the highest.

    Raises
    ------
    InputError
        If a share is not between 0 and 1.

    Examples
    --------
    >>> import torch
    >>> optimizer = torch.optim.SGD([torch.zeros(1)], lr=1.0)
    >>> scheduler = warmup_cosine(optimizer, 6, warmup=1 / 3, start_factor=0.5)
    >>> [round(scheduler.lr_lambdas[0](step), 3) for step in range(7)]
    [0.5, 0.75, 1.0, 0.854, 0.5, 0.146, 0.0]
    """
    for key, share in (("warmup", warmup), ("start_factor", start_factor)):
        check_value(f"scheduler.{key}", share)
    rising = round(warmup * total_steps)

    def factor(step: int) -> float:
        if step < rising:
            return start_factor + (1 - start_factor) * step / rising
        return 0.5 * (1 + math.cos(math.pi * min(1, (step - rising) / (total_steps - rising))))

    return LambdaLR(optimizer, factor)


def step_decay(
    optimizer: Optimizer, total_steps: int, *, after: Sequence[float] = (1 / 3, 2 / 3), factor: float = 0.1
) -> LambdaLR:
    """Multiply the rate by `factor` after each of these shares of the training, as He et al. (2016) did.

    Raises
    ------
    InputError
        If a share is not between 0 and 1.

    Examples
    --------
    >>> import torch
    >>> optimizer = torch.optim.SGD([torch.zeros(1)], lr=1.0)
    >>> scheduler = step_decay(optimizer, 6, factor=0.5)
    >>> [scheduler.lr_lambdas[0](step) for step in range(6)]
    [1.0, 1.0, 0.5, 0.5, 0.25, 0.25]
    """
    check_value("scheduler.after", list(after))
    steps = [round(share * total_steps) for share in after]
    return LambdaLR(optimizer, lambda step: factor ** sum(step >= one for one in steps))
