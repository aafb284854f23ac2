"""Begins from another run's checkpoint with its own settings: learning rate, weight decay, length of the schedule.

Lightning restores an optimiser and a schedule with the settings that they had. That is right where a run goes on with
itself. Where another begins from its checkpoint, that one's own configuration would be stored, and not followed; and a
schedule that was told its length would be at its end.
"""

import warnings
from collections.abc import Mapping
from typing import Any

import torch
from torch.optim import Optimizer

from pdtrain.errors import InputError


def follow(optimizer: Optimizer, scheduler: Any, new_optimizer: Optimizer, new_scheduler: Any, *, steps: int) -> None:
    """Give an optimiser and its schedule, as they were restored, the settings of new ones; its moments stay.

    Parameters
    ----------
    optimizer, scheduler
        As restored; the latter None where there is none.
    new_optimizer, new_scheduler
        Built as configured, of the same parameters. They are used up.
    steps
        After how many the training goes on.

    Examples
    --------
    >>> from torch.optim.lr_scheduler import ConstantLR
    >>> weights = torch.zeros(2, requires_grad=True)
    >>> restored, new = torch.optim.SGD([weights], lr=0.1), torch.optim.SGD([weights], lr=0.5)
    >>> follow(restored, None, new, None, steps=3)
    >>> restored.param_groups[0]["lr"]
    0.5
    """
    if new_scheduler is not None:
        with warnings.catch_warnings():
            warnings.filterwarnings(
                "ignore", "Detected call of `lr_scheduler.step"
            )  # nothing is optimised by the new one
            for _ in range(steps):
                new_scheduler.step()
    for group, new in zip(optimizer.param_groups, new_optimizer.param_groups, strict=True):
        group.update({name: value for name, value in new.items() if name != "params"})
    if scheduler is not None:
        scheduler.load_state_dict(new_scheduler.state_dict())


def check_same_kind(new_optimizer: Optimizer, saved: Mapping[str, Any], *, path: object) -> None:
    """Raise InputError if what a checkpoint holds of its optimiser is not what this one goes on from.

    Parameters
    ----------
    new_optimizer
        Built as configured, of a parameter of no use: it takes a step.
    saved
        State of the checkpoint's optimiser.
    path
        The checkpoint's, for the message.
    """
    found = {name for state in saved["state"].values() for name in state}
    for group in new_optimizer.param_groups:
        for weights in group["params"]:
            weights.grad = torch.zeros_like(weights)
    new_optimizer.step()
    needed = {name for state in new_optimizer.state.values() for name, value in state.items() if value is not None}
    if found and (missing := sorted(needed - found)):
        raise InputError(
            f"ckpt_path={path}: made with another optimizer, which has no {missing[0]}; give optimizer= as in that run"
        )
