"""Every key of conf/ is read by something, and every key that is named in code exists."""

import ast
import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import wandb
import yaml
from composing import CONF, choices, composed, keys
from hydra.utils import get_object

from pdtrain.commands import configuration_check, probe, probe_job, probe_responses, stored_targets, sweeps
from pdtrain.commands.stored_targets import check_targets
from pdtrain.limits import LIMITS
from pdtrain.probes.prober import Prober
from pdtrain.results import configuration, versions
from pdtrain.results.configuration import CHOICES
from pdtrain.stimuli.preprocessing import Preprocessing

_ROOT = Path(__file__).parents[2]
_SOURCES = sorted([*(_ROOT / "pdtrain").rglob("*.py"), *(_ROOT / "callbacks").glob("*.py")])

# who takes what a class hands on beyond its base classes
_HANDED_ON: dict[str, Callable] = {"pdtrain.loggers.wandb_logger.WandbLogger": wandb.init}
# what code gives when it builds: the first part of the key, and names of parameters
_GIVEN = {
    "model": {"num_classes", "channels"},
    "scheduler": {"optimizer", "total_steps"},
    "stimuli": {"data"},
    "callbacks": {"prober", "probes"},
    "logger": {"sweep", "job", "run_name"},
}
# parameters for Python alone: the command trains one kind of module, whose network it knows; rehearsals are short
_NOT_SAID = {
    "pdtrain.callbacks.Probing": {"network", "stimuli", "folder", "probe_set"},
    "pdtrain.callbacks.TrainingAccuracy": {"batches"},
}
# where a choice says otherwise than the signature, since that is what it is for
_OTHERWISE = {
    ("data", "cifar10"): {"batch_size"},
    ("data", "cifar100"): {"batch_size"},
    ("data", "fashion_mnist"): {"batch_size"},
    ("data", "imagefolder"): {"workers", "flip", "file_lists"},
    ("data", "imagenet"): {
        "workers", "flip", "file_lists", "batch_size", "resize", "random_resized_crop", "mean", "standard_deviation",
    },
    ("data", "mnist"): {"batch_size"},
    ("data", "objects"): {"transformations"},
    ("model", "resnet18"): {"small_images"},
    ("model", "resnet50"): {"small_images"},
    ("stimuli", "objects"): {"transformations"},  # none, as a group that one can add to
    ("stimuli", "transformed"): {"transformations"},
    ("stimuli", "photographs"): {"root", "transformations"},
    ("probes", "full"): {
        "estimators", "per_class", "scales", "shuffles", "nearest_neighbors",
        "held_out",
    },
    ("callbacks", "default"): {"checkpoints", "schedule"},  # a folder of the run; all of its keys
    ("callbacks", "averaged"): {"checkpoints", "schedule"},
    ("logger", "wandb"): {"project", "job_type", "tags"},  # Lightning's and W&B's parameters
    ("logger", "csv_wandb"): {"project", "job_type", "tags"},
}  # fmt: skip


@cache
def _parameters(target: str) -> dict[str, inspect.Parameter]:
    """What a target takes by name: its own parameters, and those of whom it hands its options on to."""
    made = get_object(target)
    classes = made.__mro__[:-1] if inspect.isclass(made) else ()
    steps = [c.__dict__["__init__"] for c in classes if "__init__" in c.__dict__] if classes else [made]
    if target in _HANDED_ON:
        steps.append(_HANDED_ON[target])
    found: dict[str, inspect.Parameter] = {}
    for step in steps:
        own = inspect.signature(step).parameters.values()
        found = {p.name: p for p in own if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)} | found
        if not any(p.kind == p.VAR_KEYWORD for p in own):
            break
    found.pop("self", None)
    return found


def _own(node: Mapping[str, Any]) -> dict[str, Any]:
    """Keys of a node that are arguments."""
    return {name: value for name, value in node.items() if name not in ("_target_", "_partial_")}


def _is_ours(node: Mapping[str, Any]) -> bool:
    return node["_target_"].startswith("pdtrain.")


