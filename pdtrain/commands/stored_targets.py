"""What a stored configuration may have built: nothing but what is offered for its key, unless the user trusts more.

A run's folder may come from a stranger. Its configuration is data: before anything is built from it, every `_target_`
in it is compared with the names below. They are compared as text, so that nothing is imported to find out.
"""

import importlib
import inspect
import re
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import cache
from importlib.metadata import entry_points
from types import MappingProxyType
from typing import Any

from pdtrain.commands.configuration_check import check_seed
from pdtrain.commands.targets import targets_in
from pdtrain.errors import InputError

# what pdtrain-probe takes from the configuration of a run
FROM_RUN = ("data", "model", "stimuli", "layers", "probes", "paths", "seed", "untrained_batch_norm")
EXTENSIONS = "pdtrain.extensions"  # group of entry points by which an installed package says that it extends pdtrain
# by key; below model.network also layers, as arguments of networks
_OFFERED = {
    "data": (
        "pdtrain.training.objects_data.ObjectsData",
        "pdtrain.training.image_sets.TorchvisionData",
        "pdtrain.training.image_sets.ImageFolderData",
    ),
    "model.network": (
        "pdtrain.training.models.small_vgg",
        "pdtrain.training.models.mnist_cnn",
        "pdtrain.training.small_resnet.small_resnet",
        "pdtrain.training.models.torchvision_model",
        "pdtrain.training.models.timm_model",
    ),
    "probes": (
        "pdtrain.probes.dimension_probe.DimensionProbe",
        "pdtrain.probes.information_probe.InformationProbe",
        "pdtrain.probes.object_probe.ObjectInformationProbe",
        "pdtrain.probes.object_probe.DiscriminabilityProbe",
        "pdtrain.probes.similarity_probe.SimilarityProbe",
    ),
    "stimuli": (
        "pdtrain.stimuli.sources.held_out",
        "pdtrain.stimuli.sources.training",
        "pdtrain.stimuli.sources.objects",
        "pdtrain.stimuli.sources.factorial_objects",
        "pdtrain.stimuli.sources.image_folder",
        "pdtrain.stimuli.transformed.transformed",
    ),
}
_REFERENCE = re.compile(r"(?<!\\)\$\{([A-Za-z_][\w.]*)\}")  # to another key
# what one may know well and yet not have built by a stranger: no hint how to
_NO_HINT = (
    "torch", "torchvision", "timm", "pytorch_lightning", "lightning", "numpy", "pandas", "hydra", "omegaconf", "yaml",
    "pdtrain", "fsspec", "joblib", "cloudpickle", "dill", "scipy", "sklearn",
)  # fmt: skip
_LAYERS = ("torch.nn", "torchvision.ops", "timm.layers")


def check_plain(config: Mapping[str, Any], *, overridden: Collection[str] = ()) -> None:
    """Refuse a stored configuration that is more than values and references to other keys of it.

    Parameters
    ----------
    config
        Groups of a stored configuration, its interpolations unresolved.
    overridden
        Keys that the user gave others for.

    Raises
    ------
    InputError
        For a resolver, an escaped interpolation, a name with a point in it, a path or seed that is a group, or
        a seed that is none.
    """
    for key, value in _values(config):
        if any(key == mine or key.startswith(f"{mine}.") for mine in overridden):
            continue
        if key.partition(".")[0] in ("paths", "seed") and key not in ("seed", f"paths.{key.rpartition('.')[2]}"):
            raise InputError(f"{key}: a stored path or seed is a value, not a group; give it on the command line")
        check_seed(key, value)
        _refuse_growth(key, value, config)
        _refuse_interpolation(key, _REFERENCE.sub("", value) if isinstance(value, str) else value)


def _refuse_growth(key: str, value: Any, config: Mapping[str, Any]) -> None:
    """Raise InputError for what could double with every reference that it is followed through."""
    names = _REFERENCE.findall(value) if isinstance(value, str) else []
    for name in names:
        found: Any = config
        for part in name.split("."):
            found = found.get(part) if isinstance(found, dict) else None
        if (len(names) > 1 or isinstance(found, dict | list)) and "${" in str(found):
            raise InputError(f"{key}={value}: {name} refers to other keys in turn; give {key}=... yourself")


def check_resolved(config: Mapping[str, Any]) -> None:
    """As `check_plain`, of a configuration whose references have been resolved: there is none left."""
    for key, value in _values(config):
        _refuse_interpolation(key, value)


