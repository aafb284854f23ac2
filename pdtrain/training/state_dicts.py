"""Weights from elsewhere: tensors under other names than ours, and how many outputs they were trained for."""

import csv
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from pdtrain.errors import InputError

_COUNTER = "num_batches_tracked"  # of batch norm: missing in some files, and used by nothing here

_WRAPPINGS = ("module.", "network.")  # torch's DataParallel; ours of a network that sees grey images in three channels


def outputs_of(weights: Mapping[str, Tensor], build: Callable[[int], nn.Module], *, match: str = "name") -> int | None:
    """Number of outputs that `weights` were trained for; None if they do not belong to the architecture.

    Parameters
    ----------
    weights
        Of a network of that architecture.
    build
        Gives the architecture with so many outputs.
    match
        As in `renamed`.

    Examples
    --------
    >>> from torch import nn
    >>> outputs_of(nn.Linear(5, 40).state_dict(), lambda outputs: nn.Linear(5, outputs))
    40
    """
    with torch.device("meta"):  # shapes alone
        some, more = (build(outputs).state_dict() for outputs in (2, 3))
    last = [name for name in some if some[name].shape != more[name].shape]
    found = renamed(weights, some, match=match)
    value = found.get(last[-1]) if last else None
    return len(value) if isinstance(value, Tensor) and value.ndim else None


def renamed(weights: Mapping[str, Tensor], own: Mapping[str, Tensor], *, match: str) -> dict[str, Tensor]:
    """Give `weights` the names of `own`.

    Parameters
    ----------
    weights, own
        State dicts of one architecture.
    match
        "name" where the names are the same, but for a wrapping (`wrapped_alike`); "order" where only the order of the
        tensors is; or a CSV file whose lines are the two names of a tensor, theirs and ours.

    Raises
    ------
    InputError
        If the numbers of tensors differ, or the table is damaged or names a tensor that is not there.

    Examples
    --------
    >>> import torch
    >>> theirs, ours = {"w": torch.ones(2)}, {"weight": torch.zeros(2)}
    >>> renamed(theirs, ours, match="order")
    {'weight': tensor([1., 1.])}
    """
    if match == "name":
        found = wrapped_alike(weights, own)
    elif match == "order":
        found = dict(zip(_without_counters(own), _paired(weights, own), strict=True))
    else:
        found = {ours: weights[theirs] for theirs, ours in _table(match, weights)}
    counters = {name: torch.tensor(0) for name in own if name.endswith(_COUNTER) and name not in found}
    return found | counters


def wrapped_alike(weights: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """Give the names of `weights` the beginning that all of `own` have, or take it off where only they have it.

    Examples
    --------
    >>> wrapped_alike({"module.conv1.weight": 1}, {"conv1.weight": 2})
    {'conv1.weight': 1}
    """
    for beginning in _WRAPPINGS:
        theirs, ours = (bool(names) and all(name.startswith(beginning) for name in names) for names in (weights, own))
        if theirs and not ours:
            weights = {name.removeprefix(beginning): value for name, value in weights.items()}
        elif ours and not any(name.startswith(beginning) for name in weights):
            weights = {beginning + name: value for name, value in weights.items()}
    return dict(weights)


def _paired(weights: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> list[Tensor]:
    theirs, ours = _without_counters(weights), _without_counters(own)
    if len(theirs) != len(ours):
        raise InputError(
            f"match=order: the file holds {len(theirs)} tensors, the network {len(ours)}; choose another model, or "
            "give a table of names"
        )
    return [weights[name] for name in theirs]


def _without_counters(names: Mapping[str, Tensor]) -> list[str]:
    return [name for name in names if not name.endswith(_COUNTER)]


def _table(path: str, weights: Mapping[str, Tensor]) -> Sequence[tuple[str, str]]:
    if not Path(path).is_file():
        raise InputError(f"match={path}: choose name or order, or give a CSV file with the two names of each tensor")
    with Path(path).open(newline="") as file:
        lines = [line for line in csv.reader(file) if line]
    for number, line in enumerate(lines, start=1):
        if len(line) != 2:
            raise InputError(f"match={path}: line {number} is not two names, theirs and ours")
        if line[0] not in weights:
            raise InputError(f"match={path}: line {number}: the file of weights has no tensor {line[0]}")
    return [(theirs, ours) for theirs, ours in lines]
