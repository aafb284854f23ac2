"""A module beside one's working directory is found where one's own command line or configuration names it.

What a stored configuration names is not looked for: it is refused by name, unless `trust` names its module.
"""

import sys
from collections.abc import Iterator
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from pdtrain.commands.stored_targets import as_list
from pdtrain.commands.targets import targets_in
from pdtrain.errors import InputError

_MISSING = "???"


def find_own_modules(config: DictConfig) -> None:
    """Put the working directory last on the path, if a module that the user's own configuration names is there alone.

    Raises
    ------
    InputError
        If it is neither installed nor there.
    """
    for said, name in _named(OmegaConf.to_container(config, resolve=False)):
        package = name.partition(".")[0]
        if package in sys.modules or _is_found(package, None):
            continue
        here = str(Path.cwd())
        if not _is_found(package, [here]):
            raise InputError(f"{said}: no module {package}, neither installed nor in {here}")
        sys.path.append(here)


def _named(config: Any) -> Iterator[tuple[str, str]]:
    """Names of functions, classes and modules, each with what was said."""
    for key, target in targets_in(config):
        if isinstance(target, str) and target != _MISSING and "${" not in target and "." in target:
            yield f"{key}._target_={target}", target
    for name in as_list(config.get("trust")):
        if isinstance(name, str):
            yield f"trust={name}", name


def _is_found(package: str, places: list[str] | None) -> bool:
    if places is not None:
        return PathFinder.find_spec(package, places) is not None
    return any(finder.find_spec(package, None) is not None for finder in sys.meta_path)
