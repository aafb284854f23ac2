"""Keys that must fit each other, and those that another makes idle: as far as they alone tell it, before anything that
takes long is imported."""

import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pdtrain.commands.known_data import (
    FACTORIAL,
    HELD_OUT,
    IMAGE_FOLDERS,
    RANGES,
    RENDERED,
    channels_of,
    classes_of,
    parameters_of,
)
from pdtrain.commands.metric_keys import monitored_metrics, optimised_metric
from pdtrain.commands.targets import targets_in
from pdtrain.errors import InputError
from pdtrain.stimuli.channel_values import check_channels
from pdtrain.stimuli.property_names import LOCAL, OF_IMAGES, check_property_names
from pdtrain.stimuli.transformations import check_levels

_INFORMATION = "pdtrain.probes.information_probe.InformationProbe"
# packages that add no properties of images to those that there are
_ADD_NONE = ("pdtrain.", "torch.", "torchvision.", "pytorch_lightning.", "timm.")
_NO_END = -1
# schedulers that are told the length of the training
_TOLD_LENGTH = ("OneCycleLR", "CosineAnnealingLR", "warmup_cosine", "step_decay")


def check_fitting(config: Mapping[str, Any]) -> None:
    """Raise InputError for the first key that does not fit another.

    Parameters
    ----------
    config
        A configuration of a training, its interpolations unresolved; each value alone is right.
    """
    for check in (
        _trainer,
        _processes,
        _image_folder,
        _rendered_images,
        _normalization,
        _outputs,
        *_OF_STIMULI,
        _properties,
        monitored_metrics,
        optimised_metric,
    ):
        for error in check(config):
            raise error


def check_stimuli(config: Mapping[str, Any]) -> None:
    """Raise InputError for the first of what a configuration says of its stimuli that cannot be, as `check_fitting`.

    Of a probing: what the run has may be its own, such as properties.
    """
    for check in _OF_STIMULI:
        for error in check(config):
            raise error


def check_outputs(given: int, classes: int) -> None:
    """Raise InputError for a number of outputs that does not do for so many classes."""
    if given < classes:
        raise InputError(f"model.network.num_classes={given}: the data have {classes} classes; give as many")


