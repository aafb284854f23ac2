"""Finds what is probed in a LightningModule: by name, by a function, or the module itself."""

from collections.abc import Callable
from operator import attrgetter

import pytorch_lightning as lightning
from torch import nn

from pdtrain.errors import InputError

Network = str | nn.Module | Callable[[lightning.LightningModule], nn.Module]
_KEY = "callbacks.probing.network"
_USUAL = "network"  # attribute


def probed_network(pl_module: lightning.LightningModule, network: Network | None) -> nn.Module:
    """The network to probe.

    Parameters
    ----------
    pl_module
        What is trained.
    network
        An attribute's name, such as "encoder" or "model.backbone"; a function of the module that returns the network;
        or the network. None takes the attribute `network`, or the module itself where it has no such.

    Raises
    ------
    InputError
        If there is no such attribute, or it is no network of the module's.

    Examples
    --------
    >>> class Mine(lightning.LightningModule):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.encoder = nn.Linear(2, 2)
    >>> module = Mine()
    >>> probed_network(module, "encoder") is module.encoder, probed_network(module, None) is module
    (True, True)
    """
    if network is None:
        usual = getattr(pl_module, _USUAL, None)
        return usual if isinstance(usual, nn.Module) else pl_module
    if isinstance(network, str):
        found, key = _attribute(pl_module, network), f"{_KEY}={network}"
    elif isinstance(network, nn.Module):
        found, key = network, f"{_KEY}: {type(network).__name__}"
    else:
        found, key = network(pl_module), f"{_KEY}: what the function returned"
    if not isinstance(found, nn.Module):
        raise InputError(f"{key}: {type(found).__name__} is no torch.nn.Module")
    trained = {id(weights) for weights in pl_module.parameters()}
    weights = list(found.parameters())
    if weights and trained.isdisjoint(map(id, weights)):
        raise InputError(
            f"{key}: shares no weights with {type(pl_module).__name__}, and would not be trained; give a part of it"
        )
    return found


def _attribute(pl_module: lightning.LightningModule, path: str) -> object:
    try:
        return attrgetter(path)(pl_module)
    except AttributeError as error:
        raise InputError(f"{_KEY}={path}: {type(pl_module).__name__} has none") from error
