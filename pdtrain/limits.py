"""What a value of the configuration can be, as far as it alone says: said here for those who are built from it, and for
the check before anything is imported, which answers at once.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pdtrain.data_sets import DATA_SETS
from pdtrain.errors import InputError, unknown_name


@dataclass(frozen=True)
class _Values:
    """What holds of a right value, and what to do about a wrong one."""

    holds: Callable[[Any], bool]
    mend: str

    def error(self, key: str, value: Any) -> InputError:
        return InputError(f"{key}={value}: {self.mend}")


@dataclass(frozen=True)
class _Names:
    """Names, or a list of them, and what they are names of; those that begin with `elsewhere` are known elsewhere."""

    names: tuple[str, ...]
    of: str
    elsewhere: tuple[str, ...] = ()

    def holds(self, value: Any) -> bool:
        return value != [] and not self._unknown(value)

    def error(self, key: str, value: Any) -> InputError:
        if value == []:
            return InputError(f"{key}=[]: name at least one, or give {key.rpartition('.')[0]}=null")
        return unknown_name(key, str(self._unknown(value)[0]), self.names, of=self.of)

    def _unknown(self, value: Any) -> list[Any]:
        names = [value] if isinstance(value, str | int | float) else value
        return [name for name in names if str(name) not in self.names and not str(name).startswith(self.elsewhere)]


@dataclass(frozen=True)
class _OrBuilt:
    """What something can be, or an object that is built: a group with a `_target_`."""

    plain: _Values | _Names

    def holds(self, value: Any) -> bool:
        return (isinstance(value, dict) and "_target_" in value) or (
            isinstance(value, str | int) and self.plain.holds(value)
        )

    def error(self, key: str, value: Any) -> InputError:
        return self.plain.error(key, str(value))


def _among(*words: Any) -> _Values:
    shown = [str(word).lower() for word in words]
    return _Values(
        lambda value: any(value == word and type(value) is type(word) for word in words),
        f"choose {', '.join(shown[:-1])} or {shown[-1]}",
    )


def _whole(value: Any, least: int) -> bool:
    return type(value) is int and value >= least


def _whole_from(least: int, mend: str) -> _Values:
    return _Values(lambda value: _whole(value, least), mend)


def _is_part(value: Any) -> bool:
    """Of the batches: so many, or a share."""
    return _whole(value, 0) or (type(value) is float and 0 <= value <= 1)


def _is_time(value: Any) -> bool:
    """As Lightning writes it: DD:HH:MM:SS, or arguments of `timedelta`."""
    if isinstance(value, str):
        return re.fullmatch(r"\d+(:\d+){3}", value) is not None
    return (
        isinstance(value, dict)
        and len(value) > 0
        and value.keys() <= {"weeks", "days", "hours", "minutes", "seconds"}
        and all(type(amount) in (int, float) and amount >= 0 for amount in value.values())
    )


def _are_devices(value: Any) -> bool:
    """How many, which, or all."""
    if isinstance(value, str):
        return value == "auto" or re.fullmatch(r"\d+(, *\d+)*,?", value) is not None
    if isinstance(value, list):
        return len(value) > 0 and all(_whole(number, 0) for number in value)
    return value == -1 or _whole(value, 1)


def _all(holds: Callable[[Any], bool]) -> Callable[[Any], bool]:
    """Of a value, or of each of a list."""
    return lambda value: all(map(holds, [value] if isinstance(value, int | float) else value))


_POSITIVE_OR_NULL = _Values(lambda value: value >= 1, "give a positive number or null")
_SOME_OR_NULL = _Values(lambda value: value >= 1, "give 1 or more, or null")
_ONE_OR_MORE = _Values(lambda value: value >= 1, "give 1 or more")
_NOT_NEGATIVE = _Values(lambda value: value >= 0, "give 0 or more")
_STRENGTH = _Values(lambda value: 0 <= value <= 1, "give a strength from 0 to 1")
_SHARE_BELOW_1 = _Values(lambda value: 0 <= value < 1, "give a share from 0 to below 1")
_TWO_BINS = _Values(lambda value: value >= 2, "at least 2 bins are needed")

STATISTICS = ("initial", "calibrated")  # of batch norm, before training
COMPARISONS_OF_RSA = ("spearman", "pearson", "cosine", "rho_a", "kendall_tau_a", "whitened_cosine")
_SWITCH = _Values(lambda value: isinstance(value, bool), "choose true or false")
_PART = _Values(_is_part, "give a number of batches, or a share of them from 0.0 to 1.0")
_TIME = "as DD:HH:MM:SS or as in {hours: 3}"

STRATEGIES = ("auto", "single_device", "ddp", "ddp_find_unused_parameters_true", "ddp_find_unused_parameters_false")
LIMITS: dict[str, _Values | _Names | _OrBuilt] = {
    "channels_last": _among("auto", True, False),
    "label_smoothing": _SHARE_BELOW_1,
    "untrained_batch_norm": _among(*STATISTICS),
    "data.name": _Names(tuple(DATA_SETS), "data set"),
    "data.validation_fraction": _Values(lambda value: 0 < value < 1, "give a number between 0 and 1, or null"),
    "data.luminance_gradient": _NOT_NEGATIVE,
    "data.geometric": _STRENGTH,
    "data.photometric": _STRENGTH,
    "data.random_resized_crop": _Values(lambda value: 0 < value <= 1, "give a share above 0, up to 1, or null"),
    "data.rand_augment": _Values(lambda value: 0 <= value <= 30, "give a magnitude from 0 to 30, or null"),
    "data.standard_deviation": _Values(_all(lambda value: value > 0), "give a number above 0"),
    "model.network.blocks": _ONE_OR_MORE,
    "model.network.widths": _Values(
        lambda value: len(value) > 0 and min(value) >= 1, "give at least one number of channels, each 1 or more"
    ),
    "model.network.dropout": _Values(lambda value: 0 <= value <= 1, "give a share from 0 to 1"),
    "scheduler.warmup": _SHARE_BELOW_1,
    "scheduler.start_factor": _SHARE_BELOW_1,
    "scheduler.after": _Values(_all(lambda value: 0 < value < 1), "give shares of the training between 0 and 1"),
    "stimuli.root": _Values(
        lambda value: Path(str(value)).is_dir(), "missing, or not to be read; give a folder of images"
    ),
    "stimuli.labels": _among("trained", "true"),
    "layers.names": _Values(bool, "name at least one layer, or null for those of layers.recipe"),
    "layers.recipe": _Names(("default", "ansuini", "stages", "all_relu", "convolutions"), "recipe"),
    "layers.reduce": _Names(("none", "mean", "centre", "class_token"), "reduction"),
    "probes.intrinsic_dimension.estimators": _Names(
        (
            "two_nn", "two_nn_ansuini", "two_nn_mle", "mle", "gride_1", "gride_2", "gride_4", "gride_8", "gride_16",
            "gride_32", "correlation", "participation_ratio", "pc_id", "gride",
        ),
        "estimator",
        elsewhere=("skdim.",),
    ),
    "probes.intrinsic_dimension.projected_features": _SOME_OR_NULL,
    "probes.intrinsic_dimension.subsample_fraction": _Values(
        lambda value: 0 < value < 1, "give a number between 0 and 1"
    ),
    "probes.intrinsic_dimension.resamplings": _NOT_NEGATIVE,
    "probes.intrinsic_dimension.scales": _NOT_NEGATIVE,
    "probes.unit_information.correction": _Names(
        ("permutation", "panzeri_treves", "miller_madow", "none"), "correction"
    ),
    "probes.unit_information.bins": _Values(
        lambda value: 2 <= value <= 100, "at least 2 bins are needed, and no more than 100 are of use"
    ),
    "probes.unit_information.shuffles": _NOT_NEGATIVE,
    "probes.object_information.bins": _TWO_BINS,
    "probes.object_information.most_pairs": _ONE_OR_MORE,
    "probes.discriminability.folds": _Values(lambda value: value >= 2, "at least 2 folds are needed"),
    "probes.similarity.most_stimuli": _Values(lambda value: value >= 4, "at least 4 stimuli are needed"),
    "probes.similarity.distance": _Names(("correlation", "squared_euclidean"), "distance"),
    "probes.similarity.comparison": _Names(COMPARISONS_OF_RSA, "comparison"),
    "callbacks.probing.on_error": _among("stop", "warn"),
    "callbacks.probing.schedule.every_epochs": _POSITIVE_OR_NULL,
    "callbacks.probing.schedule.log_spaced_steps": _POSITIVE_OR_NULL,
    "callbacks.checkpoint.mode": _among("min", "max"),
    "callbacks.progress.mode": _among("auto", "bars", "plain", "quiet"),
    "callbacks.training_accuracy.when": _among("shuffled", "always"),
    "callbacks.wandb_media.every_epochs": _ONE_OR_MORE,
    "callbacks.wandb_media.share_of_time": _Values(
        lambda value: 0 <= value <= 1, "give a share from 0 to 1, or null"
    ),
    "trainer.max_epochs": _whole_from(-1, "give a whole number, 0 or more; or -1 for no end"),
    "trainer.max_steps": _whole_from(-1, "give a whole number, 0 or more; or -1 for no end"),
    "trainer.max_time": _Values(_is_time, f"give a time {_TIME}"),
    "trainer.min_epochs": _whole_from(0, "give a whole number, 0 or more"),
    "trainer.min_steps": _whole_from(0, "give a whole number, 0 or more"),
    "trainer.accumulate_grad_batches": _whole_from(1, "give a whole number, 1 or more"),
    "trainer.gradient_clip_val": _Values(
        lambda value: type(value) in (int, float) and value >= 0, "give a number, 0 or more"
    ),
    "trainer.gradient_clip_algorithm": _among("norm", "value"),
    "trainer.accelerator": _OrBuilt(_Names(("auto", "cpu", "gpu", "cuda", "mps", "tpu"), "accelerator")),
    "trainer.devices": _Values(
        _are_devices, "give how many, 1 or more; which, as in [0,2]; or -1 or auto for all there are"
    ),
    "trainer.strategy": _OrBuilt(
        _Values(
            lambda value: value in STRATEGIES,
            f"choose {', '.join(STRATEGIES)}: what is probed must be the whole network, in processes that are commands "
            "of their own",
        )
    ),
    "trainer.num_nodes": _whole_from(1, "give a whole number, 1 or more"),
    "trainer.sync_batchnorm": _SWITCH,
    "trainer.use_distributed_sampler": _Values(
        lambda value: value is False, "the data share their images themselves; leave it false"
    ),
    "trainer.precision": _Names(
        (
            "32-true", "16-mixed", "bf16-mixed", "16-true", "bf16-true", "64-true", "transformer-engine",
            "transformer-engine-float16", "16", "bf16", "32", "64",
        ),
        "precision",
    ),
    "trainer.deterministic": _among(True, False, "warn"),
    "trainer.benchmark": _SWITCH,
    "trainer.detect_anomaly": _SWITCH,
    "trainer.limit_train_batches": _PART,
    "trainer.limit_val_batches": _PART,
    "trainer.val_check_interval": _Values(
        lambda value: value != 0 and (_is_part(value) or _is_time(value)),
        f"give a number of batches, a share of an epoch from 0.0 to 1.0, or a time {_TIME}",
    ),
    "trainer.check_val_every_n_epoch": _whole_from(1, "give a whole number, 1 or more, or null"),
    "trainer.num_sanity_val_steps": _whole_from(-1, "give a whole number, 0 or more; or -1 for all"),
    "trainer.inference_mode": _SWITCH,
    "trainer.reload_dataloaders_every_n_epochs": _whole_from(0, "give a whole number, 0 or more"),
    "trainer.log_every_n_steps": _whole_from(0, "give a whole number, 0 or more"),
    "trainer.enable_progress_bar": _SWITCH,
    "trainer.enable_model_summary": _SWITCH,
    "trainer.enable_checkpointing": _SWITCH,
    "trainer.profiler": _OrBuilt(_Names(("simple", "advanced", "pytorch", "xla"), "profiler")),
    "trainer.enable_autolog_hparams": _SWITCH,
    "trainer.default_root_dir": _Values(lambda value: False, "hydra.run.dir=... names the folder of a run"),
    "trainer.fast_dev_run": _Values(
        lambda value: isinstance(value, bool) or _whole(value, 0), "give true, or a number of batches"
    ),
    "logger.wandb.scalars": _among("headline", "all"),
    "preprocessing.interpolation": _Names(("nearest", "nearest-exact", "bilinear", "bicubic"), "interpolation"),
    "preprocessing.pixels": _ONE_OR_MORE,
    "preprocessing.standard_deviation": _Values(_all(lambda value: value > 0), "give numbers above 0"),
}  # fmt: skip


def check_value(key: str, value: Any) -> None:
    """Raise InputError if the value of `key` is none that it can have; None is left to those who take it.

    Raises
    ------
    InputError
        Names the key, its value and the mend.

    Examples
    --------
    >>> check_value("data.geometric", 0.5)
    >>> check_value("data.geometric", 2)
    Traceback (most recent call last):
        ...
    pdtrain.errors.InputError: data.geometric=2: give a strength from 0 to 1
    """
    limit = LIMITS[key]
    if value is not None and not limit.holds(value):
        raise limit.error(key, value)
