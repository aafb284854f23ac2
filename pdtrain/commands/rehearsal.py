"""`trainer.fast_dev_run`: a run of a few batches in which everything happens once, and of which nothing is left.

Lightning's own leaves out loggers, checkpoints and early stopping; a run that breaks in one of them would break after
its first epoch. So the whole of a short run takes place in a folder that is then removed, and W&B is told nothing.
"""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, open_dict
from rich.console import Console

from pdtrain.commands.new_folders import take_back_job
from pdtrain.errors import RunError
from pdtrain.report.console import plain_console
from pdtrain.results.run_folder import RunFolder, files_of_rows
from pdtrain.training.processes import process_rank

_OURS = "pdtrain.loggers."
_AT_WANDB = f"{_OURS}wandb_logger.WandbLogger"
_EVALUATES = "pdtrain.callbacks.TrainingAccuracy"


@contextmanager
def rehearsed(config: DictConfig, console: Console) -> Iterator[Console]:
    """Make of a run that `trainer.fast_dev_run` asks for the rehearsal of one; any other is left as it is.

    Yields
    ------
    Console
        For what is said of a run: in a rehearsal nobody hears that, since the files that it names are removed.

    Raises
    ------
    RunError
        If the report of a rehearsal failed.
    """
    batches = int(config.trainer.get("fast_dev_run") or 0)
    if not batches:
        yield console
        return
    said = io.StringIO()
    with TemporaryDirectory(prefix="pdtrain-") as folder:
        config.paths.run_dir, config.resume, config.sweep.resume = folder, None, False
        _shorten(config, batches)
        yield plain_console(file=said, width=console.width)
        if process_rank():
            return
        done = _done(config, Path(folder), said.getvalue())
    if HydraConfig.initialized():
        take_back_job(HydraConfig.get())
    of = "a batch" if batches == 1 else f"{batches} batches"
    said_at_end = f"{of} of training and of validation, {done} went through; nothing is kept"
    console.print(f"trainer.fast_dev_run={batches}: {said_at_end}", soft_wrap=True)


def _shorten(config: DictConfig, batches: int) -> None:
    """So many batches of one epoch, with all that belongs to it."""
    whole = {
        "fast_dev_run",
        "max_time",
        "min_epochs",
        "min_steps",
        "val_check_interval",
        "max_steps",
    }
    short = dict.fromkeys(whole) | {
        "max_epochs": _epochs(config),
        "limit_train_batches": batches,
        "limit_val_batches": batches,
        "check_val_every_n_epoch": 1,
        "num_sanity_val_steps": 0,
        "log_every_n_steps": 1,
    }
    with open_dict(config):
        config.trainer.update(short)
        config.logger = {name: _silent(node) for name, node in (config.logger or {}).items() if _is_kept(node)}
        for node in config.callbacks.values():
            if node is not None and node.get("_target_") == _EVALUATES:
                node.batches = batches


def _epochs(config: DictConfig) -> int:
    """One epoch, or of a run that begins from a checkpoint one more than it has."""
    if config.ckpt_path is None:
        return 1
    from pdtrain.training.checkpoints import checkpoint_file, place_in_data, read_checkpoint

    content = read_checkpoint(checkpoint_file(config.ckpt_path))
    if "loops" not in content:
        return 1  # it is refused for that
    epochs, batches = place_in_data(content)
    return epochs + (2 if batches else 1)


def _is_kept(node: Any) -> bool:
    """Whether a logger writes nowhere but into the run's folder, or can be kept from it."""
    return node is not None and str(node.get("_target_")).startswith(_OURS)


def _silent(node: DictConfig) -> DictConfig:
    return DictConfig({**node, "mode": "disabled"}) if node.get("_target_") == _AT_WANDB else node


def _done(config: DictConfig, folder: Path, said: str) -> str:
    """What happened beside training and validation; raise RunError if a report should have been made, and was not."""
    points = len({path.name for path, _ in files_of_rows(folder, "rows")})
    kept = any(RunFolder(folder).checkpoints.glob("*.ckpt"))
    reports = points and config.report
    if reports and not RunFolder(folder).page().exists():
        raise RunError(f"no report: {said.partition('no report: ')[2].partition('; the training')[0]}")
    parts = [
        f"{points} probe point{'s' * (points != 1)}" if points else "",
        "checkpoints" * kept,
        "report" * bool(reports),
    ]
    words = [part for part in parts if part]
    return ", ".join(words[:-1]) + (" and " if len(words) > 1 else "") + words[-1] if words else "and nothing else"
