"""The shell around every Hydra command: what users can mend becomes one line and exit code 2, the rest a traceback.

A job of a sweep raises instead, so that the other jobs go on.
"""

import errno
import os
import re
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Any

from hydra import compose, initialize_config_module
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException, InstantiationException, MissingConfigException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import MissingMandatoryValue, OmegaConfBaseException

from pdtrain.commands.choices import keep_choices
from pdtrain.commands.configuration_check import check_values, other_command
from pdtrain.commands.left_out import count_job, leave_out, may_be_left_out
from pdtrain.commands.library_noise import leave_out_noise
from pdtrain.commands.new_folders import take_back, take_back_job
from pdtrain.commands.own_modules import find_own_modules
from pdtrain.commands.slips import meant, nearest_key, options_last
from pdtrain.commands.trainer import NOT_KEYS
from pdtrain.errors import InputError, NothingMatches, Preempted, RunError, one_line, unknown_name
from pdtrain.training.signals import handled_by, leave_when_asked

_WRONG_INPUT, _CANNOT_GO_ON = 2, 1  # exit codes
_GOES_ON = {"pdtrain-train": "the same command with resume=auto goes on (a sweep: with sweep.resume=true)"}
_OF_MEMORY = "DefaultCPUAllocator"  # torch's, which names no type of error
_NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def run_command(name: str, config_name: str, launch: Callable[[], None]) -> None:
    """Run a function decorated by `hydra.main`, with errors as the user should see them.

    Parameters
    ----------
    name
        Command as typed, the start of the line.
    config_name
        Its entry configuration, whose keys are suggested for mistyped ones.
    launch
        The decorated function.
    """
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra then leaves its errors to us
    # W&B's service of a process that started this one: if this one is killed, the service keeps its run from the next
    os.environ.pop("WANDB_SERVICE", None)
    leave_out_noise()
    leave_when_asked()
    _check_words(name, config_name)
    sys.argv[1:] = options_last(sys.argv[1:])
    try:
        launch()
    except Preempted as error:
        handled_by(signal.SIG_IGN)  # it leaves: what is asked once more would only be in the way
        print(f"{name}: {error.message}; {_GOES_ON.get(name, 'the same command goes on')}", file=sys.stderr)
        raise
    except Exception as error:
        explained = _explain(error) or _composition_error(error, config_name)
        if explained is not None:
            take_back()
        if explained is None or "debug=true" in sys.argv:
            raise
        end(name, *explained)


def _check_words(name: str, config_name: str) -> None:
    """End the command where its line has words that are no `key=value`, with the line that was probably meant."""
    words = sys.argv[1:]
    if meant(words, {}, {}) is None:
        return
    keys, choices = _keys_and_choices(config_name)
    found = meant(words, keys, choices)
    if found is None:
        return
    at_fault, corrected = found
    hint = f"did you mean: {name} {corrected}" if corrected else "--help shows how, --cfg job all keys"
    end(name, f"{at_fault}: what is set is given as key=value; {hint}")


def run_job(name: str, config: DictConfig, task: Callable[[DictConfig], Any]) -> Any:
    """Run one job, its values checked; outside a sweep its errors end the command before Hydra adds lines.

    A job of a sweep whose network has none of the layers that patterns ask for is left out.
    """
    hydra = HydraConfig.get()
    count_job(hydra)
    try:
        find_own_modules(config)
        check_values(config, hydra)
        keep_choices(config, hydra)
        return task(config)
    except Exception as error:
        if isinstance(error, NothingMatches) and may_be_left_out(config, hydra):
            take_back_job(hydra)
            return leave_out(name, config, hydra, error)
        explained = _explain(error)
        if explained is not None:
            take_back_job(hydra)
        if explained is None or config.debug is True or hydra.mode == RunMode.MULTIRUN:
            raise
        end(name, *explained)


def end(name: str, line: str, exit_code: int = _WRONG_INPUT) -> None:
    """End the command `name` with one line."""
    print(f"{name}: {one_line(line)}", file=sys.stderr)
    sys.exit(exit_code)