def _group(config: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = config.get(key)
    return found if isinstance(found, Mapping) else {}


def _trainer(config: Mapping[str, Any]) -> Iterator[InputError]:
    trainer = _group(config, "trainer")
    yield from _least_and_most(trainer)
    yield from _end(trainer, scheduler=str(_group(config, "scheduler").get("_target_")))
    yield from _devices(trainer)
    yield from _validation(trainer)
    if trainer.get("gradient_clip_algorithm") is not None and not trainer.get("gradient_clip_val"):
        yield InputError(
            f"trainer.gradient_clip_algorithm={trainer['gradient_clip_algorithm']}: nothing is clipped; give "
            "trainer.gradient_clip_val=... too"
        )


def _least_and_most(trainer: Mapping[str, Any]) -> Iterator[InputError]:
    for what in ("epochs", "steps"):
        least, most = trainer.get(f"min_{what}"), trainer.get(f"max_{what}")
        if isinstance(least, int) and isinstance(most, int) and _NO_END < most < least:
            yield InputError(f"trainer.min_{what}={least}: more than trainer.max_{what}={most}; give {most} or fewer")


def _end(trainer: Mapping[str, Any], *, scheduler: str) -> Iterator[InputError]:
    endless = trainer.get("max_epochs") == _NO_END and trainer.get("max_steps") in (None, _NO_END)
    if endless and scheduler.rpartition(".")[2] in _TOLD_LENGTH:
        yield InputError(
            f"trainer.max_epochs={_NO_END}: the scheduler must know how long the training is; give "
            "trainer.max_steps=..., or scheduler=constant"
        )


def _devices(trainer: Mapping[str, Any]) -> Iterator[InputError]:
    devices = trainer.get("devices")
    if trainer.get("accelerator") == "cpu" and (devices == -1 or isinstance(devices, list)):
        yield InputError(f"trainer.devices={devices}: with trainer.accelerator=cpu give how many processes, 1 or more")


def _validation(trainer: Mapping[str, Any]) -> Iterator[InputError]:
    interval = trainer.get("val_check_interval")
    if isinstance(interval, float) and trainer.get("check_val_every_n_epoch", 1) is None:
        yield InputError(
            f"trainer.val_check_interval={interval}: with trainer.check_val_every_n_epoch=null give a number of "
            "batches, or a time"
        )


def _processes(config: Mapping[str, Any]) -> Iterator[InputError]:
    trainer, size = _group(config, "trainer"), _group(config, "data").get("batch_size")
    devices, hosts = trainer.get("devices"), trainer.get("num_nodes") or 1
    parallel = str(trainer.get("strategy")).startswith("ddp")
    if not parallel or not isinstance(size, int) or not isinstance(devices, int) or not isinstance(hosts, int):
        return
    processes = devices * hosts
    if processes > 0 and size % processes:
        yield InputError(f"data.batch_size={size}: give a multiple of {processes}, one part per process")


def _rendered_images(config: Mapping[str, Any]) -> Iterator[InputError]:
    """Of these alone the configuration says how many there are."""
    data, stimuli = _group(config, "data"), _group(config, "stimuli")
    subset, count = data.get("subset"), stimuli.get("count")
    training, validation = data.get("training_images"), data.get("validation_images")
    if data.get("_target_") != RENDERED or data.get("validation_fraction") is not None:
        return
    if type(subset) is int and type(training) is int and not 0 < subset <= training:
        yield InputError(f"data.subset={subset}: choose from 1 to {training} training images")
    if stimuli.get("_target_") == HELD_OUT and type(count) is int and type(validation) is int and count > validation:
        yield InputError(f"stimuli.count={count}: choose from 1 to {validation}, the number of validation images")


def _image_folder(config: Mapping[str, Any]) -> Iterator[InputError]:
    data = _group(config, "data")
    root, resize, pixels = data.get("root"), data.get("resize"), data.get("pixels")
    if data.get("_target_") != IMAGE_FOLDERS:
        return
    if root is not None and not isinstance(root, str):
        yield InputError(f"data.root={root}: a path is needed; of a folder whose name is a number, data.root=./{root}")
    if isinstance(root, str) and "${" not in root and root != "???" and not Path(root).is_dir():
        yield InputError(
            f"data.root={root}: missing, or not to be read; give a folder with one folder of images per class"
        )
    if isinstance(resize, int) and isinstance(pixels, int) and resize < pixels:
        yield InputError(f"data.resize={resize}: give {pixels} (data.pixels) or more, or null")


def _normalization(config: Mapping[str, Any]) -> Iterator[InputError]:
    data = _group(config, "data")
    channels, given = channels_of(data), (data.get("mean", 0.0), data.get("standard_deviation", 1.0))
    if channels is not None and not any(map(_refers, given)):
        yield from _said_by(check_channels, *given, channels)


def _outputs(config: Mapping[str, Any]) -> Iterator[InputError]:
    given, classes = _group(_group(config, "model"), "network").get("num_classes"), classes_of(_group(config, "data"))
    if type(given) is int and classes is not None:
        yield from _said_by(check_outputs, given, classes)


def _ranges(config: Mapping[str, Any]) -> Iterator[InputError]:
    for name in ("data", "stimuli"):
        group = _group(config, name)
        kind = RANGES.get(str(group.get("_target_")))
        told = {key: value for key, value in _group(group, "transformations").items() if not _refers(value)}
        if kind is not None:
            yield from _said_by(kind.from_config, told, key=f"{name}.transformations")


def _levels(config: Mapping[str, Any]) -> Iterator[InputError]:
    stimuli = _group(config, "stimuli")
    if stimuli.get("_target_") == FACTORIAL:
        yield from _said_by(check_levels, _group(stimuli, "levels"))


_OF_STIMULI = (_ranges, _levels)


def _properties(config: Mapping[str, Any]) -> Iterator[InputError]:
    """Of those that the package has: a module of the user's may add others, and one that is loaded has them all."""
    parameters = parameters_of(_group(config, "data"), _group(config, "stimuli"))
    others = any(not str(target).startswith(_ADD_NONE) for _, target in targets_in(config))
    if parameters is None or others or "pdtrain.stimuli.properties" in sys.modules:
        return
    probes = _group(config, "probes")
    asked = {"probes.index_property": [probes.get("index_property")]}
    for name in probes:
        probe = _group(probes, name)
        if probe.get("_target_") == _INFORMATION:
            asked[f"probes.{name}.properties"] = probe.get("properties") or []
    among = {"of_images": OF_IMAGES, "local": LOCAL, "parameters": parameters}
    for key, names in asked.items():
        told = [name for name in names if isinstance(name, str) and not _refers(name)]
        yield from _said_by(check_property_names, told, **among, key=key)


def _refers(value: Any) -> bool:
    """Whether a value is missing, or another key's."""
    return value is None or "???" in str(value) or "${" in str(value)


def _said_by(check: Callable[..., object], *given: Any, **options: Any) -> Iterator[InputError]:
    try:
        check(*given, **options)
    except InputError as error:
        yield error
