"""What papers have published of networks like those of a run: digitised values, to be shown beside its own."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import pandas as pd
import yaml
from omegaconf import DictConfig, OmegaConf

_FILE = "published.yaml"


@dataclass(frozen=True)
class PublishedProfile:
    """Dimension along depth, digitised.

    Attributes
    ----------
    label, what
        Source, for a legend; and what was measured there.
    quantity
        As in the rows.
    weights
        Of what runs: "pretrained" or "trained".
    of
        Keys and values of the configuration of runs that it stands beside; any of a list of values.
    layers, values
        Names as in that network, and what was found there, in dimensions.
    standard_deviations
        Of these; empty where they are not known.
    """

    label: str
    what: str
    quantity: str
    weights: str
    of: dict[str, Any]
    layers: tuple[str, ...]
    values: tuple[float, ...]
    standard_deviations: tuple[float, ...] = ()

    def at(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Columns layer_index, value and deviation at those of its layers that rows are of."""
        places = {
            str(name).removeprefix("network."): place for name, place in zip(rows.layer, rows.layer_index, strict=True)
        }
        deviations = self.standard_deviations or (float("nan"),) * len(self.values)
        known = zip(self.layers, self.values, deviations, strict=True)
        found = [(places[layer], value, deviation) for layer, value, deviation in known if layer in places]
        return pd.DataFrame(found, columns=["layer_index", "value", "deviation"])


@dataclass(frozen=True)
class PublishedNetwork:
    """Dimension of the last hidden layer of a network and its top-5 error in percent: Ansuini et al. (2019), Fig. 4."""

    name: str
    dimension: float
    standard_deviation: float
    error: float


def published_profiles(config: DictConfig | None, weights: Sequence[str]) -> list[PublishedProfile]:
    """Those that stand beside a run of this configuration, whose rows are of these weights.

    Examples
    --------
    >>> stimuli = {"_target_": "pdtrain.stimuli.sources.image_folder"}
    >>> config = OmegaConf.create({"model": {"network": {"name": "vgg16"}}, "stimuli": stimuli})
    >>> [profile.values[0] for profile in published_profiles(config, ["untrained", "pretrained"])]
    [31.7, 195.0, 193.0]
    """
    if config is None:
        return []
    every = (_profile(entry) for entry in _read()["profiles"])

    def matches(key: str, wanted: Any) -> bool:
        return OmegaConf.select(config, key) in (wanted if isinstance(wanted, list) else [wanted])

    return [
        profile
        for profile in every
        if profile.weights in weights and all(matches(key, wanted) for key, wanted in profile.of.items())
    ]


def published_networks() -> tuple[str, list[PublishedNetwork]]:
    """Source, for a legend, and networks.

    Examples
    --------
    >>> label, networks = published_networks()
    >>> label, len(networks), networks[0].error
    ('Ansuini et al. 2019, Fig. 4', 14, 20.91)
    """
    entry = _read()["last_hidden"]
    return entry["label"], [PublishedNetwork(name, *values) for name, values in entry["networks"].items()]


def _profile(entry: dict[str, Any]) -> PublishedProfile:
    numbers = {key: tuple(map(float, entry.get(key, ()))) for key in ("values", "standard_deviations")}
    return PublishedProfile(**{**entry, **numbers, "layers": tuple(entry["layers"])})


@cache
def _read() -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load(files("pdtrain.report").joinpath(_FILE).read_text())
    return content
