"""Builds what a configuration names: network, probes and the prober that runs them. Training and probing share it."""

from collections.abc import Callable
from typing import Any

from hydra.utils import instantiate
from omegaconf import DictConfig
from torch import nn

from pdtrain.errors import InputError
from pdtrain.probes.dimension_probe import DimensionProbe
from pdtrain.probes.information_probe import InformationProbe
from pdtrain.probes.object_probe import DiscriminabilityProbe, ObjectInformationProbe
from pdtrain.probes.prober import Probe, Prober
from pdtrain.results.store import ResultsStore
from pdtrain.training.models import check_image_size

PROBES: dict[str, Callable[..., Probe]] = {
    "intrinsic_dimension": DimensionProbe,
    "unit_information": InformationProbe,
    "object_information": ObjectInformationProbe,
    "discriminability": DiscriminabilityProbe,
}


def build_network(config: DictConfig, data: Any) -> nn.Module:
    """Build the network for the data's classes, channels and image size."""
    network = instantiate(config.model.network, num_classes=data.num_classes, channels=data.shape[0])
    check_image_size(network, data.shape)
    return network


def build_probes(config: DictConfig) -> list[Probe]:
    """Build every probe that is not null; a configuration of an earlier version may not know all of them."""
    return [_build_probe(name, kind, config.probes[name]) for name, kind in PROBES.items() if config.probes.get(name)]


def _build_probe(name: str, kind: Callable[..., Probe], options: DictConfig) -> Probe:
    try:
        return kind(**{str(key): value for key, value in options.items()})
    except TypeError as error:
        raise InputError(f"probes.{name}: {error}") from error


def build_prober(config: DictConfig, data: Any, store: ResultsStore) -> Prober:
    """Build stimuli and prober."""
    return Prober(
        instantiate(config.stimuli, data),
        store,
        layers=config.layers.names,
        max_units=config.layers.max_units,
        memory_bytes=config.layers.memory_bytes,
        batch_size=config.probes.batch_size,
        seed=config.probes.seed,
        index_property=config.probes.index_property,
    )


def measured_properties(config: DictConfig) -> list[str]:
    """Properties that the configuration measures information about."""
    information = config.probes.unit_information
    return [] if information is None else list(information.properties)
