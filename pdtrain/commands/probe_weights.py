"""Probes weights from elsewhere, and beside them the same architecture untrained; needs no data set."""

import hashlib
from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytorch_lightning as lightning
import torch
from omegaconf import DictConfig, OmegaConf, open_dict
from rich.console import Console
from torch import nn

from pdtrain.commands.build import built
from pdtrain.commands.probe_job import ProbeJob, sole_prober
from pdtrain.errors import InputError
from pdtrain.results.configuration import SHUFFLED_WEIGHTS, check_same_weights, holds_run, save_configuration
from pdtrain.results.rows import PRETRAINED, UNTRAINED
from pdtrain.stimuli.preprocessing import Preprocessing
from pdtrain.training.checkpoints import load_weights, network_weights, read_checkpoint
from pdtrain.training.controls import shuffle_weights
from pdtrain.training.models import AUXILIARY, NORMALIZING, check_image_size
from pdtrain.training.published import Published, published_of
from pdtrain.training.state_dicts import outputs_of, renamed

_OF_WEIGHTS = ("model", "match", "preprocessing", "untrained", "seed", "fingerprint")  # and of what is beside them
_Build = Callable[[int | None], nn.Module]


def probe_weights(config: DictConfig, overrides: Sequence[str], console: Console) -> list[Path]:
    """Probe the untrained network and that with the weights; return the files written.

    Images are shown as the publisher of the weights showed them, unless the `overrides` name a data set, which then
    says how.

    Raises
    ------
    InputError
        If the weights do not fit, or nothing says how images are shown to them.
    """
    folder = Path(config.out)
    with sole_prober(config, folder):
        return _probe(config, folder, overrides, console)


def _probe(config: DictConfig, folder: Path, overrides: Sequence[str], console: Console) -> list[Path]:
    lightning.seed_everything(config.seed, verbose=False)
    data = _data_set(config) if _is_named("data", overrides) else None
    channels = len(config.preprocessing.mean or "RGB") if data is None else data.shape[0]
    network = _pretrained(config, channels, console)
    published = published_of(network)
    shown = _preprocessing(config, published, console) if data is None else _as_data(data, published, console)
    outputs = check_image_size(network, shown.shape, key="preprocessing.pixels" if data is None else None)
    with open_dict(config):
        config.data = config.data if data is not None else None
        config.published = None if published is None else asdict(published)
        config.preprocessing = asdict(shown) if data is None else None
        config.fingerprint = _fingerprint(network)
    check_same_weights(folder, config, _OF_WEIGHTS)
    with ProbeJob(config, folder, shown, network, console) as job:
        if not holds_run(folder):
            save_configuration(folder, config)
        if config.untrained and not job.is_done(UNTRAINED):
            job.measure(_untrained(config, network, outputs, channels), UNTRAINED, of="untrained")
        if not job.is_done(PRETRAINED):
            job.measure(network, PRETRAINED, of="pretrained")
        if job.written:
            job.say_what_must_be_known()
        else:
            console.print(f"{folder}: measured already; force=true measures again", soft_wrap=True)
    return job.written


def _is_named(group: str, overrides: Sequence[str]) -> bool:
    return any(override.lstrip("+~").partition("=")[0].partition(".")[0] == group for override in overrides)


def _data_set(config: DictConfig) -> Any:
    if given := [key for key, value in config.preprocessing.items() if value is not None]:
        raise InputError(
            f"preprocessing.{given[0]}: the data set says how its images are shown; give data.mean, "
            "data.standard_deviation and the like in its place, or leave out data="
        )
    data = built(config.data)
    data.setup()
    return data


def _architecture(config: DictConfig, channels: int) -> _Build:
    """What builds the network without weights, with so many outputs."""
    without = {"weights": None} if "weights" in config.model.network else {}
    return lambda outputs: built(config.model.network, num_classes=outputs, channels=channels, **without)


def _pretrained(config: DictConfig, channels: int, console: Console) -> nn.Module:
    _refuse_other_forms(config)
    given = config.model.network.get("num_classes")
    if config.state_dict is None:
        network: nn.Module = built(config.model.network, num_classes=given, channels=channels)
        return network
    weights = network_weights(read_checkpoint(config.state_dict, key="state_dict"))
    weights = {name: value for name, value in weights.items() if AUXILIARY.isdisjoint(name.split("."))}
    build = _architecture(config, channels)
    network = build(given or outputs_of(weights, build, match=config.match) or 1000)
    own = network.state_dict()
    weights = renamed(weights, own, match=config.match)
    load_weights(network, weights, config.state_dict, key="state_dict")
    if config.match == "order":
        console.print(
            f"match=order: {len(own)} tensors were paired by their order alone, whatever their names; compare the "
            "outputs with those of the network that the file is from",
            style="bold",
        )
    return network


def _refuse_other_forms(config: DictConfig) -> None:
    """Raise InputError where the network would be another than that of the weights, though they fit."""
    node = config.model.network
    if node.get("small_images") and node.get("weights") is not None:
        raise InputError(
            f"model.network.small_images=true: the first layer of {node.name} is then not that of its weights; give "
            "false, or the file of a network that was trained in this form as state_dict"
        )
    if node.get("name") in NORMALIZING and config.state_dict is not None and node.transform_input is None:
        raise InputError(
            f"model.network.transform_input: {node.name} may normalize images itself, and the file does not say; give "
            "true for torchvision's own weights, false for those of a training of yours"
        )


def _preprocessing(config: DictConfig, published: Published | None, console: Console) -> Preprocessing:
    """As published, or as the user says; printed."""
    given: Any = OmegaConf.to_container(config.preprocessing)
    if published is not None:
        shown = published.preprocessing.changed(given)
    elif missing := [key for key in ("pixels", "mean", "standard_deviation") if given[key] is None]:
        raise InputError(
            f"preprocessing.{missing[0]}: how images are shown to this network is not known; give it (and "
            "preprocessing.pixels, mean and standard_deviation, all three), or the data set that it was trained on, as "
            "in data=objects"
        )
    else:
        shown = Preprocessing.of(given)
    source = "" if published is None else f" (as {published.weights}, but for what was given)"
    console.print(f"images: {shown}{source}", soft_wrap=True, highlight=False)
    return shown


def _as_data(data: Any, published: Published | None, console: Console) -> Any:
    """The data set, which says how its images are shown; said where something else is published."""
    if published is not None:
        console.print(
            f"images: as data= shows them (data.mean and so on), not as {published.weights}: {published.preprocessing}",
            soft_wrap=True, highlight=False,
        )  # fmt: skip
    return data


def _fingerprint(network: nn.Module) -> str:
    """A name of the weights, alike only for the same ones, whatever their file is called."""
    hashed = hashlib.sha256()
    for name, value in network.state_dict().items():
        hashed.update(name.encode())
        hashed.update(value.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().data)
    return hashed.hexdigest()[:16]


def _untrained(config: DictConfig, network: nn.Module, outputs: int, channels: int) -> nn.Module:
    """The architecture as training would begin with it, or with the weights of each layer permuted."""
    if config.untrained == SHUFFLED_WEIGHTS:
        shuffled = deepcopy(network)
        shuffle_weights(shuffled, seed=config.seed)
        return shuffled
    lightning.seed_everything(config.seed, verbose=False)
    twin = _architecture(config, channels)(outputs)
    for ours, theirs in zip(twin.modules(), network.modules(), strict=True):
        if hasattr(theirs, "transform_input"):  # which normalizes, and is no weight
            ours.transform_input = theirs.transform_input
    return twin
