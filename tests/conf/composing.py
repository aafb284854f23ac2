"""What conf/ composes to, once for all tests of it: every choice of every group, several groups at a time."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_module
from omegaconf import DictConfig, OmegaConf

CONF = Path(__file__).parents[2] / "conf"


@dataclass(frozen=True)
class Composed:
    """One composed configuration.

    Attributes
    ----------
    entry
        Its entry configuration.
    choices
        What its groups are.
    config
        Resolved.
    of_hydra
        Keys of Hydra itself.
    """

    entry: str
    choices: dict[str, str]
    config: dict[str, Any]
    of_hydra: frozenset[str]

    def nodes(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Every node with a `_target_`, at its key."""
        yield from _nodes(self.config, "")

    def every_key(self) -> Iterator[str]:
        """Keys at every depth, those of groups among them."""
        yield from keys_of(self.config)
        yield from self.of_hydra


def _nodes(node: Any, key: str) -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(node, dict):
        if node.get("_target_", "???") != "???":  # else the user is to say
            yield key, node
        for name, value in node.items():
            yield from _nodes(value, f"{key}.{name}".lstrip("."))
    elif isinstance(node, list):
        for value in node:
            yield from _nodes(value, f"{key}[]")


def keys_of(node: Any, key: str = "") -> Iterator[str]:
    """Keys at every depth of a nested configuration."""
    for name, value in node.items() if isinstance(node, dict) else ():
        below = f"{key}.{name}".lstrip(".")
        yield below
        yield from keys_of(value, below)


def choices() -> dict[str, list[str]]:
    """Choices of each group."""
    groups = sorted(path for path in CONF.iterdir() if list(path.glob("*.yaml")))
    return {group.name: sorted(path.stem for path in group.glob("*.yaml")) for group in groups}


def command_of(experiment: str) -> str:
    """The command that an experiment opens with."""
    found = re.search(r"^# pdtrain-(\w+) ", (CONF / "experiment" / f"{experiment}.yaml").read_text(), re.MULTILINE)
    assert found is not None
    return found[1]


def _every_choice_once() -> Iterator[tuple[str, list[str]]]:
    """Entries and overrides: the first choices of all groups together, the second ones and so on."""
    yield "report", ["run_dir=runs/quickstart"]
    yield "probe", []
    every = choices()
    yield from ((command_of(name), [f"experiment={name}"]) for name in every.pop("experiment"))  # set the others' keys
    yield from (("train", [f"sweep={name}"]) for name in every.pop("sweep"))  # and it an experiment
    for place in range(max(map(len, every.values()))):
        yield "train", [f"{group}={names[place % len(names)]}" for group, names in every.items()]


@cache
def composed() -> tuple[Composed, ...]:
    """Configurations in which every choice of every group is found once at least."""
    found = []
    with initialize_config_module("pdtrain.conf", version_base="1.3"):
        for entry, overrides in _every_choice_once():
            of_job = [] if entry == "report" else ["paths.run_dir=runs/quickstart"]  # a job alone knows it
            config = compose(entry, [*overrides, *of_job], return_hydra_config=True)
            chosen = {group: choice for group, choice in config.hydra.runtime.choices.items() if choice is not None}
            of_hydra = frozenset(keys_of({"hydra": OmegaConf.to_container(config.hydra, resolve=False)}))
            config = OmegaConf.masked_copy(config, [key for key in config if key != "hydra"])
            found.append(Composed(entry, chosen, OmegaConf.to_container(config, resolve=True), of_hydra))
    return tuple(found)


@cache
def keys() -> frozenset[str]:
    """Keys of any of them."""
    return frozenset(key for one in composed() for key in one.every_key())


def chosen(group: str, choice: str, *, entry: str = "train") -> DictConfig:
    """A configuration of its own to change, with this choice."""
    one = next(one for one in composed() if one.entry == entry and one.choices.get(group) == choice)
    return OmegaConf.create(one.config)
