"""Reads checkpoints as data: nothing in them is executed."""

import pickle
import re
from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from pdtrain.errors import InputError
from pdtrain.results.rows import ProbePoint
from pdtrain.training.state_dicts import wrapped_alike

LAST = "last.ckpt"  # another name of the newest checkpoint to go on from
STATE = "pdtrain"  # what the checkpoint holds beside Lightning's own, see `pdtrain.callbacks.Resuming`
_PROBED = re.compile(r"epoch=(\d+)-step=(\d+)")
_NETWORK = "network."


def read_checkpoint(path: str | Path, *, key: str = "ckpt_path") -> dict[str, Any]:
    """Read a checkpoint or state dict with `weights_only=True`.

    Raises
    ------
    InputError
        If there is no such file, it is damaged, or it holds anything that would have to be executed.
    """
    if not Path(path).is_file():
        raise InputError(f"{key}={path}: no such file")
    if Path(path).suffix == ".safetensors":
        raise InputError(
            f"{key}={path}: safetensors files are not read; torch.save(safetensors.torch.load_file(FILE), "
            "'weights.pth') makes one that is"
        )
    with Path(path).open("rb") as file:
        if not file.read(2).startswith((b"PK", b"\x80")):  # a zip archive, or a pickle as torch wrote before 1.6
            raise InputError(f"{key}={path}: damaged, or no checkpoint")
    try:
        with torch.serialization.safe_globals([Namespace]):  # torchvision's training keeps its arguments
            content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        if "Unsupported" in str(error) or "GLOBAL" in str(error):
            raise InputError(
                f"{key}={path}: refused, since it holds more than tensors and plain values: loading could run code"
            ) from error
        raise InputError(f"{key}={path}: damaged, or no checkpoint") from error
    except (RuntimeError, EOFError, OSError, ValueError, KeyError) as error:
        raise InputError(f"{key}={path}: damaged, or no checkpoint ({type(error).__name__})") from error
    if not isinstance(content, dict):
        raise InputError(f"{key}={path}: holds a {type(content).__name__}, not a checkpoint or state dict")
    if not isinstance(state := content.get("state_dict", {}), dict):
        raise InputError(f"{key}={path}: its state_dict is a {type(state).__name__}, not tensors by name")
    return content


def network_weights(content: Mapping[str, Any]) -> dict[str, Tensor]:
    """Weights of the network in a Lightning checkpoint of ours, in torchvision's own, or in a plain state dict."""
    if "state_dict" not in content:
        return dict(content["model"] if isinstance(content.get("model"), Mapping) else content)
    state = content["state_dict"]
    ours = {name.removeprefix(_NETWORK): value for name, value in state.items() if name.startswith(_NETWORK)}
    return ours or dict(state)


def check_architecture(own: Mapping[str, Tensor], saved: Mapping[str, Any], path: str | Path, *, key: str) -> None:
    """Raise InputError if `saved` has other names or shapes than `own`."""
    differing = sorted(set(saved) ^ set(own)) or [name for name in own if own[name].shape != saved[name].shape]
    last = list(own)[-1].rpartition(".")[0]
    if saved.keys() == own.keys() and differing and all(name.rpartition(".")[0] == last for name in differing):
        there, here = (len(state[differing[0]]) for state in (saved, own))
        raise InputError(
            f"{key}={path}: fits but for its last layer, {last}, which has {there} outputs there and {here} here; "
            f"model.network.num_classes={there} keeps it"
        )
    if differing:
        raise InputError(
            f"{key}={path}: made by another architecture ({differing[0]} differs); set model= as in that run"
        )


def load_network(network: nn.Module, path: str | Path, *, key: str = "ckpt_path") -> dict[str, Any]:
    """Load the weights in a checkpoint or state dict into `network`; return all that the file holds."""
    content = read_checkpoint(path, key=key)
    load_weights(network, network_weights(content), path, key=key)
    return content


def load_weights(network: nn.Module, weights: Mapping[str, Any], path: str | Path, *, key: str) -> None:
    """Load weights, which were read from `path`, into `network`."""
    own = network.state_dict()
    weights = wrapped_alike(weights, own)
    check_architecture(own, weights, path, key=key)
    if any(map(_has_channels_last, weights.values())):  # as it was trained, so that it computes the same
        network.to(memory_format=torch.channels_last)
    network.load_state_dict(weights)


def _has_channels_last(weights: Tensor) -> bool:
    return (
        weights.dim() == 4 and not weights.is_contiguous() and weights.is_contiguous(memory_format=torch.channels_last)
    )


def point_of(path: str | Path, content: Mapping[str, Any]) -> ProbePoint:
    """When a checkpoint was made: as its name says, else as Lightning counts; a plain state dict is (0, 0)."""
    found = _PROBED.search(Path(path).stem)
    if found:
        return ProbePoint(int(found[1]), int(found[2]))
    return ProbePoint(int(content.get("epoch", -1)) + 1, int(content.get("global_step", 0)))


def resumable_checkpoints(folder: str | Path) -> list[Path]:
    """Checkpoints a run can go on from, the newest first."""
    return sorted(Path(folder).glob("resume-step=*.ckpt"), reverse=True)


def place_in_data(content: Mapping[str, Any]) -> tuple[int, int]:
    """Epoch and number of its batches after which a Lightning checkpoint was made, both from 0."""
    loops = content["loops"]["fit_loop"]
    started = loops["epoch_progress"]["total"]["started"]
    batches = loops["epoch_loop.batch_progress"]
    if batches["is_last_batch"] or not started:
        return started, 0
    return started - 1, batches["current"]["processed"]
