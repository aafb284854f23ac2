"""The configuration of a run, kept in its folder: what it was made from, and what may go on there."""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import AliasEvent, SafeLoader, parse

from pdtrain.checksums import is_intact, yaml_with_checksum
from pdtrain.errors import DamagedFile, InputError
from pdtrain.files import written_whole
from pdtrain.results.run_folder import RunFolder, folders_below
from pdtrain.results.versions import ADDED, upgraded

PRETRAINED_WEIGHTS, SHUFFLED_WEIGHTS = "pretrained", "shuffled"
_PROBE_SET_NAME = "probe.yaml"
CHOICES = "choices"  # the key under which a run keeps what was chosen of each group
# what only says how a run is made, and changes no number
CHANGES_NO_NUMBER = (
    "resume",
    "sweep",
    "debug",
    "report",
    "paths",
    "data.workers",
    "data.prefetch_factor",
    "data.file_lists",
    "trainer.enable_progress_bar",
    "trainer.default_root_dir",
    "logger.wandb.scalars",
    "logger.wandb.metric",
)
# what may differ between a run and its continuation: also where it began, and where the same data lie
_FREE = (*CHANGES_NO_NUMBER, "ckpt_path", "data.validation_labels", "data.root")


def save_configuration(run_dir: str | Path, config: DictConfig) -> None:
    """Keep `config`, its interpolations unresolved."""
    _write(config, RunFolder(run_dir).configuration)


def load_configuration(run_dir: str | Path) -> DictConfig | None:
    """Configuration of the run in `run_dir`; None if there is no run.

    Raises
    ------
    DamagedFile
        If the file is not as it was written.
    """
    folder = RunFolder(run_dir)
    for path in (folder.configuration, folder.hydra_configuration):
        if path.is_file():
            return _read(path)
    return None


def _loaded(path: Path) -> DictConfig:
    return OmegaConf.create(_upgraded(path, path.stat().st_mtime_ns))


@lru_cache(maxsize=64)
def _upgraded(path: Path, changed: int) -> dict[str, Any]:
    """What stands in a file that was changed then: a report asks ten times, and reading takes a tenth of a second."""
    try:
        content = path.read_bytes()
        text = content.decode()
        # none is ever written, and a few of them hold a milliard values, or themselves
        aliases = "*" in text and any(isinstance(event, AliasEvent) for event in parse(text, Loader=SafeLoader))
        config = None if aliases else OmegaConf.create(text)
    except Exception as error:  # whatever a damaged file brings about
        raise DamagedFile(f"{path}: damaged; put back the configuration of the run") from error
    if aliases:
        raise InputError(f"{path}: refers to its own parts by YAML's *; write them out")
    if not text.endswith("\n"):  # its checksum is gone with its end
        raise DamagedFile(f"{path}: damaged, its last line has no end; put back the configuration of the run")
    if not is_intact(content):
        raise DamagedFile(
            f"{path}: damaged, its checksum differs; put back the configuration of the run, or remove the last line if "
            "you changed it yourself"
        )
    if not isinstance(config, DictConfig):
        raise DamagedFile(f"{path}: no configuration")
    stored = OmegaConf.to_container(config, resolve=False)
    assert isinstance(stored, dict)
    return upgraded({str(key): value for key, value in stored.items()})


def _read(path: Path) -> DictConfig:
    config = _loaded(path)
    if not {"data", "model"} <= set(config) or not isinstance(config.get("paths"), DictConfig):
        raise DamagedFile(f"{path}: no configuration of a run")
    return config


def choices_of(config: DictConfig) -> dict[str, str | None]:
    """What was chosen of each group of the configuration, such as "small_vgg" of "model"; none where it is not kept."""
    choices = config.get(CHOICES)
    if not isinstance(choices, DictConfig):
        return {}
    found = {str(group): OmegaConf.select(choices, str(group), default=None) for group in choices}
    return {group: choice for group, choice in found.items() if choice is None or isinstance(choice, str)}


def check_measured_alike(folder: str | Path, config: DictConfig, groups: Sequence[str], *, probe_set: str) -> None:
    """Compare the `groups` of `config` with what the rows in the folder of a probe set were measured with.

    Raises
    ------
    InputError
        If there are rows that were measured otherwise.
    """
    kept = probe_set_configuration(folder)
    if kept is None or not any(Path(folder).glob("*.rows.parquet")):
        return
    for key, before, now in differences(kept, _part(config, groups)):
        raise InputError(
            f"{key}={now}: the rows of probe_set={probe_set} were measured with {before}; give another probe_set, "
            f"or remove {folder}"
        )


def check_same_weights(run_dir: str | Path, config: DictConfig, groups: Sequence[str]) -> None:
    """Compare the `groups` of `config` with those of the weights from elsewhere whose rows are in `run_dir`, if any.

    Raises
    ------
    InputError
        If they differ: all probe sets of a folder are of the same weights.
    """
    stored = load_configuration(run_dir)
    if stored is None:
        return
    for key, before, now in differences(_part(stored, groups), _part(config, groups)):
        raise InputError(f"out={run_dir}: holds rows of other weights ({key}={before}, now {now}); name another folder")


