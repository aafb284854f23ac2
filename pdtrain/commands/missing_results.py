"""On resuming: what completed epochs have lost of their results is measured again from their kept checkpoints."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytorch_lightning as lightning
from hydra.utils import get_class, instantiate
from omegaconf import DictConfig
from rich.console import Console

from pdtrain.callbacks.named_probes import ProbeCallback
from pdtrain.commands.build import build_network, build_prober, build_probes, built
from pdtrain.errors import DamagedFile
from pdtrain.probes.prober import Probe
from pdtrain.results.rows import ProbePoint
from pdtrain.results.run_folder import RunFolder
from pdtrain.results.store import ResultsStore
from pdtrain.training.checkpoints import (
    load_network,
    place_in_data,
    point_of,
    probed_checkpoints,
    read_resumable,
    resumable_checkpoints,
)
from pdtrain.training.resume import Start


def measure_missing(config: DictConfig, start: Start, console: Console) -> None:
    """Measure again what a resumed or finished run has lost, and say what no checkpoint is kept of.

    What is damaged counts as lost; it is kept under another name.
    """
    probing = config.callbacks.get("probing")
    if probing is None:
        return
    store = ResultsStore(start.run_dir)
    for path in store.set_damaged_aside():
        console.print(f"resume=auto: {path}: damaged; kept as {path.name}.damaged", soft_wrap=True)
    place = _place(start)
    kept = {point_of(path, {}): path for path in _kept(probing)}
    lost = [path for point, path in kept.items() if point.step <= place.steps and not store.has(point)]
    if lost:
        _measure(config, store, lost, console)
    if missing := _missing(config, place, store.points()):
        said = f"no results of epoch {', '.join(map(str, missing))}, nor a checkpoint to measure them on"
        console.print(f"resume=auto: {store.folder}: {said}", soft_wrap=True)


@dataclass(frozen=True)
class _Place:
    """How far a run is: epochs completed, batches of the next, and steps."""

    epochs: int = 0
    batches: int = 0
    steps: int = 0


def _place(start: Start) -> _Place:
    """That of the checkpoint that is gone on from, or of the last one of a finished run."""
    newest = resumable_checkpoints(RunFolder(start.run_dir).checkpoints)
    for path in newest if start.checkpoint is None else [start.checkpoint]:
        try:
            content = read_resumable(path)
        except DamagedFile:
            continue
        return _Place(*place_in_data(content), content["global_step"])
    return _Place()


def _kept(probing: DictConfig) -> list[Path]:
    """Checkpoints of what was probed; none where a part of the network was, which they do not tell."""
    if probing.get("checkpoints") is None or probing.get("network") is not None:
        return []
    return probed_checkpoints(probing.checkpoints)


def _missing(config: DictConfig, place: _Place, points: list[ProbePoint]) -> list[int]:
    """Completed epochs whose end was to be probed, and has no point."""
    schedule, total = instantiate(config.callbacks.probing.schedule), config.trainer.max_epochs
    begins = 0 if config.ckpt_path is None else min((point.epoch for point in points), default=place.epochs)
    # how many steps an epoch has is not known within one, nor where the first were those of another run
    per_epoch = None if place.batches or begins or not place.epochs else place.steps / place.epochs
    ends = {point.epoch for point in points if per_epoch is None or point.step == point.epoch * per_epoch}
    wanted = (
        epoch
        for epoch in range(begins, place.epochs + 1)
        if (schedule.at_epoch(epoch, total) if epoch else schedule.untrained)
    )
    return [epoch for epoch in wanted if epoch not in ends]


def _measure(config: DictConfig, store: ResultsStore, lost: list[Path], console: Console) -> None:
    lightning.seed_everything(config.seed, workers=True, verbose=False)
    data = built(config.data)
    data.setup()
    network, probes = build_network(config, data), [*build_probes(config), *_held(config)]
    prober = build_prober(config, data, store)
    prober.prepare(network, probes)
    for path in lost:
        try:
            point = point_of(path, load_network(network, path))
        except DamagedFile as error:
            console.print(f"resume=auto: {error}", soft_wrap=True)
            continue
        prober.measure(network, probes, point)
        said = f"results of epoch {point.epoch}, step {point.step} were missing; measured again from {path.name}"
        console.print(f"resume=auto: {said}", soft_wrap=True)


def _held(config: DictConfig) -> Iterator[Probe]:
    """Probes that callbacks hold."""
    for node in config.callbacks.values():
        if node is not None and "_target_" in node:
            kind = get_class(node._target_)
            if issubclass(kind, ProbeCallback):
                yield instantiate(node).probe
