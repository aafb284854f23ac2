"""`pdtrain-train`: build everything the configuration names, train, probe, and write the report.

What takes long to import is imported when there is something to train, so that help and wrong input answer at once.
"""

from __future__ import annotations

import gc
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf
from rich.console import Console

from pdtrain.commands.library_noise import leave_out_offline_noise
from pdtrain.commands.rehearsal import rehearsed
from pdtrain.commands.shell import run_command, run_job
from pdtrain.commands.sweeps import metric_of, threads_per_job
from pdtrain.errors import InputError, Preempted
from pdtrain.files import written_whole
from pdtrain.report.console import plain_console
from pdtrain.results.configuration import run_name, save_configuration
from pdtrain.results.run_folder import RunFolder, files_of_rows
from pdtrain.results.status import write_status
from pdtrain.training.freed_memory import keep_freed_memory
from pdtrain.training.processes import process_rank
from pdtrain.training.resume import Start, found_start

if TYPE_CHECKING:
    import pytorch_lightning as lightning
    from pytorch_lightning.loggers import Logger

    from pdtrain.probes.prober import Probe, Prober
    from pdtrain.training.classifier import Classifier

_FAR_APART = 1_000_003  # seeds of processes do not meet those of other runs


@hydra.main(version_base="1.3", config_path="pkg://pdtrain.conf", config_name="train")
def _launch(config: DictConfig) -> float | None:
    return run_job("pdtrain-train", config, _job)


def _job(config: DictConfig) -> float | None:
    """Train; return what an optimising sweeper asks for."""
    jobs = HydraConfig.get().launcher.get("n_jobs")
    if jobs is not None:  # at once on this machine
        import torch

        cores = os.cpu_count() or 1
        torch.set_num_threads(threads_per_job(cores, cores if jobs < 0 else jobs))
    with rehearsed(config, plain_console()) as console:  # until the metric has been read
        run_dir = train(config, console)
        return None if config.sweep.metric is None else metric_of(run_dir, config.sweep.metric)


def main() -> None:
    """Run `pdtrain-train`."""
    run_command("pdtrain-train", "train", _launch)


def train(config: DictConfig, console: Console | None = None) -> Path:
    """Train and probe as configured; return the run's folder, which is gone again with `trainer.fast_dev_run`."""
    for key in sorted(OmegaConf.missing_keys(config)):
        OmegaConf.select(config, key, throw_on_missing=True)  # said before anything is imported
    with rehearsed(config, console or plain_console()) as console, found_start(config, console) as start:
        config.paths.run_dir = str(start.run_dir)
        if start.resumes and not process_rank():
            from pdtrain.commands.missing_results import measure_missing

            measure_missing(config, start, console)
        if start.finished:
            console.print(f"{start.run_dir}: finished already", soft_wrap=True)
        else:
            _train(config, start, console)
    return start.run_dir


