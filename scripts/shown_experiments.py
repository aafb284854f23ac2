"""What the comments that open conf/experiment and conf/sweep say, and what those files compose to: a page for each."""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_module
from hydra.core.override_parser.overrides_parser import OverridesParser
from markdown.extensions.toc import slugify
from omegaconf import DictConfig

ROOT = Path(__file__).resolve().parents[1]
GROUPS = ("experiment", "sweep")
_COMMAND = re.compile(r"(pdtrain-\w+ [^:]*)(?:: )?(.*)")
_PART = re.compile(r"(Seen|Cost|Differs|Told): (.*)")
_HEADINGS = {"Seen": "What is seen", "Differs": "What differs from the paper"}
_ANCHOR = re.compile(r"docs/([\w-]+\.md)(?:#([\w-]+))?")
_OVERRIDE = re.compile(r"(?<![\w`'])((?:-m )?[a-z_/]+(?:\.[a-z_]+)*=[^\s,;:)]*[^\s,;:.)])")


@dataclass(frozen=True)
class Shown:
    """An experiment or a sweep as its file's own comment describes it.

    Attributes
    ----------
    group
        "experiment" or "sweep".
    name
        What is chosen.
    commands
        Each with what it is for, if that is said.
    says
        What is said beside the commands.
    parts
        "Seen", "Cost", "Differs" (from the paper), and "Told": the section of a document that says so at length; those
        that are there.
    body
        The file without its comment.
    """

    group: str
    name: str
    commands: tuple[tuple[str, str], ...]
    says: str
    parts: dict[str, str]
    body: str

    @property
    def address(self) -> str:
        """Of its page, from the folder of documents."""
        return f"experiments/{self.group}_{self.name}.md"

    @property
    def is_for(self) -> str:
        """What the first command is for."""
        return self.commands[0][1] or self.says

    def page(self) -> str:
        """Markdown."""
        text = [f"# {self.group}={self.name}", as_markdown(self.is_for)]
        if self.says and self.says != self.is_for:
            text.append(as_markdown(self.says))
        text.append("## The command")
        text += [_command(*command, said=place > 0) for place, command in enumerate(self.commands)]
        text += ["## What it costs", _table(facts(self))]
        text += [as_markdown(self.parts["Cost"])] if "Cost" in self.parts else []
        for part, heading in _HEADINGS.items():
            text += [f"## {heading}", as_markdown(self.parts[part])] if part in self.parts else []
        text += [_told(self.parts["Told"])] if "Told" in self.parts else []
        where = f"`conf/{self.group}/{self.name}.yaml`"
        text += ["## What it sets", f"{where}; all else is as by default, and the command line wins over it."]
        return "\n\n".join([*text, f"```yaml\n{self.body.strip()}\n```\n"])


def shown(group: str) -> list[Shown]:
    """All of a group, by name."""
    return [read(path) for path in sorted((ROOT / "conf" / group).glob("*.yaml"))]


def read(path: Path) -> Shown:
    """Read one file."""
    lines = path.read_text().removeprefix("# @package _global_\n").splitlines()
    opening = next(place for place, line in enumerate(lines) if not line.startswith("#"))
    commands: list[tuple[str, str]] = []
    parts: dict[str, str] = {}
    says = ""
    target = "says"
    for line in (line.removeprefix("#").strip() for line in lines[:opening]):
        if found := _COMMAND.fullmatch(line):
            commands.append((found[1].strip(), found[2]))
            target = "command" if found[2] else "says"
        elif found := _PART.fullmatch(line):
            target, parts[found[1]] = found[1], found[2]
        elif target == "command":
            commands[-1] = (commands[-1][0], f"{commands[-1][1]} {line}")
        elif target == "says":
            says = f"{says} {line}".strip()
        else:
            parts[target] += f" {line}"
    return Shown(path.parent.name, path.stem, tuple(commands), says, parts, "\n".join(lines[opening:]))


