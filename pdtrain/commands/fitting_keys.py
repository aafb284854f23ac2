"""Keys that must fit each other, and those that another makes idle: as far as they alone tell it, before anything that
takes long is imported."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pdtrain.commands.metric_keys import monitored_metrics, optimised_metric
from pdtrain.errors import InputError

_IMAGE_FOLDERS = "pdtrain.training.image_sets.ImageFolderData"
_RENDERED = "pdtrain.training.objects_data.ObjectsData"
_HELD_OUT = "pdtrain.stimuli.sources.held_out"
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
    for check in (_trainer, _processes, _image_folder, _rendered_images, monitored_metrics, optimised_metric):
        for error in check(config):
            raise error


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
    if data.get("_target_") != _RENDERED or data.get("validation_fraction") is not None:
        return
    if type(subset) is int and type(training) is int and not 0 < subset <= training:
        yield InputError(f"data.subset={subset}: choose from 1 to {training} training images")
    if stimuli.get("_target_") == _HELD_OUT and type(count) is int and type(validation) is int and count > validation:
        yield InputError(f"stimuli.count={count}: choose from 1 to {validation}, the number of validation images")


def _image_folder(config: Mapping[str, Any]) -> Iterator[InputError]:
    data = _group(config, "data")
    root, resize, pixels = data.get("root"), data.get("resize"), data.get("pixels")
    if data.get("_target_") != _IMAGE_FOLDERS:
        return
    if root is not None and not isinstance(root, str):
        yield InputError(f"data.root={root}: a path is needed; of a folder whose name is a number, data.root=./{root}")
    if isinstance(root, str) and "${" not in root and root != "???" and not Path(root).is_dir():
        yield InputError(
            f"data.root={root}: missing, or not to be read; give a folder with one folder of images per class"
        )
    if isinstance(resize, int) and isinstance(pixels, int) and resize < pixels:
        yield InputError(f"data.resize={resize}: give {pixels} (data.pixels) or more, or null")
