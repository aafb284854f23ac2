"""Lightning's Trainer, as the configuration says; what is null there is left to Lightning."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from pdtrain.errors import InputError

if TYPE_CHECKING:
    import pytorch_lightning as lightning

_NULL_TELLS = ("check_val_every_n_epoch",)  # where Lightning's own default is another
_GPUS = ("cuda", "mps")  # accelerators that are also called gpu
# arguments of the Trainer that the configuration has no key for, and what to give in their place
NOT_KEYS = {
    "logger": "loggers are the group logger, as in logger=csv_wandb",
    "callbacks": "callbacks are the group callbacks; +callbacks.NAME._target_=mymodule.MyCallback adds one",
    "barebones": "a run logs and keeps checkpoints; scripts/bench_training.py measures without",
    # Lightning would put a sampler in the place of the data's own
    "overfit_batches": "data.subset=100 trains on the same few images",
    "limit_test_batches": "no command tests; the validation is trainer.limit_val_batches",
    "limit_predict_batches": "no command predicts; stimuli.count says how many images are probed",
    "model_registry": "checkpoints stay in the run's folder; logger.wandb.log_model=true sends them to W&B",
}


def check_accelerator(name: Any) -> None:
    """Raise InputError for the name of an accelerator that this machine has not, or cannot use.

    Examples
    --------
    >>> check_accelerator("cpu")
    """
    from pytorch_lightning.accelerators import AcceleratorRegistry

    if not isinstance(name, str) or name == "auto":  # Lightning finds one, or it is built
        return
    there = [
        kind
        for kind in AcceleratorRegistry.available_accelerators()
        if AcceleratorRegistry[kind]["accelerator"].is_available()
    ]
    if not {*there} & ({*_GPUS} if name == "gpu" else {name}):
        raise InputError(
            f"trainer.accelerator={name}: there is none here that torch can use; choose {', '.join(there)} or auto"
        )


def build_trainer(config: DictConfig, **given: Any) -> lightning.Trainer:
    """Build the Trainer of `config.trainer`, with `given` beside."""
    options: Any = OmegaConf.to_container(config.trainer, resolve=True)
    options = {key: value for key, value in options.items() if value is not None or key in _NULL_TELLS}
    options.setdefault("default_root_dir", config.paths.run_dir)
    trainer: lightning.Trainer = instantiate(options, **given, _convert_="all")
    return trainer


def check_parts(options: Mapping[str, Any], data: Any) -> None:
    """Raise InputError for a part of the data that is no batch, or a validation that no epoch reaches.

    Parameters
    ----------
    options
        The group trainer.
    data
        A data set that has been set up.
    """
    there = {"train": len(data.train_dataloader()), "val": len(data.val_dataloader())}
    keys = {part: f"limit_{part}_batches" for part in there}
    batches = {part: _batches(keys[part], options.get(keys[part]), there[part]) for part in there}
    interval = options.get("val_check_interval")
    within_epochs = options.get("check_val_every_n_epoch", 1) is not None
    if type(interval) is int and within_epochs and batches["val"] and batches["train"] < interval:
        raise InputError(
            f"trainer.val_check_interval={interval}: the batches of an epoch are {batches['train']}; give no more, "
            "or trainer.check_val_every_n_epoch=null to count them from one epoch to the next"
        )


def _batches(key: str, limit: int | float | None, there: int) -> int:
    """How many batches of those that are there a limit leaves."""
    if limit is None:
        return there
    if isinstance(limit, int):
        return min(limit, there)
    if limit and int(limit * there) == 0:
        least = math.ceil(1000 / there) / 1000
        raise InputError(f"trainer.{key}={limit}: no batch of {there}; give 0, {least} or more, or a whole number")
    return int(limit * there)
