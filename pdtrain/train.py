"""`pdtrain-train`: build everything the configuration names, train, probe, and write the report."""

from pathlib import Path
from typing import Any

import hydra
import pytorch_lightning as lightning
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf
from pytorch_lightning.loggers import Logger
from rich.console import Console

from pdtrain.build import build_network, build_prober, build_probes, measured_properties
from pdtrain.callbacks import ProbeCallback, Probing
from pdtrain.command import run_command, run_job
from pdtrain.errors import InputError
from pdtrain.probes.prober import Probe, Prober
from pdtrain.report.page import write_report
from pdtrain.report.summary import print_summary
from pdtrain.results.status import write_status
from pdtrain.results.stimuli import save_stimuli
from pdtrain.results.store import ResultsStore
from pdtrain.training.checkpoints import check_architecture, read_checkpoint
from pdtrain.training.classifier import Classifier


@hydra.main(version_base="1.3", config_path="pkg://pdtrain.conf", config_name="train")
def _launch(config: DictConfig) -> None:
    run_job("pdtrain-train", config, train)


def main() -> None:
    """Run `pdtrain-train`."""
    run_command("pdtrain-train", "train", _launch)


def train(config: DictConfig) -> Path:
    """Train and probe as configured; return the run's folder."""
    run_dir = Path(config.paths.run_dir)
    lightning.seed_everything(config.seed, workers=True, verbose=False)
    data = instantiate(config.data)
    data.setup()
    classifier = _classifier(config, data)
    probes, prober = build_probes(config), build_prober(config, data, ResultsStore(run_dir))
    callbacks = _callbacks(config, prober, probes, run_dir)
    prober.prepare(classifier.network, probes)
    checkpoint = _check_checkpoint(config.ckpt_path, classifier)
    loggers: list[Logger] = [instantiate(node) for node in config.logger.values()]
    for logger in loggers:
        logger.log_hyperparams(OmegaConf.to_container(config, resolve=True))  # type: ignore[arg-type]
    save_stimuli(run_dir, prober.stimuli, measured_properties(config))
    trainer = instantiate(config.trainer, callbacks=callbacks, logger=loggers)
    write_status(run_dir, "running")
    try:
        trainer.fit(classifier, datamodule=data, ckpt_path=checkpoint, weights_only=True)
    except BaseException:
        write_status(run_dir, "failed")
        raise
    write_status(run_dir, "finished")
    _finish(config, run_dir, prober)
    return run_dir


def _classifier(config: DictConfig, data: Any) -> Classifier:
    return Classifier(
        build_network(config, data),
        data.num_classes,
        optimizer=instantiate(config.optimizer),
        scheduler=instantiate(config.scheduler),
        compile=config.compile,
    )


def _callbacks(config: DictConfig, prober: Prober, probes: list[Probe], run_dir: Path) -> list[lightning.Callback]:
    callbacks = [instantiate(node) for name, node in config.callbacks.items() if name != "probing"]
    if config.callbacks.probing is None:
        return callbacks
    schedule = instantiate(config.callbacks.probing.schedule)
    folder = run_dir / "checkpoints" if config.callbacks.probing.keep_checkpoints else None
    return [*callbacks, *map(ProbeCallback, probes), Probing(prober, schedule, checkpoints=folder)]


def _check_checkpoint(path: str | None, classifier: Classifier) -> str | None:
    """Raise InputError for a checkpoint that is missing, unreadable, or of another architecture."""
    if path is not None:
        saved = read_checkpoint(path).get("state_dict")
        if saved is None:
            raise InputError(f"ckpt_path={path}: no Lightning checkpoint; pdtrain-probe takes plain state dicts")
        check_architecture(classifier.state_dict(), saved, path, key="ckpt_path")
    return path


def _finish(config: DictConfig, run_dir: Path, prober: Prober) -> None:
    """Close W&B's run, so that each job of a sweep is its own; write the report; say where everything is."""
    console = Console()
    if "wandb" in config.logger:
        import wandb

        wandb.finish()
    if not prober.seconds:
        console.print(f"no probes; checkpoints in {run_dir}/checkpoints")
        return
    if config.report:
        write_report(run_dir)
    print_summary(run_dir, console)
    total = sum(prober.seconds)
    console.print(
        f"probing took {total:.1f} s for {len(prober.seconds)} points ({total / len(prober.seconds):.1f} s each)"
    )


if __name__ == "__main__":
    main()
