"""`pdtrain-probe`: probe the checkpoints of a run, or weights from elsewhere, after the fact.

Model, data, stimuli, layers and probes are those of the run's stored configuration, but for what the command line
overrides. Rows go to a probe set of their own, beside what training wrote. What takes long to import is imported when
there is something to probe, so that help and wrong input answer at once.
"""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException
from rich.console import Console

from pdtrain.commands.idle_keys import check_used
from pdtrain.commands.shell import run_command, run_job
from pdtrain.commands.stored_targets import FROM_RUN, check_plain, check_resolved, check_targets
from pdtrain.commands.targets import targets_in
from pdtrain.errors import DamagedFile, InputError, NothingMatches
from pdtrain.locks import is_held
from pdtrain.report.console import plain_console
from pdtrain.results.configuration import SHUFFLED_WEIGHTS, load_configuration, runs_below
from pdtrain.results.run_folder import TRAINING, RunFolder, plain_name
from pdtrain.results.status import is_running
from pdtrain.training.checkpoints import checkpoint_file, load_network, point_of

_BUILT = ("data", "model", "stimuli", "layers", "probes")
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
    plain_name(config.probe_set)
    weights = config.state_dict
    if weights is None and config.run_dir is None:  # a run's own network may have begun from weights
        weights = config.model.network.get("weights")
    if sum(given is not None for given in (config.run_dir, weights, config.responses)) != 1:
        raise InputError(
            "run_dir: give run_dir=... (a run or a sweep), or model.network.weights=..., state_dict=... or "
            "responses=... and out=..."
        )
    if config.run_dir is not None and (given := [word for word in overrides or [] if word.startswith("experiment=")]):
        raise InputError(f"{given[0]}: is for weights from elsewhere; of a run, name groups, as in layers=ansuini")
    console = plain_console()
    probed = next(name for name in ("run_dir", "responses", "state_dict") if name == "state_dict" or config[name])
    check_used(overrides or [], of=probed)
    if config.responses is not None:
        _check_responses(config)
        from pdtrain.commands.probe_responses import probe_responses

        return [probe_responses(config, console)]
    if config.run_dir is None:
        _check_weights(config)
        from pdtrain.commands.probe_weights import probe_weights

        return probe_weights(config, overrides or [], console)
    runs = _runs(Path(config.run_dir), console, watch=config.watch)
    return _probe_runs(config, runs, overrides or [], console)


def _probe_runs(config: DictConfig, runs: Iterator[Path], overrides: list[str], console: Console) -> list[Path]:
    """Probe a run, or those of several whose networks have what is to be probed."""
    written: list[Path] = []
    seen, left_out = 0, dict[Path, NothingMatches]()
    for run_dir in runs:
        seen += 1
        from pdtrain.commands.probe_job import sole_prober  # takes long, and there is a run now

        with sole_prober(config, run_dir):
            try:
                written += _probe_run(with_stored(config, run_dir, overrides), run_dir, console)
            except NothingMatches as error:
                left_out[run_dir] = error
    none_is_left = 0 < seen == len(left_out)
    for run_dir, why in list(left_out.items())[: -1 if none_is_left else None]:
        console.print(f"{run_dir} is left out: {why}", soft_wrap=True, highlight=False, markup=False)
    if none_is_left:
        raise next(reversed(left_out.values()))
    return written


def _check_weights(config: DictConfig) -> None:
    """Raise InputError if there is no folder for the rows of weights from elsewhere, or no file of them."""
    if config.out is None:
        raise InputError("out: give out=..., the folder for the rows of these weights")
    if config.untrained not in (True, False, SHUFFLED_WEIGHTS):
        raise InputError(f"untrained={config.untrained}: choose true, false or {SHUFFLED_WEIGHTS}")
    if RunFolder(config.out).status.exists():
        raise InputError(f"out={config.out}: holds a run that was trained; name another folder")
    if config.state_dict is not None:
        checkpoint_file(config.state_dict, key="state_dict")


def _check_responses(config: DictConfig) -> None:
    """Raise InputError if the table of stimuli, or the folder for the rows of recorded neurons, is not given."""
    for key in ("stimuli_table", "out"):
        if config[key] is None:
            raise InputError(f"{key}: give {key}=... with responses=...")