def _refuse_interpolation(key: str, value: Any) -> None:
    """Raise InputError for a text that is resolved when it is used: what is checked would not be what is built."""
    if isinstance(value, str) and ("${" in value or "\\$" in value):
        raise InputError(f"{key}={value}: a stored configuration refers to other keys only; give {key}=... yourself")


def _values(node: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    """All values at any depth, each with its key."""
    if isinstance(node, dict):
        for name, value in node.items():
            if "." in str(name):
                raise InputError(f"{key}.{name}: a name in a stored configuration has no point; remove it")
            _refuse_interpolation(key, name)
            yield from _values(value, f"{key}.{name}" if key else str(name))
    elif isinstance(node, list):
        for index, value in enumerate(node):
            yield from _values(value, f"{key}.{index}")
    else:
        yield key, node


def as_list(trust: Any) -> list[Any]:
    """What `trust` names: a module, or several."""
    if trust is None:
        return []
    return [trust] if isinstance(trust, str) else list(trust)


def check_targets(
    config: Mapping[str, Any], *, trust: str | Sequence[str] = (), own: Mapping[str, Any] = MappingProxyType({})
) -> None:
    """Compare every `_target_` with what is offered for its key.

    Parameters
    ----------
    config
        Groups of a stored configuration, resolved: an interpolation may give a target too.
    trust
        Module, or modules, whose functions and classes may be built beside, with those of installed extensions.
    own
        Targets that the user's own configuration holds, by their keys.

    Raises
    ------
    InputError
        For the first target that is neither offered nor trusted nor the user's own.
    """
    given = as_list(trust)
    for name in given:
        _check_trust(name)
    trusted = (*given, *_extensions())
    for key, target in targets_in(config):
        known = _is_offered(key, target) or (key in own and own[key] == target)
        if not known and not _is_defined_in(target, trusted):
            raise _refusal(key, target)


def _check_trust(name: Any) -> None:
    package = str(name).partition(".")[0]
    if not (isinstance(name, str) and all(part.isidentifier() for part in name.split("."))):
        raise InputError(f"trust={name}: give names of modules, as in 'trust=[mymodule]'")
    if package in sys.stdlib_module_names:
        raise InputError(f"trust={name}: a part of Python itself is never trusted; give a module of your own")
    if package in _NO_HINT:  # it reads pickles, or runs what it is told
        raise InputError(f"trust={name}: {package} can do all that Python can; give a module of your own")


def _is_offered(key: str, target: Any) -> bool:
    if not isinstance(target, str):
        return False
    return target in _OFFERED.get(_group(key), ()) or (key.startswith("model.network.") and target in _layers())


def _group(key: str) -> str:
    """What is offered for a key; for each probe the same, whatever its name."""
    return "probes" if re.fullmatch(r"probes\.[^.]+", key) else key


@cache
def _layers() -> frozenset[str]:
    """Names of the modules of networks that torch, torchvision and timm offer."""
    found = set()
    for package in _LAYERS:
        try:
            module = importlib.import_module(package)
        except ImportError:  # timm may be missing
            continue
        found |= {f"{package}.{name}" for name, value in vars(module).items() if _is_layer(value)}
    return frozenset(found)


def _is_layer(value: object) -> bool:
    import torch

    return inspect.isclass(value) and issubclass(value, torch.nn.Module)


def _extensions() -> Iterator[str]:
    for point in entry_points(group=EXTENSIONS):
        yield point.module


def _is_defined_in(target: Any, trusted: Sequence[str]) -> bool:
    """Whether a function or class is a trusted module's own: not what it imports, and no attribute of either."""
    if not isinstance(target, str):
        return False
    module, _, name = target.rpartition(".")
    if not any(f"{module}.".startswith(f"{package}.") for package in trusted):
        return False
    try:
        found = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError):
        return False
    home = f"{getattr(found, '__module__', '')}."
    callable_there = inspect.isclass(found) or inspect.isfunction(found)
    return callable_there and any(home.startswith(f"{package}.") for package in trusted)


def _refusal(key: str, target: Any) -> InputError:
    offered = _OFFERED.get(_group(key), ())
    offers = f" (offered: {', '.join(offered)})" if offered else ""
    package = str(target).partition(".")[0]
    trust = (
        "it is a part of Python itself, and is not built"
        if package in sys.stdlib_module_names
        else "it is not built"
        if package in _NO_HINT
        else f"if you know and trust that code, give 'trust=[{package}]'"
    )
    return InputError(f"{key}._target_={target}: not what pdtrain builds from a stored configuration{offers}; {trust}")