def _train(config: DictConfig, start: Start, console: Console) -> None:
    """Build and check everything, and only then write to the run's folder and train."""
    import pytorch_lightning as lightning
    import torch

    from pdtrain.commands.build import build_prober, build_probes, built
    from pdtrain.commands.metric_keys import check_monitored
    from pdtrain.commands.trainer import build_trainer, check_accelerator, check_parts
    from pdtrain.probes.prober import measured_properties
    from pdtrain.results.stimuli import save_stimuli
    from pdtrain.results.store import ResultsStore

    run_dir = start.run_dir
    check_accelerator(config.trainer.get("accelerator"))
    lightning.seed_everything(config.seed, workers=True, verbose=False)
    # what would be filled is written anyway, and that takes 3% of a training
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    keep_freed_memory()
    data = built(config.data)
    data.setup()
    classifier = _classifier(config, data)
    probes, prober = build_probes(config), build_prober(config, data, ResultsStore(run_dir))
    callbacks = _callbacks(config, prober, probes)
    classifier.check_optimizer()
    classifier.check_channels_last(data.shape)
    if config.callbacks.get("probing") is not None:
        prober.prepare(classifier.network, probes)
    if start.checkpoint is not None:
        classifier.begins_from_another_run = not start.resumes
        data.start_at(*_check_checkpoint(start.checkpoint, classifier))
    if OmegaConf.select(config, "logger.wandb.offline"):
        leave_out_offline_noise()
    loggers: list[Logger] = [instantiate(node, **_place_at_wandb(name, config)) for name, node in config.logger.items()]
    trainer = build_trainer(config, callbacks=callbacks, logger=loggers)
    data.check_processes(trainer.world_size)
    check_parts(config.trainer, data)

    def fit() -> None:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Checkpoint directory .* exists and is not empty")  # it is the run's own
            warnings.filterwarnings("ignore", ".*dataloader is not resumable")  # the data begin where it was made
            warnings.filterwarnings("ignore", ".*smaller than the logging interval")  # some steps are logged then too
            warnings.filterwarnings("ignore", "The dirpath has changed")  # what was best in another run is that one's
            gc.collect()  # an earlier job of the process, which would be kept as well
            gc.freeze()  # what is there lives as long as the run: not to be looked through at every collection
            try:
                trainer.fit(classifier, datamodule=data, ckpt_path=start.checkpoint, weights_only=True)
            except Exception as error:
                check_monitored(config, error, trainer.callback_metrics)
                raise
            finally:
                gc.unfreeze()

    if process_rank():  # of a data-parallel run; the first process keeps the books
        torch.manual_seed(config.seed + _FAR_APART * process_rank())
        fit()
        return
    for logger in loggers:
        logger.log_hyperparams(OmegaConf.to_container(config, resolve=True))  # type: ignore[arg-type]
    save_configuration(run_dir, config)
    _keep_command(run_dir)
    save_stimuli(run_dir, prober.stimuli, measured_properties(probes))
    with _state_known(run_dir):
        fit()
        _show(config, run_dir, prober.seconds, console)


def _keep_command(run_dir: Path) -> None:
    """Write what Hydra keeps of a command, now that the run's lock is held: Hydra itself writes before."""
    if HydraConfig.initialized():
        contents = {"hydra": HydraConfig.instance().cfg, "overrides": HydraConfig.get().overrides.task}
        for name, content in contents.items():
            with written_whole(RunFolder(run_dir).hydra_configuration.with_stem(name)) as temporary:
                OmegaConf.save(content, temporary)


def _place_at_wandb(logger: object, config: DictConfig) -> dict[str, str]:
    """What W&B calls a run, unless the configuration does, and the sweep that it is a job of."""
    if logger != "wandb":
        return {}
    place = {"run_name": run_name(config)}
    if HydraConfig.initialized() and HydraConfig.get().mode == RunMode.MULTIRUN:
        hydra_config = HydraConfig.get()
        place |= {"sweep": Path(hydra_config.sweep.dir).as_posix(), "job": str(hydra_config.job.num)}
    return place


def _classifier(config: DictConfig, data: Any) -> Classifier:
    from pdtrain.commands.build import build_network, outputs_of
    from pdtrain.training.classifier import Classifier

    return Classifier(
        build_network(config, data),
        outputs_of(config, data),
        optimizer=instantiate(config.optimizer),
        scheduler=instantiate(config.scheduler),
        compile=config.compile,
        channels_last=config.channels_last,
        label_smoothing=config.label_smoothing,
    )


