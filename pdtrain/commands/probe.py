"""`pdtrain-probe`: probe the checkpoints of a run, or weights from elsewhere, after the fact.

Model, data, stimuli, layers and probes are those of the run's stored configuration, but for what the command line
overrides. Rows go to a probe set of their own, beside what training wrote.
"""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hydra
import pytorch_lightning as lightning
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf, open_dict
from rich.console import Console
from torch import nn

from pdtrain.commands.build import build_network, build_prober, build_probes, built
from pdtrain.commands.shell import run_command, run_job
from pdtrain.commands.stored_targets import check_plain, check_resolved, check_targets, targets_in
from pdtrain.errors import InputError
from pdtrain.loggers.probed_at_wandb import WandbResults
from pdtrain.probes.prober import Probe, Prober, measured_by
from pdtrain.report.point_table import point_table
from pdtrain.report.summary import print_caveats
from pdtrain.responses.areas import measure_areas
from pdtrain.responses.table import read_responses, read_stimuli
from pdtrain.results.caveats import DEAD_NETWORK, caveats_at, caveats_of_run, label_note_of_run
from pdtrain.results.configuration import check_measured_alike, keep_configuration, load_configuration, runs_below
from pdtrain.results.reader import epoch_ends, load
from pdtrain.results.rows import ProbePoint
from pdtrain.results.run_folder import TRAINING, RunFolder
from pdtrain.results.status import is_running
from pdtrain.results.store import ResultsStore
from pdtrain.stimuli.stimulus_set import IDENTITY
from pdtrain.training.checkpoints import load_network, point_of

_FROM_RUN = ("data", "model", "stimuli", "layers", "probes", "paths", "seed")
_BUILT = ("data", "model", "stimuli", "layers", "probes")
_OF_NETWORK = (*_FROM_RUN, "state_dict")  # what rows depend on
_OF_NEURONS = ("responses", "stimuli_table", "circular", "discrete", "areas", "neurons", "probes", "seed")
_POLL_SECONDS = 5.0


@hydra.main(version_base="1.3", config_path="pkg://pdtrain.conf", config_name="probe")
def _launch(config: DictConfig) -> None:
    run_job("pdtrain-probe", config, lambda config: probe(config, list(HydraConfig.get().overrides.task)))


def main() -> None:
    """Run `pdtrain-probe`."""
    run_command("pdtrain-probe", "probe", _launch)


def probe(config: DictConfig, overrides: list[str] | None = None) -> list[Path]:
    """Probe as configured; return the files written.

    Parameters
    ----------
    config
        `conf/probe.yaml`, composed.
    overrides
        What the user gave, as "key=value": these win over the run's stored configuration.
    """
    if config.probe_set == TRAINING:
        raise InputError(f"probe_set={TRAINING}: that name is for what training wrote; choose another")
    if sum(given is not None for given in (config.run_dir, config.state_dict, config.responses)) != 1:
        raise InputError("run_dir: give run_dir=... (a run or a sweep), or state_dict=... or responses=... and out=...")
    console = Console()
    if config.responses is not None:
        return [_probe_responses(config, console)]
    if config.state_dict is not None:
        if config.out is None:
            raise InputError("out: give out=..., the folder for the rows of state_dict")
        with _Job(config, Path(config.out), console) as job:
            return job.probe([Path(config.state_dict)], key="state_dict")
    written = []
    for run_dir in _runs(Path(config.run_dir)):
        with _Job(with_stored(config, run_dir, overrides or []), run_dir, console) as job:
            for checkpoints in _checkpoints(config, run_dir):
                written += job.probe(checkpoints, key="ckpt_path")
    return written


def _probe_responses(config: DictConfig, console: Console) -> Path:
    """Measure recorded neurons, areas in place of layers."""
    for key in ("stimuli_table", "out"):
        if config[key] is None:
            raise InputError(f"{key}: give {key}=... with responses=...")
    neural = read_responses(config.responses)
    stimuli = read_stimuli(config.stimuli_table, neural.stimuli, circular=config.circular, discrete=config.discrete)
    _leave_out_unknown_properties(config, [*stimuli.parameters, IDENTITY], console)
    store = ResultsStore(config.out, probe_set=config.probe_set)
    probes = build_probes(config)
    found = measure_areas(neural, stimuli, probes, areas=config.areas, neurons=config.neurons, seed=config.seed)
    point, catalogue = ProbePoint(0, 0), measured_by(probes)
    check_measured_alike(store.folder, config, _OF_NEURONS, probe_set=config.probe_set)
    keep_configuration(store.folder, config, _OF_NEURONS)
    store.keep(catalogue)
    path = store.write(point, found.rows, found.unit_rows)
    console.print(point_table(point, found.rows, catalogue))
    console.print(f"rows: {path}", soft_wrap=True)
    return path


def _leave_out_unknown_properties(config: DictConfig, known: list[str], console: Console) -> None:
    """Of images they would be measured, which are not there: what the table of stimuli does not hold is not known."""
    for name, node in config.probes.items():
        if not isinstance(node, DictConfig) or "properties" not in node:
            continue
        unknown = [property for property in node.properties if property not in known]
        if unknown:
            console.print(f"not in the table of stimuli, left out: {', '.join(unknown)}", soft_wrap=True)
        node.properties = [property for property in node.properties if property in known]
        if not node.properties:
            raise InputError(f"stimuli_table={config.stimuli_table}: has none of probes.{name}.properties")