def _probe_run(config: DictConfig, run_dir: Path, console: Console) -> list[Path]:
    """Probe a run's checkpoints that have no rows yet, earliest first."""
    import pytorch_lightning as lightning

    from pdtrain.commands.build import build_network, built
    from pdtrain.commands.probe_job import ProbeJob

    lightning.seed_everything(config.seed, verbose=False)
    data = built(config.data)
    data.setup()
    network, damaged = build_network(config, data), dict[Path, DamagedFile]()
    with ProbeJob(config, run_dir, data, network, console) as job:
        for checkpoints in _checkpoints(config, run_dir):
            before = len(job.written)
            for path in checkpoints:
                known = point_of(path, {})
                if path in damaged or (known.step and job.is_done(known)):
                    continue
                try:
                    point = point_of(path, load_network(network, path))
                except DamagedFile as error:
                    damaged[path] = error
                    continue
                if not job.is_done(point):
                    job.measure(network, point, of=f"{path.name}: epoch {point.epoch}, step {point.step}")
            if len(job.written) > before:
                job.say_what_must_be_known()
    if damaged:
        others = (
            "all others are measured; remove what is damaged to leave it out" if len(checkpoints) > len(damaged) else ""
        )
        raise DamagedFile("; ".join(filter(None, [*map(str, damaged.values()), others])))
    return job.written


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
    own = [key for key in own if key.partition(".")[0] in FROM_RUN]
    groups: dict[str, Any] = {group: stored[group] for group in FROM_RUN if group in stored}
    if isinstance(groups.get("paths"), dict):
        groups["paths"].pop("run_dir", None)  # of the training
    check_plain(groups, overridden=own)
    merged = config.copy()
    with open_dict(merged):
        for group, node in groups.items():
            # of these a run may have been stored before a key existed
            OmegaConf.update(merged, group, node, merge=isinstance(node, dict) and group in ("layers", "paths"))
        for key in own:
            OmegaConf.update(merged, key, OmegaConf.select(config, key), merge=False)
        # resolved once, so that what is checked is what is built
        built = {group: _resolved(merged, group) for group in _BUILT}
        given = targets_in(OmegaConf.to_container(config, resolve=False))
        users = {key: target for key, target in given if any(f"{key}.".startswith(f"{mine}.") for mine in own)}
        check_resolved(built)
        check_targets(built, trust=config.trust, own=users)
        merged.update(built)
    return merged


def _resolved(config: DictConfig, group: str) -> Any:
    """A group without references; raise InputError if it is none, or they lead nowhere or in a circle."""
    try:
        found = OmegaConf.to_container(config[group], resolve=True)
    except (OmegaConfBaseException, ValueError, RecursionError) as error:
        raise InputError(f"{group}: not to be resolved as it is stored; give {group}=... yourself") from error
    if not isinstance(found, dict):
        raise InputError(f"{group}: stored as a list, which is no configuration; give {group}=... yourself")
    return found


def _runs(path: Path, console: Console, *, watch: bool) -> Iterator[Path]:
    """The run at `path`, or the runs of the sweep there; with `watch`, those that begin later too."""
    seen, waits = set[Path](), False
    while True:
        may_come = watch and (not seen or is_held(RunFolder(path).lock()))  # asked before looking
        new = [run for run in runs_below(path) if run not in seen]
        if not seen and not new:
            if not watch:
                raise InputError(f"run_dir={path}: no run there; give the folder of a run or a sweep")
            if not waits:
                console.print(f"watch=true: no run in {path} yet; waiting for one to begin", soft_wrap=True)
                waits = True
        yield from new
        seen.update(new)
        if not may_come:
            return
        if not new:
            time.sleep(_POLL_SECONDS)


def _checkpoints(config: DictConfig, run_dir: Path) -> Iterator[list[Path]]:
    """Checkpoints to probe; with `watch`, new ones as they come, until the run has ended."""
    pattern = config.ckpt_path or "epoch=*.ckpt"
    while True:
        # asked before looking: what comes in between is seen next time; the lock is held before the run is said to run
        running = config.watch and (is_running(run_dir) or is_held(RunFolder(run_dir).lock()))
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