def _callbacks(config: DictConfig, prober: Prober, probes: list[Probe]) -> list[lightning.Callback]:
    """All callbacks, probing after those of the user, and last the one that saves what all have done."""
    nodes = {name: node for name, node in config.callbacks.items() if node is not None and "_target_" in node}
    probing, resuming = nodes.pop("probing", None), nodes.pop("resuming", None)
    if config.trainer.get("enable_progress_bar") is False:
        nodes.pop("progress", None)
    if config.trainer.get("enable_checkpointing") is False:
        nodes = {name: node for name, node in nodes.items() if not _keeps_checkpoints(node)}
        resuming, probing = None, None if probing is None else OmegaConf.merge(probing, {"checkpoints": None})
    callbacks = [instantiate(node) for node in nodes.values()]
    if probing is not None:
        callbacks.append(instantiate(probing, _partial_=True)(prober, probes=probes))
    if resuming is not None:
        callbacks.append(instantiate(resuming))
    return callbacks


def _keeps_checkpoints(node: DictConfig) -> bool:
    from hydra.utils import get_object
    from pytorch_lightning.callbacks import Checkpoint

    kind = get_object(node._target_)
    return isinstance(kind, type) and issubclass(kind, Checkpoint)


def _check_checkpoint(path: Path, classifier: Classifier) -> tuple[int, int]:
    """Where in the data a checkpoint was made; raise InputError if it is unreadable or of another architecture."""
    from pdtrain.training.checkpoints import check_architecture, place_in_data, read_checkpoint

    content = read_checkpoint(path)
    if "state_dict" not in content or "loops" not in content:
        raise InputError(f"ckpt_path={path}: no Lightning checkpoint; pdtrain-probe takes plain state dicts")
    check_architecture(classifier.state_dict(), content["state_dict"], path, key="ckpt_path")
    if classifier.begins_from_another_run:
        classifier.check_optimizer(content["optimizer_states"][0], path=path)
    return place_in_data(content)


@contextmanager
def _state_known(run_dir: Path) -> Iterator[None]:
    """Keep the state of the run in its folder, and end W&B's run, so that each job of a sweep has its own."""
    from pdtrain.loggers.wandb_run import at_wandb, close_run

    write_status(run_dir, "running")
    try:
        yield
    except BaseException as error:
        state = "preempted" if isinstance(error, Preempted) else "failed"
        with suppress(OSError):  # a full disk must not hide what happened
            write_status(run_dir, state)
        at_wandb(close_run, state)
        raise
    at_wandb(close_run, "finished")  # first: a finished run is never gone back to
    write_status(run_dir, "finished")


def _show(config: DictConfig, run_dir: Path, seconds: list[float], console: Console) -> None:
    """Write the report; say what came out and where everything is."""
    from pdtrain.loggers.wandb_run import at_wandb, save_results, say_caveats, say_offline
    from pdtrain.report.summary import print_caveats, print_summary
    from pdtrain.results.caveats import caveats_of_run
    from pdtrain.results.reader import epoch_ends, load

    if not any(files_of_rows(run_dir, "rows")):
        caveats = caveats_of_run(run_dir, None)
        at_wandb(say_caveats, caveats)
        print_caveats(caveats, console)
        console.print(f"no probe points; checkpoints in {RunFolder(run_dir).checkpoints}", soft_wrap=True)
        return
    if config.report:
        _try_to_report(run_dir, console)
    at_wandb(say_caveats, caveats_of_run(run_dir, epoch_ends(load(run_dir))))
    at_wandb(save_results, run_dir)
    print_summary(run_dir, console)
    at_wandb(say_offline, lambda line: console.print(line, soft_wrap=True))
    if seconds:
        console.print(
            f"probing took {sum(seconds):.1f} s for {len(seconds)} points ({sum(seconds) / len(seconds):.1f} s each)"
        )


def _try_to_report(run_dir: Path, console: Console) -> None:
    """A page that cannot be drawn makes no training fail."""
    from pdtrain.report.page import write_report

    try:
        write_report(run_dir)
    except Exception as error:
        again = f"the training is whole, and pdtrain-report run_dir={run_dir} tries again"
        console.print(f"no report: {type(error).__name__}: {error}; {again}", style="bold red", markup=False)


if __name__ == "__main__":
    main()