def test_every_choice_is_composed_and_offered() -> None:
    found = {(group, choice) for one in composed() for group, choice in one.choices.items()}

    assert {(group, name) for group, names in choices().items() for name in names} <= found
    for one in composed():
        offered = [group for group in probe._BUILT if group in one.config and one.choices.get(group) != "custom"]
        check_targets({group: one.config[group] for group in offered})


def test_every_key_of_a_target_is_a_parameter_of_it() -> None:
    nodes = {(key, node["_target_"], name) for one in composed() for key, node in one.nodes() for name in _own(node)}

    assert len(nodes) > 100
    assert [found for found in sorted(nodes) if found[2] not in _parameters(found[1])] == []


def test_every_parameter_of_our_targets_is_shown() -> None:
    """`--cfg job` is all that there is to be set."""
    missing = set()
    for one in composed():
        for key, node in one.nodes():
            given = _GIVEN.get(key.partition(".")[0], set()) | _NOT_SAID.get(node["_target_"], set())
            if _is_ours(node) and node["_target_"] not in _HANDED_ON:  # W&B's options are many
                missing |= {(key, name) for name in _parameters(node["_target_"]).keys() - _own(node).keys() - given}

    assert missing == set()


def _alike(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def test_defaults_are_those_of_the_signatures() -> None:
    differing: dict[tuple[str, str], set[str]] = {}
    compared = set()
    for one in composed():
        if "experiment" in one.choices:
            continue  # it is for setting others
        for key, node in one.nodes():
            group = key.partition(".")[0]
            for name, value in _own(node).items() if _is_ours(node) else ():
                default = _parameters(node["_target_"])[name].default
                if default is inspect.Parameter.empty:
                    continue
                compared.add((key, name))
                if _alike(default) != value:
                    differing.setdefault((group, one.choices[group]), set()).add(name)

    assert len(compared) > 50
    assert differing == _OTHERWISE
    layers = inspect.signature(Prober).parameters
    of_layers = next(one.config["layers"] for one in composed() if one.choices.get("layers") == "default")
    assert {("layers" if name == "names" else name): value for name, value in of_layers.items()} == {
        name: layers[name].default
        for name in ("layers", "recipe", "reduce", "max_units", "memory_bytes", "batch_size", "seed")
    }


# keys that are named in code


@cache
def _trees() -> tuple[tuple[Path, ast.Module], ...]:
    return tuple((path, ast.parse(path.read_text())) for path in _SOURCES)


def _chain(node: ast.AST) -> str | None:
    """`config.layers.names`, `self._config.layers["names"]` and `config.layers.get("names")` are layers.names."""
    if isinstance(node, ast.Name) and node.id == "config":
        return ""
    if isinstance(node, ast.Attribute) and node.attr == "_config":
        return ""
    if isinstance(node, ast.Attribute) and (before := _chain(node.value)) is not None:
        return f"{before}.{node.attr}"
    if isinstance(node, ast.Subscript | ast.Call):
        called = isinstance(node, ast.Call)
        within = node.func if called else node.value
        first = node.args[0] if called and node.args else node.slice if not called else None
        named = first.value if isinstance(first, ast.Constant) and isinstance(first.value, str) else None
        before = _chain(within.value if called and isinstance(within, ast.Attribute) else within) if named else None
        if before is not None and (not called or getattr(within, "attr", "") == "get"):
            return f"{before}.{named}"
    return None


_METHODS = {"get", "items", "keys", "values", "copy", "update", "append"}  # of a node


def _read_in_code() -> dict[str, str]:
    """Keys that code reads, each with a place; those of a longer chain among them."""
    found = {}
    for path, tree in _trees():
        for node in ast.walk(tree):
            if not isinstance(getattr(node, "ctx", None), ast.Store) and (key := _chain(node)):
                parts = key.lstrip(".").split(".")
                parts = parts[:-1] if parts[-1] in _METHODS else parts
                found[".".join(parts)] = f"{path.relative_to(_ROOT)}:{node.lineno}"
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "OmegaConf.select":
                name = node.args[1]
                if isinstance(name, ast.Constant):
                    found[name.value] = f"{path.relative_to(_ROOT)}:{node.lineno}"
    found.pop("", None)
    return found


def _interpolated() -> set[str]:
    """Keys that other keys take their value from."""
    texts = [path.read_text() for path in CONF.rglob("*.yaml")]
    return {key for text in texts for key in re.findall(r"\$\{([a-z_.]+)\}", text)}


def _exists(key: str) -> bool:
    """Whether a choice has it, or a target takes it, as those that are added with `+`."""
    above, _, name = key.rpartition(".")
    return key in {*keys(), CHOICES} or name in _taken().get(above, ())  # the latter is what the command adds


@cache
def _taken() -> dict[str, set[str]]:
    """What the targets at a key take."""
    taken: dict[str, set[str]] = {}
    for one in composed():
        for key, node in one.nodes():
            taken.setdefault(key, {"_target_"}).update(_parameters(node["_target_"]))
    return taken


def _of_preprocessing() -> set[str]:
    """Keys of the group that is handed on as a whole."""
    return {f"preprocessing.{field.name}" for field in fields(Preprocessing)}


def test_every_other_key_is_read() -> None:
    targets = {key for one in composed() for key, _ in one.nodes()}
    read = {*_read_in_code(), *_interpolated()}
    groups = {"model", "logger", "callbacks", "probes", "layers", "paths", "sweep", "preprocessing"}
    others = {key for key in keys() if not any(f"{key}.".startswith(f"{target}.") for target in (*targets, "hydra"))}

    assert {"layers.max_units", "seed", "sweep.metric", "responses", "by", "probes.index_property"} <= others
    assert others - groups - read - _of_preprocessing() == set()
    assert groups <= {part for key in read for part in [key.partition(".")[0]]}


def test_every_key_that_code_reads_exists() -> None:
    read = _read_in_code()

    assert {"layers.max_units", "trainer.enable_progress_bar", "stimuli.labels", "probe_set"} <= read.keys()
    assert {key: place for key, place in read.items() if not _exists(key) and key != configuration.CHOICES} == {}


_TABLES: dict[str, Any] = {
    "limits.LIMITS": LIMITS,
    "configuration_check._AT_LEAST": configuration_check._AT_LEAST,
    "configuration_check._WHEN_GIVEN": configuration_check._WHEN_GIVEN,
    "configuration_check._ALSO": configuration_check._ALSO,
    "configuration_check._MAY_BE_NULL": configuration_check._MAY_BE_NULL,
    "configuration._FREE": configuration._FREE,
    "versions.ADDED": versions.ADDED,
    "sweeps._FREE": [key.rstrip("=.") for key in sweeps._FREE],
    "stored_targets.FROM_RUN": stored_targets.FROM_RUN,
    "probe._BUILT": probe._BUILT,
    "probe_job._MEASURED_WITH": probe_job._MEASURED_WITH,
    "probe_responses._MEASURED_WITH": probe_responses._MEASURED_WITH,
    "stored_targets._OFFERED": stored_targets._OFFERED,
}


@pytest.mark.parametrize("table", _TABLES)
def test_every_key_of_a_table_in_code_exists(table: str) -> None:
    assert [key for key in _TABLES[table] if not _exists(key)] == []


def test_what_is_null_by_default_is_null() -> None:
    values = {key: [_at(one.config, key) for one in composed()] for key in configuration_check._WHEN_GIVEN}

    assert [key for key, found in values.items() if None not in found] == []
    given = configuration_check._WHEN_GIVEN
    numbers = {
        key: [given[key]] if key in given else [_at(one.config, key) for one in composed()]
        for key in configuration_check._AT_LEAST
    }
    assert [key for key, found in numbers.items() if not any(isinstance(value, int | float) for value in found)] == []


def _at(node: Any, key: str) -> Any:
    for name in key.split("."):
        if not isinstance(node, dict) or name not in node:
            return "missing"
        node = node[name]
    return node


_OPEN = "\0"  # in place of what a message is filled in with


def _texts(tree: ast.AST, known: dict[str, str] | None = None) -> Iterator[tuple[str, int]]:
    """Every text but docstrings; what an f-string is filled in with is open unless it is a text just above."""
    known = known or {}
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            continue
        if isinstance(node, ast.FunctionDef):
            assigned = [a for a in ast.walk(node) if isinstance(a, ast.Assign) and len(a.targets) == 1]
            yield from _texts(node, {ast.unparse(a.targets[0]): t for a in assigned if (t := _text(a.value, {}))})
        elif (text := _text(node, known)) is not None:
            yield text, node.lineno
        else:
            yield from _texts(node, known)


def _text(node: ast.AST, known: dict[str, str]) -> str | None:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if not isinstance(node, ast.JoinedStr):
        return None
    parts = [
        str(part.value) if isinstance(part, ast.Constant) else known.get(ast.unparse(part.value), _OPEN)
        for part in node.values
    ]
    return "".join(parts)


def _named(pattern: str) -> dict[str, str]:
    """What a pattern finds in the texts of the code, each with a place."""
    return {
        found: f"{path.relative_to(_ROOT)}:{line}"
        for path, tree in _trees()
        for text, line in _texts(tree)
        for found in re.findall(pattern, text)
    }


_FILES = ("npz", "yaml", "png", "svg", "csv", "html")  # `stimuli.npz` is no key


def test_every_key_that_a_message_names_exists() -> None:
    groups = "|".join([*choices(), "sweep"])
    named = _named(rf"(?<![\w./@])((?:{groups})(?:\.[a-z_{_OPEN}]+)+)")
    named = {key.rstrip("."): place for key, place in named.items() if not key.endswith(_FILES)}

    assert {"probes.intrinsic_dimension.resamplings", f"data.{_OPEN}", "layers.memory_bytes"} <= named.keys()
    assert {key: place for key, place in named.items() if not _some_exists(key)} == {}


# a column of the user's table; arguments of pdtrain.results.load and of Probing
_OF_THE_USER = {f"circular.{_OPEN}", "keys", "metrics", "folder"}


def _some_exists(key: str) -> bool:
    pattern = re.compile(re.escape(key).replace(re.escape(_OPEN), r"[^.]+"))
    return (
        _exists(key)
        or key in choices()
        or (_OPEN in key and any(pattern.fullmatch(known) for known in keys()))
        or key in _OF_THE_USER
    )


def test_every_choice_that_a_message_names_exists() -> None:
    named = _named(rf"(?<![\w.])((?:{'|'.join(choices())})=[a-z]\w+)")
    existing = {f"{group}={name}" for group, names in choices().items() for name in names}

    assert {"model=small_vgg", "stimuli=training", "experiment=shuffled_labels"} <= named.keys()
    assert {choice: place for choice, place in named.items() if choice not in existing} == {}


def test_every_key_that_an_input_error_begins_with_exists() -> None:
    first = {}
    for path, tree in _trees():
        for call in ast.walk(tree):
            if isinstance(call, ast.Call) and ast.unparse(call.func) in ("InputError", "unknown_name") and call.args:
                text = _text(call.args[0], {}) or ""
                end = "" if ast.unparse(call.func) == "unknown_name" else "(?=[=:])"
                if found := re.match(rf"[a-z_]+(?:\.[a-z_{_OPEN}]+)*{end}", text):
                    first[found[0]] = f"{path.relative_to(_ROOT)}:{call.lineno}"

    assert {"run_dir", "trust", "hydra.run.dir", "data.subset", "stimuli.levels"} <= first.keys()
    assert {key: place for key, place in first.items() if not _some_exists(key)} == {}


def test_ready_made_sweeps_vary_keys_that_exist() -> None:
    prefix = "hydra.sweeper.params."
    varied = {key.removeprefix(prefix) for key in keys() if key.startswith(prefix)}

    assert {"seed", "data.geometric", "model.network.widths"} <= varied
    assert varied <= {*keys(), *choices()}


def test_the_sweep_of_wandbs_agents_names_keys_that_exist() -> None:
    sweep = yaml.safe_load((CONF / "sweep" / "wandb_sweep.yml").read_text())

    assert [key for key in sweep["parameters"] if key not in keys()] == []
