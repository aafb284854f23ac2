"""Builds what a configuration names: network, probes and the prober that runs them. Training and probing share it."""

from typing import Any

from hydra.errors import InstantiationException
from hydra.utils import instantiate
from omegaconf import DictConfig
from torch import nn

from pdtrain.commands.fitting_keys import check_outputs
from pdtrain.errors import InputError
from pdtrain.limits import STATISTICS
from pdtrain.probes.indices import DEFAULT_PROPERTY
from pdtrain.probes.prober import Probe, Prober
from pdtrain.results.configuration import begins_from_weights
from pdtrain.results.store import ResultsStore
from pdtrain.training.models import check_image_size

_SHARED = ("seed", "index_property")  # values of the group `probes` that are no probes


def built(node: DictConfig, *arguments: Any, **options: Any) -> Any:
    """What a node of the configuration names by `_target_`; its own InputError is not hidden in one of Hydra's."""
    try:
        return instantiate(node, *arguments, **options)
    except InstantiationException as error:
        if isinstance(error.__cause__, InputError):
            raise error.__cause__ from None
        raise


def build_network(config: DictConfig, data: Any) -> nn.Module:
    """Build the network for the data's classes, unless another number of outputs is given, channels and image size."""
    network = built(config.model.network, num_classes=outputs_of(config, data), channels=data.shape[0])
    check_image_size(network, data.shape, key="data.pixels" if "pixels" in config.data else None)
    return network


def outputs_of(config: DictConfig, data: Any) -> int:
    """Number of outputs: the data's classes, unless another is given, which may be more."""
    given = config.model.network.get("num_classes")
    if given is not None:
        check_outputs(given, data.num_classes)
    return given or data.num_classes


def build_probes(config: DictConfig) -> list[Probe]:
    """Build every probe of the group `probes` that is not null, in their order there."""
    probes = []
    for name, node in config.probes.items():
        if node is None or name in _SHARED:
            continue
        if not isinstance(node, DictConfig):
            raise InputError(
                f"probes.{name}={node}: no probe; give its class and options, as probes=full does, or null"
            )
        if "_target_" not in node:
            raise InputError(
                f"probes.{name}: no _target_, the class of the probe; give one, as probes=full does, or null"
            )
        probes.append(built(node))
    return probes


def build_prober(config: DictConfig, data: Any, store: ResultsStore) -> Prober:
    """Build stimuli and prober."""
    return Prober(
        built(config.stimuli, data),
        store,
        layers=config.layers.names,
        recipe=config.layers.recipe,
        reduce=config.layers.reduce,
        max_units=config.layers.max_units,
        memory_bytes=config.layers.memory_bytes,
        batch_size=config.layers.batch_size,
        seed=config.layers.seed,
        index_property=config.probes.get("index_property", DEFAULT_PROPERTY),
        untrained_batch_norm=_statistics(config),
    )


def _statistics(config: DictConfig) -> str:
    """Of batch norm, before training: a network that begins from weights has statistics of its own."""
    trains = "fingerprint" not in config  # of weights from elsewhere, whose twin is untrained
    initial: str = STATISTICS[0]
    return initial if trains and begins_from_weights(config) else config.get("untrained_batch_norm", initial)
