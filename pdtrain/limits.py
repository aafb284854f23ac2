"""What a value of the configuration can be, as far as it alone says: said here for those who are built from it, and for
the check before anything is imported, which answers at once.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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
        names = [value] if isinstance(value, str) else value
        return [name for name in names if name not in self.names and not str(name).startswith(self.elsewhere)]


def _among(*words: Any) -> _Values:
    shown = [str(word).lower() for word in words]
    return _Values(lambda value: value in words, f"choose {', '.join(shown[:-1])} or {shown[-1]}")


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
LIMITS: dict[str, _Values | _Names] = {
    "channels_last": _among("auto", True, False),
    "label_smoothing": _SHARE_BELOW_1,
    "untrained_batch_norm": _among(*STATISTICS),
    "data.name": _Names(("MNIST", "FashionMNIST", "CIFAR10", "CIFAR100"), "data set"),
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
    "callbacks.progress.mode": _among("auto", "bars", "plain", "quiet"),
    "callbacks.training_accuracy.when": _among("shuffled", "always"),
    "callbacks.wandb_media.every_epochs": _ONE_OR_MORE,
    "callbacks.wandb_media.share_of_time": _Values(
        lambda value: 0 <= value <= 1, "give a share from 0 to 1, or null"
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
