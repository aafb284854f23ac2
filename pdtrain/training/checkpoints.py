"""Reads checkpoints as data: nothing in them is executed."""

from __future__ import annotations

import pickle
import re
from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pdtrain.checksums import zip_is_intact
from pdtrain.errors import DamagedFile, InputError
from pdtrain.results.rows import ProbePoint

if TYPE_CHECKING:  # torch is imported where a file is read
    from torch import Tensor, nn

LAST = "last.ckpt"  # another name of the newest checkpoint to go on from
STATE = "pdtrain"  # what the checkpoint holds beside Lightning's own, see `pdtrain.callbacks.Resuming`
_PARTS = {"state_dict", "optimizer_states", "lr_schedulers", "loops", "callbacks"}
_PARTS_OF_STATE = {"random", "logged", "metrics"}
_STEP = re.compile(r"step=(\d+)")
_PROBED = re.compile(r"epoch=(\d+)-step=(\d+)")
_NETWORK = "network."


def read_checkpoint(path: str | Path, *, key: str = "ckpt_path") -> dict[str, Any]:
    """Read a checkpoint or state dict with `weights_only=True`.

    Raises
    ------
    DamagedFile
        If it is not as it was written, or no checkpoint.
    InputError
        If there is no such file, or it holds anything that would have to be executed.
    """
    path = checkpoint_file(path, key=key)
    if path.suffix == ".safetensors":
        raise InputError(
            f"{key}={path}: safetensors files are not read; torch.save(safetensors.torch.load_file(FILE), "
            "'weights.pth') makes one that is"
        )
    if not _is_intact(path):
        raise DamagedFile(f"{key}={path}: damaged, or no checkpoint")
    import torch

    try:
        with torch.serialization.safe_globals([Namespace]):  # torchvision's training keeps its arguments
            content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # whatever a damaged file brings about
        if isinstance(error, pickle.UnpicklingError) and ("Unsupported" in str(error) or "GLOBAL" in str(error)):
            raise InputError(
                f"{key}={path}: refused, since it holds more than tensors and plain values: loading could run code"
            ) from error
        raise DamagedFile(f"{key}={path}: damaged, or no checkpoint ({type(error).__name__})") from error
    if not isinstance(content, dict):
        raise InputError(f"{key}={path}: holds a {type(content).__name__}, not a checkpoint or state dict")
    if not isinstance(state := content.get("state_dict", {}), dict):
        raise InputError(f"{key}={path}: its state_dict is a {type(state).__name__}, not tensors by name")
    if not all(isinstance(name, str) for name in [*content, *state, *_of_torchvision(content)]):
        raise InputError(f"{key}={path}: names its tensors by something else than text")
    _check_step(Path(path), content, key=key)
    return content


def _is_intact(path: Path) -> bool:
    with path.open("rb") as file:
        beginning = file.read(2)
    return zip_is_intact(path) if beginning == b"PK" else beginning.startswith(b"\x80")  # torch's before 1.6


def _check_step(path: Path, content: Mapping[str, Any], *, key: str) -> None:
    """Raise DamagedFile if a checkpoint was made after another step than its name says."""
    said, made = _STEP.search(path.stem), content.get("global_step")
    if said and isinstance(made, int) and made != int(said[1]):
        raise DamagedFile(f"{key}={path}: is the checkpoint of another step, {made}")


def read_resumable(path: str | Path) -> dict[str, Any]:
    """Read a checkpoint that a run of ours can go on from.

    Raises
    ------
    DamagedFile
        If it is not as it was written, or lacks a part.
    """
    content = read_checkpoint(path)
    try:
        missing = (_PARTS - content.keys()) | (_PARTS_OF_STATE - content[STATE].keys())
        place_in_data(content)
    except (KeyError, TypeError, AttributeError) as error:
        raise DamagedFile(f"ckpt_path={path}: damaged: without a part of what a run goes on from ({error})") from error
    if missing:
        raise DamagedFile(f"ckpt_path={path}: damaged: without {', '.join(sorted(missing))}")
    return content


def checkpoint_file(path: str | Path, *, key: str = "ckpt_path") -> Path:
    """The file at `path`; raise InputError if there is none, DamagedFile if it begins as no checkpoint does."""
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{key}={path}: no such file")
    if path.suffix == ".safetensors":
        raise InputError(
            f"{key}={path}: safetensors files are not read; torch.save(safetensors.torch.load_file(FILE), "
            "'weights.pth') makes one that is"
        )
    with path.open("rb") as file:
        if not file.read(2).startswith((b"PK", b"\x80")):  # a zip archive, or a pickle as torch wrote before 1.6
            raise DamagedFile(f"{key}={path}: damaged, or no checkpoint")
    return path