def keep_configuration(folder: str | Path, config: DictConfig, groups: Sequence[str]) -> None:
    """Keep what the rows of a probe set are measured with: the `groups` of `config`."""
    _write(_part(config, groups), Path(folder) / _PROBE_SET_NAME)


def _write(config: DictConfig, path: Path) -> None:
    with written_whole(path) as temporary:
        temporary.write_bytes(yaml_with_checksum(OmegaConf.to_yaml(config, resolve=False)))


def _part(config: DictConfig, groups: Sequence[str]) -> DictConfig:
    return OmegaConf.masked_copy(config, [*groups, "paths"])


def probe_set_configuration(folder: str | Path) -> DictConfig | None:
    """What the rows in the folder of a probe set were measured with; None if that is not kept."""
    path = Path(folder) / _PROBE_SET_NAME
    if not path.is_file():
        return None
    config = _loaded(path)
    if not isinstance(config.get("paths"), DictConfig):
        raise DamagedFile(f"{path}: no configuration of a probe set; remove {folder}, and probe again")
    return config


def holds_neurons(folder: str | Path, *, probe_set: str) -> bool:
    """Tell whether a probe set was measured on recorded neurons."""
    config = probe_set_configuration(RunFolder(folder).results(probe_set))
    return config is not None and "responses" in config


def begins_from_weights(config: DictConfig | None) -> bool:
    """Whether what is trained is not initialised at random, so that it is nowhere untrained."""
    return config is not None and OmegaConf.select(config, "model.network.weights") is not None


def weights_of_run(run_dir: str | Path) -> tuple[str, str]:
    """What the weights are called that were probed at step 0 and after: "untrained" and "trained", but for others'."""
    config = load_configuration(run_dir)
    if config is None or "untrained" not in config:  # a key of `pdtrain-probe`
        return "initial" if begins_from_weights(config) else "untrained", "trained"
    return SHUFFLED_WEIGHTS if config.untrained == SHUFFLED_WEIGHTS else "untrained", PRETRAINED_WEIGHTS


def runs_below(path: str | Path) -> list[Path]:
    """Folders of the run at `path`, or of the runs of the sweep there."""
    if load_configuration(path) is not None:
        return [Path(path)]
    return folders_below(path)


def run_name(config: DictConfig) -> str:
    """Data, model and seed of a run, such as "objects small_vgg seed 0".

    Data are called by their name, else by their folder or class; a network by its name, or that of its function.
    """
    network = config.model.network
    data = config.data.get("name") or Path(config.data.get("root") or "").name or _word_of(config.data._target_)
    model = network.get("name") or _word_of(network._target_)
    shuffled = "shuffled labels " if config.data.get("shuffled_labels") else ""
    return f"{data} {shuffled}{model} seed {config.seed}"


def _word_of(target: str) -> str:
    """The last part of a path to a function or class, as a plain word."""
    return target.rpartition(".")[2].removesuffix("Data").lower()


def holds_run(run_dir: str | Path) -> bool:
    """Tell whether a run was begun in `run_dir`."""
    return RunFolder(run_dir).configuration.is_file()


def differences(stored: DictConfig, config: DictConfig) -> list[tuple[str, Any, Any]]:
    """Keys on which the results depend and that differ, with both values."""
    one, other = dict(leaves(_resolved(stored))), dict(leaves(_resolved(config)))
    keys = [key for key in sorted(one.keys() | other.keys()) if not _is_free(key)]
    values = [(key, one.get(key, ADDED.get(key)), other.get(key, ADDED.get(key))) for key in keys]
    return [(key, before, now) for key, before, now in values if before != now]


def _resolved(config: DictConfig) -> Any:
    copy = config.copy()
    OmegaConf.set_struct(copy, False)
    copy.paths.run_dir = ""  # differs from run to run, and is part of other values
    return OmegaConf.to_container(copy, resolve=True)


def leaves(node: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Keys of a nested configuration, joined by points, with their values."""
    if isinstance(node, dict) and node:
        for key, value in node.items():
            yield from leaves(value, f"{prefix}{key}.")
    else:
        yield prefix.rstrip("."), node


def values_of(config: DictConfig) -> dict[str, Any]:
    """Keys of a configuration with what they come to; what leads nowhere, such as to a folder of Hydra's, as it stands.

    Examples
    --------
    >>> values_of(OmegaConf.create({"seed": 2, "data": {"seed": "${seed}", "root": "${gone}"}}))
    {'seed': 2, 'data.seed': 2, 'data.root': '${gone}'}
    """
    stored = leaves(OmegaConf.to_container(config, resolve=False))
    return {key: _resolved_value(config, key, value) if "${" in str(value) else value for key, value in stored}


def _resolved_value(config: DictConfig, key: str, stored: Any) -> Any:
    try:
        found = OmegaConf.select(config, key)
        return OmegaConf.to_container(found, resolve=True) if OmegaConf.is_config(found) else found
    except OmegaConfBaseException:
        return stored


def is_at_or_below(key: str, part: str) -> bool:
    """Whether a key is that of a part of the configuration, or of something in it."""
    return key == part or key.startswith(f"{part}.")


def _is_free(key: str) -> bool:
    return any(is_at_or_below(key, free) for free in (*_FREE, CHOICES))
