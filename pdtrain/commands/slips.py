"""Words of a command line that are no `key=value`: what was meant, as the command that says it."""

import shlex
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

# of Hydra's command line; those in the second line take a value
_FLAGS = ("--help", "--hydra-help", "--version", "--resolve", "--run", "--multirun", "--shell-completion", "--info")
_WITH_VALUE = ("--cfg", "--package", "--config-path", "--config-name", "--config-dir", "--experimental-rerun")
_SHORT = ("-h", "-r", "-m", "-sc", "-i")
_MAY_HAVE_VALUE = ("--info", "-i")
_SHORT_WITH_VALUE = ("-c", "-p", "-cp", "-cn", "-cd")
_ASKS = ("--help", "-h", "--hydra-help", "--version", "--shell-completion", "-sc")  # what else is said does not matter
# what others call a key
_ALSO_CALLED = {
    "epochs": "trainer.max_epochs",
    "steps": "trainer.max_steps",
    "gpus": "trainer.devices",
    "lr": "optimizer.lr",
    "learning_rate": "optimizer.lr",
    "batch_size": "data.batch_size",
    "workers": "data.workers",
    "num_workers": "data.workers",
    "output": "out",
    "output_dir": "hydra.run.dir",
    "checkpoint": "ckpt_path",
    "run": "run_dir",
}


def meant(
    words: Sequence[str], keys: Mapping[str, Any], choices: Mapping[str, Iterable[str]]
) -> tuple[str, str] | None:
    """What of a command line is no `key=value`, and the whole of it as it was meant.

    Parameters
    ----------
    words
        Of the command line, without the command.
    keys
        All keys that the command has, groups among them, with their defaults.
    choices
        Names that each group has.

    Returns
    -------
    tuple of str, or None
        The first words at fault and the corrected command line; an empty one where it cannot be told what was meant.
        None where nothing is at fault.

    Examples
    --------
    >>> meant(["--seed", "3"], {"seed": 0}, {})
    ('--seed 3', 'seed=3')
    >>> meant(["runs/fm"], {"run_dir": None}, {})
    ('runs/fm', 'run_dir=runs/fm')
    >>> meant(["seed=3"], {"seed": 0}, {}) is None
    True
    """
    if not {*words}.isdisjoint(_ASKS):
        return None
    said, at_fault, left = list[str](), list[str](), list(words)
    while left:
        taken, corrected = _next(left, keys, choices)
        if corrected != " ".join(left[:taken]):
            at_fault.append(" ".join(left[:taken]))
        if corrected is None:
            return at_fault[0], ""
        said += left[:taken] if corrected == " ".join(left[:taken]) else [corrected]
        left = left[taken:]
    if not at_fault:
        return None
    return at_fault[0], shlex.join(_together(said))


def options_last(words: Sequence[str]) -> list[str]:
    """The same command line with the options of Hydra at its end: between keys, argparse would take no key after them.

    Examples
    --------
    >>> options_last(["trainer.max_epochs=2", "-m", "seed=1,2", "--cfg", "job", "model=small_vgg"])
    ['trainer.max_epochs=2', 'seed=1,2', 'model=small_vgg', '-m', '--cfg', 'job']
    """
    keys, options, left = list[str](), list[str](), list(words)
    while left:
        valued = left[0] in (*_WITH_VALUE, *_SHORT_WITH_VALUE)
        valued |= left[0] in _MAY_HAVE_VALUE and "=" not in "".join(left[1:2])
        taken = 2 if valued else 1
        (options if left[0].startswith("-") else keys).extend(left[:taken])
        left = left[taken:]
    return [*keys, *options]


def _next(left: Sequence[str], keys: Mapping[str, Any], choices: Mapping[str, Iterable[str]]) -> tuple[int, str | None]:
    """How many of the words that are left belong together, and what they mean; None where that cannot be told."""
    word, following = left[0], [other for other in left[1:2] if not other.startswith("-") and "=" not in other]
    if word in (*_WITH_VALUE, *_SHORT_WITH_VALUE):
        return min(2, len(left)), " ".join(left[:2])
    if _is_flag(word) or word.startswith("~"):
        return 1, word
    if word.startswith("-"):
        return _option(word.lstrip("-"), following, keys)
    if left[1:2] == ["="] and len(left) > 2:
        return 3, f"{word}={left[2]}"
    if word.endswith("=") and following:
        return 2, word + following[0]
    if "=" in word:
        return 1, word
    return _bare(word, following, keys, choices)


def _is_flag(word: str) -> bool:
    """Whether it is one of Hydra's, which may be shortened and given a value."""
    name = word.partition("=")[0]
    return word in _SHORT or (len(name) > 3 and any(flag.startswith(name) for flag in (*_FLAGS, *_WITH_VALUE)))


def _option(given: str, following: Sequence[str], keys: Mapping[str, Any]) -> tuple[int, str | None]:
    """--run-dir=runs/fm, --run_dir runs/fm or --force."""
    name, equals, value = given.partition("=")
    key = _key(name, keys)
    if key is None:
        return 1, None
    if equals:
        return 1, f"{key}={value}"
    return (2, f"{key}={following[0]}") if following else (1, _with_value(key, keys))


def _with_value(key: str, keys: Mapping[str, Any]) -> str:
    """A switch is switched; what another value is to be is not known."""
    return f"{key}={'true' if isinstance(keys[key], bool) else '...'}"


def _bare(
    word: str, following: Sequence[str], keys: Mapping[str, Any], choices: Mapping[str, Iterable[str]]
) -> tuple[int, str | None]:
    """A key with its value after a space or a colon, a choice without its group, or the folder of a run."""
    name, colon, value = word.partition(":")
    if colon and _key(name, keys) is not None and value:
        return 1, f"{_key(name, keys)}={value}"
    if word in keys and following and not isinstance(keys[word], bool):
        return 2, f"{word}={following[0]}"
    groups = [group for group, names in choices.items() if word in names]
    if groups:
        return 1, f"{groups[-1] if 'experiment' not in groups else 'experiment'}={word}"
    if word in keys:
        return 1, _with_value(word, keys)
    if "run_dir" in keys:
        return 1, f"run_dir={word}"
    return 1, None


def _together(words: Iterable[str]) -> list[str]:
    """Several runs as one list."""
    words = list(words)
    runs = [word.removeprefix("run_dir=") for word in words if word.startswith("run_dir=")]
    if len(runs) < 2:
        return words
    others = [word for word in words if not word.startswith("run_dir=")]
    return [f"run_dir=[{','.join(runs)}]", *others]


def _key(name: str, keys: Mapping[str, Any]) -> str | None:
    """The key that a name is of, written as options are elsewhere, or by its last part."""
    name = name.replace("-", "_")
    if name in keys:
        return name
    if _ALSO_CALLED.get(name) in keys:
        return _ALSO_CALLED[name]
    ends = [key for key in keys if key.endswith(f".{name}")]
    return ends[0] if len(ends) == 1 else None


def nearest_key(name: str, keys: Mapping[str, Any]) -> str | None:
    """The key that was probably meant by another name."""
    if (key := _key(name, keys)) is not None and key != name:
        return key
    by_last_part = {key.rpartition(".")[2]: key for key in keys if "." in key} if "." not in name else {}
    near = get_close_matches(name, [key for key in keys if key != name], n=1, cutoff=0.75)
    near += [by_last_part[part] for part in get_close_matches(name, by_last_part, n=1, cutoff=0.75)]
    near += get_close_matches(name, [key for key in keys if key != name], n=1)
    return next(iter(near), None)