def network_weights(content: Mapping[str, Any]) -> dict[str, Tensor]:
    """Weights of the network in a Lightning checkpoint of ours, in torchvision's own, or in a plain state dict."""
    if "state_dict" not in content:
        return _of_torchvision(content) or dict(content)
    state = content["state_dict"]
    ours = {name.removeprefix(_NETWORK): value for name, value in state.items() if name.startswith(_NETWORK)}
    return ours or dict(state)


def _of_torchvision(content: Mapping[str, Any]) -> dict[str, Tensor]:
    return dict(content["model"]) if isinstance(content.get("model"), Mapping) else {}


def check_architecture(own: Mapping[str, Tensor], saved: Mapping[str, Any], path: str | Path, *, key: str) -> None:
    """Raise InputError if `saved` has other names or shapes than `own`, or numbers that `own` cannot hold."""
    for name in saved.keys() & own.keys():
        if reason := _unfit(saved[name], own[name]):
            raise InputError(f"{key}={path}: {name} {reason}; give weights of real numbers, as this network has them")
    differing = sorted(set(saved) ^ set(own)) or [name for name in own if own[name].shape != saved[name].shape]
    last = list(own)[-1].rpartition(".")[0]
    of_last = saved.keys() == own.keys() and all(
        name.rpartition(".")[0] == last and saved[name].ndim and saved[name].shape[1:] == own[name].shape[1:]
        for name in differing
    )
    if differing and of_last:
        there, here = (len(state[differing[0]]) for state in (saved, own))
        raise InputError(
            f"{key}={path}: fits but for its last layer, {last}, which has {there} outputs there and {here} here; "
            f"model.network.num_classes={there} keeps it"
        )
    if differing:
        raise InputError(
            f"{key}={path}: made by another architecture ({differing[0]} differs); set model= as in that run"
        )


def _unfit(saved: Any, own: Tensor) -> str:
    """Why a value cannot become a tensor of the network's without loss, or nothing."""
    import torch

    if not isinstance(saved, torch.Tensor):
        return f"is a {type(saved).__name__}, no tensor"
    if saved.layout != torch.strided or saved.is_quantized:
        return "is quantized or sparse"
    if saved.is_complex() and not own.is_complex():
        return f"holds complex numbers ({_named(saved)}), whose imaginary part would be lost"
    if own.is_floating_point() and not saved.is_floating_point() and not saved.is_complex():
        return f"holds whole numbers ({_named(saved)}), perhaps quantized ones"
    return ""


def _named(tensor: Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")


def load_network(network: nn.Module, path: str | Path, *, key: str = "ckpt_path") -> dict[str, Any]:
    """Load the weights in a checkpoint or state dict into `network`; return all that the file holds."""
    content = read_checkpoint(path, key=key)
    load_weights(network, network_weights(content), path, key=key)
    return content


def load_weights(network: nn.Module, weights: Mapping[str, Any], path: str | Path, *, key: str) -> None:
    """Load weights, which were read from `path`, into `network`."""
    import torch

    from pdtrain.activations.channels_last import put_channels_last
    from pdtrain.training.state_dicts import wrapped_alike

    def has_channels_last(weights: Tensor) -> bool:
        apart = weights.dim() == 4 and not weights.is_contiguous()
        return apart and weights.is_contiguous(memory_format=torch.channels_last)

    own = network.state_dict()
    weights = wrapped_alike(weights, own)
    check_architecture(own, weights, path, key=key)
    if any(map(has_channels_last, weights.values())):  # as it was trained, so that it computes the same
        put_channels_last(network)
    network.load_state_dict(weights)


def point_of(path: str | Path, content: Mapping[str, Any]) -> ProbePoint:
    """When a checkpoint was made: as its name says, else as Lightning counts; a plain state dict is (0, 0)."""
    found = _PROBED.search(Path(path).stem)
    if found:
        return ProbePoint(int(found[1]), int(found[2]))
    return ProbePoint(int(content.get("epoch", -1)) + 1, int(content.get("global_step", 0)))


def resumable_checkpoints(folder: str | Path) -> list[Path]:
    """Checkpoints a run can go on from, the newest first."""
    return sorted(Path(folder).glob("resume-step=*.ckpt"), reverse=True)


def probed_checkpoints(folder: str | Path) -> list[Path]:
    """Checkpoints of what was probed, the earliest first."""
    return sorted(Path(folder).glob("epoch=*-step=*.ckpt"), key=lambda path: point_of(path, {}).step)


def place_in_data(content: Mapping[str, Any]) -> tuple[int, int]:
    """Epoch and number of its batches after which a Lightning checkpoint was made, both from 0."""
    loops = content["loops"]["fit_loop"]
    started = loops["epoch_progress"]["total"]["started"]
    batches = loops["epoch_loop.batch_progress"]
    if batches["is_last_batch"] or not started:
        return started, 0
    return started - 1, batches["current"]["processed"]
