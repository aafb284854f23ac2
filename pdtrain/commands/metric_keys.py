"""Keys that name a metric: refused where nothing can log it, since that would be missed only after the training of an
epoch, or of a whole job."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any, TypeGuard

from pdtrain.errors import InputError, unknown_name
from pdtrain.results.logged import OF_EPOCHS, OF_TRAINING
from pdtrain.results.measures import BUILT_IN

# callbacks that log nothing beside: another may log what it likes
_LOG_NOTHING_ELSE = (
    "pdtrain.callbacks.",
    *(
        f"pytorch_lightning.callbacks.{name}"
        for name in ("ModelCheckpoint", "EarlyStopping", "EMAWeightAveraging", "StochasticWeightAveraging")
    ),
)
_OURS = "pdtrain.probes."
_SECTIONS = ("train", "val", "time")
_INDEX = "index"
_INDICES = tuple(f"{_INDEX}/{measure.quantity}" for measure in BUILT_IN if measure.probe == _INDEX)
_ERROR = "_std"  # ends the name of a standard error


def monitored_metrics(config: Mapping[str, Any]) -> Iterator[InputError]:
    """Errors of what callbacks monitor, such as a checkpoint, where no callback is there that could log it."""
    if _others_log(config):
        return
    for key, name in _monitored(config):
        if name not in OF_EPOCHS:
            yield unknown_name(key, name, OF_EPOCHS, of="metric of an epoch")


def check_monitored(config: Mapping[str, Any], error: Exception, logged: Collection[str]) -> None:
    """Raise InputError if what ended a training is that a callback monitors a metric which nothing has logged.

    Parameters
    ----------
    config
        A configuration of a training.
    error
        What ended it; Lightning's name the metric between quotation marks.
    logged
        Names of what was logged.
    """
    for key, name in _monitored(config):
        if name not in logged and (f"'{name}'" in str(error) or f"`{name}`" in str(error)):
            raise unknown_name(key, name, logged, of="metric is logged") from error


def optimised_metric(config: Mapping[str, Any]) -> Iterator[InputError]:
    """Error of `sweep.metric`, where no callback and no probe is there that could log it."""
    sweep, probes = config.get("sweep"), config.get("probes")
    name = sweep.get("metric") if isinstance(sweep, Mapping) else None
    if not _is_name(name) or _others_log(config) or not _all_begin(probes, (_OURS,)):
        return
    section, slash, rest = name.partition("/")
    index = section == _INDEX and "/" not in rest  # with more parts it names a property or a layer
    known = (*OF_TRAINING, *_INDICES)
    if (not slash or section in _SECTIONS or index) and name not in known and name.removesuffix(_ERROR) not in _INDICES:
        yield unknown_name("sweep.metric", name, known, of="metric", rest="docs/logged.md")


def _monitored(config: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Keys and names of what callbacks monitor."""
    trainer, callbacks = config.get("trainer"), config.get("callbacks")
    keeps_none = isinstance(trainer, Mapping) and trainer.get("enable_checkpointing") is False
    for callback, node in callbacks.items() if isinstance(callbacks, Mapping) else ():
        if not isinstance(node, Mapping) or (keeps_none and str(node.get("_target_")).endswith("Checkpoint")):
            continue
        if _is_name(name := node.get("monitor")):
            yield f"callbacks.{callback}.monitor", name


def _is_name(value: Any) -> TypeGuard[str]:
    return isinstance(value, str) and "${" not in value and value != "???"


def _others_log(config: Mapping[str, Any]) -> bool:
    return not _all_begin(config.get("callbacks"), _LOG_NOTHING_ELSE)


def _all_begin(group: Any, with_one_of: tuple[str, ...]) -> bool:
    """Whether the classes of a group have names that begin so."""
    nodes = group.values() if isinstance(group, Mapping) else ()
    targets = [str(node["_target_"]) for node in nodes if isinstance(node, Mapping) and "_target_" in node]
    return all(target.startswith(with_one_of) for target in targets)