def facts(of: Shown) -> Iterator[tuple[str, str]]:
    """What the experiment composes to, as far as it says what there is to compute."""
    config = _composed(of)
    chosen = config.hydra.runtime.choices
    jobs = _jobs(config)
    if jobs > 1:
        yield "jobs", f"{jobs}, each of them:"
    yield "network", f"`{chosen.model}`"
    if of.commands[0][0].startswith("pdtrain-train"):
        images = config.data.subset or config.data.get("training_images")
        yield "images", f"{f'{images:,} of' if images else 'all of'} `{chosen.data}`"
        yield "training", f"{config.trainer.max_epochs} epochs, {config.data.batch_size} images a step"
        yield "probed", " and ".join(_times(config.callbacks.probing.schedule))
    else:
        yield "probed", "once, and the untrained network beside it"
    count = config.stimuli.get("count")
    yield "stimuli", f"{f'{count:,} of' if count else ''} `{chosen.stimuli}`"
    yield "layers", f"`{chosen.layers}`, up to {config.layers.max_units} units of each"
    yield "probes", ", ".join(f"`{name}`" for name, probe in config.probes.items() if isinstance(probe, DictConfig))


def _times(schedule: Any) -> Iterator[str]:
    if schedule.untrained:
        yield "untrained"
    if schedule.log_spaced_steps:
        yield f"after {', '.join(str(schedule.log_spaced_steps * 2**power) for power in range(4))} ... steps"
    if schedule.every_epochs:
        yield "after every epoch" if schedule.every_epochs == 1 else f"after every {schedule.every_epochs} epochs"


def _composed(of: Shown) -> DictConfig:
    entry = of.commands[0][0].split()[0].removeprefix("pdtrain-")
    with initialize_config_module("pdtrain.conf", version_base="1.3"):
        return compose(entry, [f"{of.group}={of.name}", "paths.run_dir=RUN"], return_hydra_config=True)


def _jobs(config: DictConfig) -> int:
    sweeper = config.hydra.sweeper
    if "n_trials" in sweeper:
        return int(sweeper.n_trials)
    swept = OverridesParser.create().parse_overrides(
        [f"{key}={value}" for key, value in (sweeper.params or {}).items()]
    )
    return math.prod(len(list(one.sweep_string_iterator())) for one in swept if one.is_sweep_override())


def _command(command: str, is_for: str, *, said: bool) -> str:
    block = f"```bash\n{command}\n```"
    return f"{as_markdown(is_for)}\n\n{block}" if said and is_for else block


def _table(lines: Iterator[tuple[str, str]]) -> str:
    return "\n".join(["| what | how much |", "|---|---|", *(f"| {what} | {how} |" for what, how in lines)])


def as_markdown(text: str) -> str:
    """Markdown of a comment's text: documents that it names are linked, keys that it sets are code."""
    text = _ANCHOR.sub(lambda found: f"[{found[1]}](../{found[0].removeprefix('docs/')})", text)
    parts = text.split("`")
    parts[::2] = [_OVERRIDE.sub(r"`\1`", part) for part in parts[::2]]  # the others are code already
    text = "`".join(parts)
    text = text if text.startswith("`") else text[:1].upper() + text[1:]
    return text if text.endswith((".", ":")) else f"{text}."


def _told(where: str) -> str:
    """The section of a document that tells of the experiment, with its links as seen from the page's folder."""
    found = _ANCHOR.fullmatch(where)
    assert found is not None and found[2], f"Told: {where}: docs/PAGE.md#SECTION is needed"
    title, *sections = re.split(r"^(## .*)$", (ROOT / "docs" / found[1]).read_text(), flags=re.M)
    of_heading = {slugify(heading[3:], "-"): text for heading, text in zip(sections[::2], sections[1::2], strict=True)}
    assert found[2] in of_heading, f"Told: {where}: no such section; choose from {', '.join(of_heading)}"
    text = re.sub(r"\]\((?!https?:|#)", "](../", of_heading[found[2]].strip())
    name = title.splitlines()[0].removeprefix("# ")
    return f"## What is seen, and what differs\n\nFrom [{name}](../{found[1]}#{found[2]}).\n\n{text}"
