"""Which arguments a `_target_` takes, read from its source: added options that it does not take are refused before
anything is imported."""

import ast
import sys
from functools import cache
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

from pdtrain.errors import InputError, unknown_name

_OF_HYDRA = ("_target_", "_partial_", "_args_", "_recursive_", "_convert_")
_CUSTOM = ("model", "data", "optimizer")  # groups that have a choice for targets of one's own
_DEEPEST = 5  # of names that one module has from another


def check_arguments(given: Any, defaults: Any, key: str = "") -> None:
    """Raise InputError for the first option that a `_target_` does not take, among those that its choice has not.

    What its source does not tell, whoever builds it says.
    """
    if not isinstance(given, dict):
        return
    known = defaults if isinstance(defaults, dict) else {}
    target = given.get("_target_")
    is_another = "_target_" in known and known["_target_"] != target  # what its choice has is then no more certain
    added = [name for name in given if (is_another or name not in known) and name not in _OF_HYDRA]
    if isinstance(target, str) and added and (taken := arguments_of(target)) is not None:
        for name in added:
            if name not in taken:
                raise _unknown(f"{key}.{name}", target, taken, is_another=is_another and name in known)
    for name, value in given.items():
        check_arguments(value, known.get(name), f"{key}.{name}" if key else str(name))


def _unknown(key: str, target: str, taken: tuple[str, ...], *, is_another: bool) -> InputError:
    group, name = key.partition(".")[0], key.rpartition(".")[2]
    if is_another and group in _CUSTOM:
        return InputError(f"{key}: {target} takes no {name}; begin from {group}=custom, which has no such key")
    said = str(unknown_name("", name, taken, of=f"argument of {target}")).partition(": ")[2]
    return InputError(f"{key}: {said}")


@cache
def arguments_of(target: str) -> tuple[str, ...] | None:
    """Names of the arguments of a function or class; None where its source does not tell.

    Examples
    --------
    >>> arguments_of("pdtrain.training.models.mnist_cnn")
    ('num_classes', 'channels')
    >>> arguments_of("pdtrain.callbacks.Schedule")
    ('untrained', 'every_epochs', 'log_spaced_steps', 'last')
    """
    module, _, name = target.rpartition(".")
    found = _arguments(module, name) if module else None
    return None if found is None else tuple(dict.fromkeys(found))


def _arguments(module: str, name: str) -> list[str] | None:
    found = _definition(module, name, _DEEPEST)
    if found is None:
        return None
    module, node = found
    if isinstance(node, ast.ClassDef):
        return _of_class(module, node)
    return None if node.args.kwarg or node.args.vararg else _named(node)


def _of_class(module: str, node: ast.ClassDef) -> list[str] | None:
    """Those of its own, and where it hands others on, or has none, those of its only base class."""
    made = next((each for each in node.body if isinstance(each, ast.FunctionDef) and each.name == "__init__"), None)
    if made is not None and not made.args.kwarg and not made.args.vararg:
        return _named(made)
    if made is None and any("dataclass" in ast.unparse(decorator) for decorator in node.decorator_list):
        fields = [each.target for each in node.body if isinstance(each, ast.AnnAssign)]
        return None if node.bases else [field.id for field in fields if isinstance(field, ast.Name)]
    bases = [base.id for base in node.bases if isinstance(base, ast.Name)]
    beyond = _arguments(module, bases[0]) if len(bases) == len(node.bases) == 1 else None
    return None if beyond is None else [*(_named(made) if made is not None else []), *beyond]


def _named(node: ast.FunctionDef) -> list[str]:
    arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
    return [argument.arg for argument in arguments if argument.arg != "self"]


def _definition(module: str, name: str, depth: int) -> tuple[str, ast.FunctionDef | ast.ClassDef] | None:
    """What a module calls by a name, and the module that defines it; None where that is not to be seen."""
    path = _source(module)
    if path is None or not depth:
        return None
    for node in _statements(path):
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name == name:
            return module, node
        if isinstance(node, ast.ImportFrom):
            for alias in node.names:
                if (alias.asname or alias.name) == name:
                    return _definition(_absolute(node, module, path), alias.name, depth - 1)
    return None


@cache
def _statements(path: Path) -> tuple[ast.stmt, ...]:
    """Those of a module, with those that stand under a condition, as what is imported for types alone."""
    try:
        body = ast.parse(path.read_bytes()).body
    except (OSError, SyntaxError, ValueError):
        return ()
    return tuple(each for node in body for each in (node.body if isinstance(node, ast.If) else [node]))


def _absolute(node: ast.ImportFrom, module: str, path: Path) -> str:
    """The module that a statement in `module` imports from."""
    if not node.level:
        return node.module or ""
    package = module.split(".") if path.name == "__init__.py" else module.split(".")[:-1]
    return ".".join([*package[: len(package) - node.level + 1], *filter(None, [node.module])])


def _source(module: str) -> Path | None:
    """The file of a module, found without importing what it lies in."""
    parts, places, found = module.split("."), None, None
    for index in range(len(parts)):
        name = ".".join(parts[: index + 1])
        found = sys.modules[name].__spec__ if name in sys.modules else _specification(name, places)
        if found is None:
            return None
        places = found.submodule_search_locations
    return Path(found.origin) if found and found.origin and found.origin.endswith(".py") else None


def _specification(name: str, places: Any) -> ModuleSpec | None:
    for finder in sys.meta_path:
        try:
            found = finder.find_spec(name, places)
        except (ImportError, ValueError, AttributeError):
            return None
        if found is not None:
            return found
    return None
