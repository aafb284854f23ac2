"""What README, documents and `--help` show: commands that compose, and keys that exist."""

import re
import shlex
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path

import pytest
import yaml
from composing import CONF, choices, keys, keys_of
from hydra import compose, initialize_config_module
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig, OmegaConf

import site_pages

_ROOT = Path(__file__).parents[2]
_PAGES = sorted(str(path.relative_to(_ROOT)) for path in (_ROOT / "docs").rglob("*.md"))
# and pages that are made of comments in conf/ and the like, but for what the changelog says is gone
_MADE = {name: text for name, text in site_pages.pages().items() if name not in ("changelog.md", "contributing.md")}
_TEXTS = {name: (_ROOT / name).read_text() for name in ("README.md", "CONTRIBUTING.md", *_PAGES)} | _MADE
_EXAMPLES = sorted((_ROOT / "examples").glob("*/conf"))  # what documents show as --config-dir
_BLOCK = re.compile(r"^```([^`\n]*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_SPAN = re.compile(r"`([^`]+)`")
# at the beginning, or behind what starts it: an assignment, srun, torchrun
_OF_THE_SHELL = re.compile(
    r"^(?:.*\s)?(?:bash scripts/quickstart\.sh|(?:pdtrain-|-m pdtrain\.commands\.)(train|probe|report))(?=\s|$)(.*)"
)
# commands, which are tried as a whole, and calls in Python or the shell
_OF_ANOTHER_LANGUAGE = re.compile(rf"{_OF_THE_SHELL.pattern}|[\w$]\(")
# a key of a configuration, or a group of Hydra's as in hydra/launcher=joblib
_OVERRIDE = re.compile(r"^([+~]*)([a-z_]+(?:[./@][a-z_]+)*)=(.*)$")


def _commands(text: str) -> Iterator[tuple[str, list[str]]]:
    """Entry configuration and overrides of every command that a text shows."""
    for language, block in _BLOCK.findall(text):
        if language == "bash":
            for line in block.replace("\\\n", " ").splitlines():
                yield from _command(line)
    for span in _SPAN.findall(_BLOCK.sub("", text)):
        yield from _command(span)


def _command(line: str) -> Iterator[tuple[str, list[str]]]:
    if found := _OF_THE_SHELL.match(line):
        yield found[1] or "train", [word for word in shlex.split(found[2], comments=True) if "=" in word]


def _composes(entry: str, overrides: list[str], folders: Sequence[Path]) -> DictConfig:
    """Compose with what a command gives, and the user's folders of configurations; the first job of a sweep."""
    given = [f"hydra.searchpath=[{','.join(f'file://{folder}' for folder in folders)}]"]
    for override in OverridesParser.create().parse_overrides(overrides):
        value = next(override.sweep_string_iterator()) if override.is_sweep_override() else None
        given.append(override.input_line if value is None else f"{override.input_line.partition('=')[0]}={value}")
    with initialize_config_module("pdtrain.conf", version_base="1.3"):
        return compose(entry, given)


def _shown_commands() -> list[tuple[str, str, list[str]]]:
    return [(name, *command) for name, text in _TEXTS.items() for command in _commands(text) if command[1]]


def _shown_experiment() -> str:
    """The file that the how-to gives as an example."""
    (block,) = (
        block for language, block in _BLOCK.findall((_ROOT / "docs" / "how-to.md").read_text()) if language == "yaml"
    )
    return block


def _helped() -> list[tuple[str, str, list[str]]]:
    """Overrides that `--help` gives as examples, those of a line together."""
    found = []
    for entry in ("train", "probe"):
        template = yaml.safe_load((CONF / f"{entry}.yaml").read_text())["hydra"]["help"]["template"]
        for line in template.partition("$APP_CONFIG_GROUPS")[2].splitlines():
            words = shlex.split(line.strip().split("  ")[0])
            if given := [word for word in words if "=" in word]:
                found.append((f"--help of {entry}", entry, given))
    return found


@pytest.mark.parametrize("shown", [_helped, _shown_commands])
def test_every_command_that_is_shown_composes(shown: Callable[[], list], tmp_path: Path) -> None:
    commands = shown()
    (tmp_path / "experiment").mkdir()
    (tmp_path / "experiment" / "mine.yaml").write_text(_shown_experiment())
    wrong = [(place, word) for place, _, given in commands for word in given if not _is_true(word)]
    depending = {(entry, *given) for _, entry, given in commands if _chooses(given) and len(given) > 1}

    assert len(commands) > 15 and len(depending) > 3
    assert wrong == []
    for entry, *given in sorted(depending):
        _composes(entry, given, [tmp_path, *_EXAMPLES])


@pytest.mark.parametrize("document", _TEXTS)
def test_every_key_that_is_shown_exists(document: str) -> None:
    spans = [span for span in _SPAN.findall(_BLOCK.sub("", _TEXTS[document])) if not _OF_ANOTHER_LANGUAGE.search(span)]
    words = [word.strip("\"'") for span in spans for word in span.split()]

    assert [word for word in words if not _is_true(word)] == []


def _is_true(word: str) -> bool:
    """Whether one may write so: a key that exists, or one that is added; choices that exist; or no override at all."""
    found = _OVERRIDE.match(word)
    if found is None or found[2].startswith(("hydra/", "hydra.launcher", "hydra.sweeper")):  # the latter of plugins
        return True
    sign, key, value = found.groups()
    if key in choices():
        return not value or set(value.split(",")) <= {
            *choices()[key],
            *_choices_of_examples(key),
            "...",
            "null",
            "mine",
        }
    return "+" in sign or key in keys() or key in _keys_of_examples()


def _choices_of_examples(group: str) -> set[str]:
    return {path.stem for folder in _EXAMPLES for path in folder.glob(f"{group}/*.yaml")}


@cache
def _keys_of_examples() -> frozenset[str]:
    """Keys that the experiments of the examples bring."""
    found = [
        _composes("train", [f"experiment={name}"], _EXAMPLES) for name in sorted(_choices_of_examples("experiment"))
    ]
    return frozenset(key for config in found for key in keys_of(OmegaConf.to_container(config, resolve=False)))


def _chooses(words: list[str]) -> bool:
    """Whether a group is chosen, on which it depends what other keys there are."""
    return any(word.partition("=")[0] in choices() for word in words)


def test_the_experiment_that_is_shown_sets_what_it_says(tmp_path: Path) -> None:
    (tmp_path / "experiment").mkdir()
    (tmp_path / "experiment" / "mine.yaml").write_text(_shown_experiment())

    config = _composes("train", ["experiment=mine", "trainer.max_epochs=20"], [tmp_path])

    assert (config.seed, config.data.subset, config.model.network.name) == (7, 4000, "resnet18")
    assert "stopping" in config.callbacks and "probing" in config.callbacks


def test_the_scan_finds_what_is_wrong() -> None:
    """Else it would be green for want of anything to see."""
    assert len(_shown_commands()) > 20 and len(_helped()) > 15
    assert list(_commands("```bash\nls\npdtrain-train -m seed=1,2 \\\n  a.b=3  # c=4\n```\n`pdtrain-probe x=1`")) == [
        ("train", ["seed=1,2", "a.b=3"]),
        ("probe", ["x=1"]),
    ]
    behind = "```bash\nA=1 srun -n 2 pdtrain-train b=2\ntorchrun --n=1 \\\n  -m pdtrain.commands.train c=3\n```"
    assert list(_commands(behind)) == [("train", ["b=2"]), ("train", ["c=3"])]
    beside_blocks = "``` { .python }\nx\n```\n\n`pdtrain-probe x=1`\n\n```yaml\ny\n```\n"
    assert list(_commands(beside_blocks)) == [("probe", ["x=1"])], "a block ends where it ends"
    assert not _is_true("data.pixel=3") and not _is_true("trainer.sync_batch=true")
    assert not _is_true("model=vgg16,vgg17") and _is_true("+trainer.sync_batch=true")