class _Job:
    """Probes checkpoints of one architecture into one folder; data and stimuli are made once."""

    def __init__(self, config: DictConfig, folder: Path, console: Console) -> None:
        lightning.seed_everything(config.seed, verbose=False)
        self._data = built(config.data)
        self._data.setup()
        self._network: nn.Module = build_network(config, self._data)
        self._probes: list[Probe] = build_probes(config)
        self._store = ResultsStore(folder, probe_set=config.probe_set)
        self._prober: Prober = build_prober(config, self._data, self._store)
        self._prober.prepare(self._network, self._probes)
        check_measured_alike(self._store.folder, config, _OF_NETWORK, probe_set=config.probe_set)
        self._config, self._folder, self._console, self._force = config, folder, console, config.force
        self._wandb = WandbResults(folder, config.probe_set, to=config.wandb) if config.wandb is not None else None

    def __enter__(self) -> "_Job":
        return self

    def __exit__(self, *exception: object) -> None:
        if self._wandb is not None:
            self._wandb.close()

    def probe(self, checkpoints: list[Path], *, key: str) -> list[Path]:
        """Probe those that have no rows yet, earliest first; return the files written."""
        written = []
        for path in checkpoints:
            known = point_of(path, {})
            if known.step and self._is_done(known):
                continue
            point = point_of(path, load_network(self._network, path, key=key))
            if self._is_done(point):
                continue
            keep_configuration(self._store.folder, self._config, _OF_NETWORK)
            rows = self._prober.measure(self._network, self._probes, point)
            print_caveats(caveats_at(point, rows), self._console)
            if self._wandb is not None:
                self._wandb.send(point, rows)
            written.append(self._store.path(point))
            self._console.print(f"{path.name}: epoch {point.epoch}, step {point.step} -> {written[-1]}", soft_wrap=True)
        if written:
            self._say_what_must_be_known()
        return written

    def _say_what_must_be_known(self) -> None:
        """What the points do not say one by one: whether a control has memorised, which labels are meant, mixes."""
        folder, probe_set = self._folder, self._config.probe_set
        rows = epoch_ends(load(folder, probe_set=probe_set))
        if (note := label_note_of_run(folder, rows, probe_set=probe_set)) is not None:
            self._console.print(note, highlight=False)
        caveats = caveats_of_run(folder, rows, probe_set=probe_set)
        print_caveats([caveat for caveat in caveats if caveat.kind != DEAD_NETWORK], self._console)

    def _is_done(self, point: ProbePoint) -> bool:
        return not self._force and self._store.has(point)


def with_stored(config: DictConfig, run_dir: Path, overrides: list[str]) -> DictConfig:
    """The run's stored configuration with the user's overrides on top.

    Raises
    ------
    InputError
        If the run has no stored configuration, or one that would have something built that is neither offered nor
        trusted.
    """
    configuration = load_configuration(run_dir)
    if configuration is None:
        raise InputError(f"run_dir={run_dir}: no run there; give the folder of a run or a sweep")
    stored = OmegaConf.to_container(configuration, resolve=False)
    assert isinstance(stored, dict)
    own = [override.lstrip("+~").partition("=")[0].replace("/", ".") for override in overrides]
    own = [key for key in own if key.partition(".")[0] in _FROM_RUN]
    groups: dict[str, Any] = {group: stored[group] for group in _FROM_RUN if group in stored}
    if isinstance(groups.get("paths"), dict):
        groups["paths"].pop("run_dir", None)  # of the training
    check_plain(groups, overridden=own)
    merged = config.copy()
    with open_dict(merged):
        for group, node in groups.items():
            # of these a run may have been stored before a key existed
            OmegaConf.update(merged, group, node, merge=group in ("layers", "paths"))
        for key in own:
            OmegaConf.update(merged, key, OmegaConf.select(config, key), merge=False)
        # resolved once, so that what is checked is what is built
        built = {group: OmegaConf.to_container(merged[group], resolve=True) for group in _BUILT}
        given = targets_in(OmegaConf.to_container(config, resolve=False))
        users = {key: target for key, target in given if any(f"{key}.".startswith(f"{mine}.") for mine in own)}
        check_resolved(built)
        check_targets(built, trust=config.trust, own=users)
        merged.update(built)
    return merged


def _runs(path: Path) -> list[Path]:
    """The run at `path`, or the runs of the sweep at `path`."""
    runs = runs_below(path)
    if not runs:
        raise InputError(f"run_dir={path}: no run there; give the folder of a run or a sweep")
    return runs


def _checkpoints(config: DictConfig, run_dir: Path) -> Iterator[list[Path]]:
    """Checkpoints to probe; with `watch`, new ones as they come, until the run has ended."""
    pattern = config.ckpt_path or "epoch=*.ckpt"
    while True:
        running = config.watch and is_running(run_dir)  # asked before looking: what comes in between is seen next time
        found = _matching(run_dir, pattern)
        if not found and not running:
            raise InputError(f"ckpt_path={pattern}: no such checkpoint in {RunFolder(run_dir).checkpoints}")
        yield found
        if not running:
            return
        time.sleep(_POLL_SECONDS)


def _matching(run_dir: Path, pattern: str) -> list[Path]:
    if Path(pattern).is_file():
        return [Path(pattern)]
    return sorted(RunFolder(run_dir).checkpoints.glob(pattern))


if __name__ == "__main__":
    main()