def _explain(error: BaseException) -> tuple[str, int] | None:
    """One line and the exit code for an error that users can mend; None for any other."""
    for cause in _causes(error):
        if isinstance(cause, InputError):
            return _without_worker(str(cause)), _WRONG_INPUT
        if isinstance(cause, RunError):
            return str(cause), _CANNOT_GO_ON
        if isinstance(cause, OSError) and cause.errno in _NO_SPACE:
            kept = "what was written before is whole: make room, and go on with resume=auto"
            return f"{cause.filename or 'writing'}: {cause.strerror}; {kept}", _CANNOT_GO_ON
        if isinstance(cause, OSError) and cause.filename:
            return f"{cause.filename}: {cause.strerror}", _CANNOT_GO_ON
        if isinstance(cause, MemoryError) or _OF_MEMORY in str(cause):
            said = str(cause).partition(_OF_MEMORY)[2].strip(": ").partition("\n")[0]
            return (
                f"memory does not suffice ({said or 'none is left'}); fewer or smaller images need less",
                _CANNOT_GO_ON,
            )
        if isinstance(cause, MissingMandatoryValue):
            return f"{cause.full_key}: a value is needed; give {cause.full_key}=...", _WRONG_INPUT
    if isinstance(error, InstantiationException):
        return _instantiation_error(error), _WRONG_INPUT
    return None


def _instantiation_error(error: InstantiationException) -> str:
    """Hydra says: Error in call to target 'torch.optim.AdamW': ValueError('Invalid ...') full_key: optimizer"""
    text = str(error)
    key = text.partition("full_key: ")[2].strip() or "configuration"
    reason = str(error.__cause__ or text.partition("full_key: ")[0])
    return f"{key}: {' '.join(reason.split())}"


def _without_worker(message: str) -> str:
    """The message itself, of an error that a data loader's worker wrapped in its traceback."""
    return message.strip().splitlines()[-1].partition(": ")[2] if message.startswith("Caught ") else message


def _composition_error(error: BaseException, config_name: str) -> tuple[str, int] | None:
    """One line and the exit code for an error in the command line itself."""
    text = " ".join(line for cause in _causes(error) for line in str(cause).splitlines())
    if isinstance(error, MissingConfigException) and error.missing_cfg_file and error.options is not None:
        group, _, choice = error.missing_cfg_file.rpartition("/")
        return str(unknown_name(group, choice, error.options, of="choice", rest="--help")), _WRONG_INPUT
    if found := re.search(r"In 'experiment/([^']*)': Could not override '([^']*)'. No match", text):
        return str(other_command(found[1], found[2], config_name)), _WRONG_INPUT
    if isinstance(error, HydraException | OmegaConfBaseException):
        return _nearest_key(text, config_name) or " ".join(text.split()), _WRONG_INPUT
    return None


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__


def _nearest_key(text: str, config_name: str) -> str | None:
    """Hydra says: Could not override 'trainer.max_epoch'. ... Key 'max_epoch' is not in struct ..."""
    if found := re.search(r"Could not append to config. An item is already at '([^']*)'", text):
        return f"+{found[1]}: there is such a key already; give {found[1]}=... without the +"
    found = re.search(r"Could not (?:override|delete) '([^']*)'", text)
    if found is None or "not in struct" not in text:
        return None
    key = found[1]
    group, _, name = key.rpartition(".")
    if group == "trainer" and name in NOT_KEYS:
        return f"{key}: no such key; {NOT_KEYS[name]}"
    nearest = nearest_key(key, _keys_as_chosen(config_name))
    hint = f"did you mean {nearest}?" if nearest else "see --cfg job for all keys"
    adds = f" (+{key}=... adds a new one)" if group else ""
    return f"{key}: no such key; {hint}{adds}"


def _keys_as_chosen(config_name: str) -> dict[str, Any]:
    """Keys of an entry configuration, those of its groups as far as the command line leaves or makes the choice."""
    keys, choices = _keys_and_choices(config_name)
    given = dict(word.split("=", 1) for word in sys.argv[1:] if "=" in word)
    chosen = {group: choice.split(",")[0] for group, choice in given.items() if group in choices}
    known = [f"{group}={choice}" for group, choice in chosen.items() if choice in choices[group]]
    with suppress(HydraException):  # the line has another mistake too
        keys, _ = _keys_and_choices(config_name, known)
    elsewhere = tuple(f"{group}." for group, choice in chosen.items() if choice not in choices[group])
    return {key: value for key, value in keys.items() if not key.startswith(elsewhere)}


def _keys_and_choices(config_name: str, chosen: Sequence[str] = ()) -> tuple[dict[str, Any], dict[str, list[str]]]:
    """Keys of an entry configuration with their defaults, and the choices of its groups."""
    with initialize_config_module("pdtrain.conf", version_base="1.3"):
        keys = dict(_keys(OmegaConf.to_container(compose(config_name, list(chosen)), resolve=False)))
        loader = GlobalHydra.instance().config_loader()
        groups = [group for group in loader.list_groups("") if group in keys or group == "experiment"]
        keys |= {group: "" for group in groups if group not in keys}
        return keys, {group: loader.get_group_options(group) for group in groups if config_name != "report"}


def _keys(node: object, prefix: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(node, dict):
        for key, value in node.items():
            yield f"{prefix}{key}", value
            yield from _keys(value, f"{prefix}{key}.")
