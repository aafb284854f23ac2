"""`pdtrain-train`: build everything the configuration names, train, probe, and write the report."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import hydra
import pytorch_lightning as lightning
import torch
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf
from pytorch_lightning.loggers import Logger
from rich.console import Console

from pdtrain.callbacks import (
    Discriminability,
    IntrinsicDimension,
    ObjectInformation,
    ProbeCallback,
    Probing,
    UnitInformation,
)
from pdtrain.command import run_command, run_job
from pdtrain.errors import InputError
from pdtrain.probes.prober import Prober
from pdtrain.report.page import write_report
from pdtrain.report.summary import print_summary
from pdtrain.results.stimuli import save_stimuli
from pdtrain.results.store import ResultsStore
from pdtrain.training.classifier import Classifier
from pdtrain.training.models import check_image_size

_PROBES: dict[str, Callable[..., ProbeCallback]] = {
    "intrinsic_dimension": IntrinsicDimension,
    "unit_information": UnitInformation,
    "object_information": ObjectInformation,
    "discriminability": Discriminability,
}


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
    classifier = build_classifier(config, data)
    prober = build_prober(config, data, run_dir)
    callbacks = _callbacks(config, prober, run_dir)
    probes = [callback.probe for callback in callbacks if isinstance(callback, ProbeCallback)]
    prober.prepare(classifier.network, probes)
    checkpoint = _check_checkpoint(config.ckpt_path, classifier)
    loggers: list[Logger] = [instantiate(node) for node in config.logger.values()]
    for logger in loggers:
        logger.log_hyperparams(OmegaConf.to_container(config, resolve=True))  # type: ignore[arg-type]
    information = config.probes.unit_information
    save_stimuli(run_dir, prober.stimuli, [] if information is None else information.properties)
    trainer = instantiate(config.trainer, callbacks=callbacks, logger=loggers)
    trainer.fit(classifier, datamodule=data, ckpt_path=checkpoint, weights_only=True)
    _finish(config, run_dir, prober)
    return run_dir


def build_classifier(config: DictConfig, data: Any) -> Classifier:
    """Build the network for the data's classes, channels and size, and its Lightning module."""
    network = instantiate(config.model.network, num_classes=data.num_classes, channels=data.shape[0])
    check_image_size(network, data.shape)
    return Classifier(
        network,
        data.num_classes,
        optimizer=instantiate(config.optimizer),
        scheduler=instantiate(config.scheduler),
        compile=config.compile,
    )


def build_prober(config: DictConfig, data: Any, run_dir: Path) -> Prober:
    """Build stimuli and prober."""
    return Prober(
        instantiate(config.stimuli, data),
        ResultsStore(run_dir),
        layers=config.layers.names,
        max_units=config.layers.max_units,
        memory_bytes=config.layers.memory_bytes,
        batch_size=config.probes.batch_size,
        seed=config.probes.seed,
        index_property=config.probes.index_property,
    )


def _callbacks(config: DictConfig, prober: Prober, run_dir: Path) -> list[lightning.Callback]:
    callbacks = [instantiate(node) for name, node in config.callbacks.items() if name != "probing"]
    if config.callbacks.probing is None:
        return callbacks
    schedule = instantiate(config.callbacks.probing.schedule)
    folder = run_dir / "checkpoints" if config.callbacks.probing.keep_checkpoints else None
    probes = [kind(**config.probes[name]) for name, kind in _PROBES.items() if config.probes[name] is not None]
    return [*callbacks, *probes, Probing(prober, schedule, checkpoints=folder)]


def _check_checkpoint(path: str | None, classifier: Classifier) -> str | None:
    """Raise InputError for a checkpoint that is missing, unreadable, or of another architecture."""
    if path is None:
        return None
    if not Path(path).is_file():
        raise InputError(f"ckpt_path={path}: no such file")
    try:
        saved = torch.load(path, map_location="cpu", weights_only=True)["state_dict"]
    except Exception as error:
        raise InputError(f"ckpt_path={path}: not a readable Lightning checkpoint ({type(error).__name__})") from error
    own = classifier.state_dict()
    differing = sorted(set(saved) ^ set(own)) or [k for k in own if own[k].shape != saved[k].shape]
    if differing:
        raise InputError(
            f"ckpt_path={path}: made by another architecture ({differing[0]} differs); set model= as in that run"
        )
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
