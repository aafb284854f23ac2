"""What made a value: the estimators of stores that do not say it, and mixes that must not be pooled.

Since 0.2.0 every row says its estimator, as "probe version option". Rows of 0.1.0 do not, and are read as version 1.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pdtrain.results import logged
from pdtrain.results.measures import (
    ACCURACY,
    ACTIVE_PRUNING,
    CONTRACTION,
    DIMENSION,
    DISTILLATION,
    EXPANSION,
    INFORMATION,
    PEAK_DEPTH,
    PRUNED_FRACTION,
    SILENT_UNITS,
    UNIT,
    VIEW_INVARIANT,
)

if TYPE_CHECKING:  # the commands that need no frames start without
    import pandas as pd

_TARGETS = {  # until 0.2.0
    "pdtrain.loggers.csv_logger.CsvLogger": "pdtrain.loggers.csv_logger.CsvLogger",
    "pdtrain.loggers.wandb_logger.WandbLogger": "pdtrain.loggers.wandb_logger.WandbLogger",
}
_PROBES = {  # until 0.2.0 they were known by their name alone
    DIMENSION.probe: "pdtrain.probes.dimension_probe.DimensionProbe",
    INFORMATION.probe: "pdtrain.probes.information_probe.InformationProbe",
    VIEW_INVARIANT.probe: "pdtrain.probes.object_probe.ObjectInformationProbe",
    ACCURACY.probe: "pdtrain.probes.object_probe.DiscriminabilityProbe",
}
OVER_UNITS = "interval over units"  # in the notes of rows that have none over stimuli
_OBJECT_PAIRS = "object_pairs"  # what units of 0.1.0 had in place of a property


def as_of_today(frame: pd.DataFrame) -> pd.DataFrame:
    """Rows, or per-unit values, of any version's store with the columns of today's."""
    import numpy as np

    if "value" not in frame:  # per-unit values without a probe and a quantity
        of_objects = frame["property"] == _OBJECT_PAIRS
        frame = frame.rename(columns={"information_bits": "value"}).assign(
            probe=np.where(of_objects, VIEW_INVARIANT.probe, UNIT.probe),
            quantity=np.where(of_objects, VIEW_INVARIANT.quantity, UNIT.quantity),
            property=frame["property"].where(~of_objects, "identity"),
        )
    if "estimator" not in frame:
        frame = frame.assign(estimator=_estimators_of_first_version(frame))
    return frame if "units_lower" in frame or "lower" not in frame else _intervals_of_first_versions(frame)


def _intervals_of_first_versions(frame: pd.DataFrame) -> pd.DataFrame:
    """Rows that had one interval, over stimuli or units, with both; indices held the peak fixed."""
    import numpy as np
    import pandas as pd

    over_units = frame["probe"].isin([UNIT.probe, VIEW_INVARIANT.probe, SILENT_UNITS.probe]) | frame["quantity"].isin(
        [DISTILLATION.quantity, ACTIVE_PRUNING.quantity, PRUNED_FRACTION.quantity]
    )
    fixed_peak = (frame["probe"] == EXPANSION.probe) & ~over_units & frame["lower"].notna()
    over_parts = frame["probe"] == ACCURACY.probe  # whose standard deviation was that over the parts held out
    said = np.select(
        [over_units & frame["lower"].notna(), fixed_peak], [OVER_UNITS, "interval with the peak held fixed"], ""
    )
    separator = np.where((frame["note"] != "") & (said != ""), "; ", "")
    return frame.assign(
        units_lower=frame["lower"].where(over_units),
        units_upper=frame["upper"].where(over_units),
        lower=frame["lower"].mask(over_units),
        upper=frame["upper"].mask(over_units),
        standard_deviation=frame["standard_deviation"].mask(over_units | over_parts),
        half_differences=pd.Series([()] * len(frame), index=frame.index, dtype=object),
        stimuli="",
        note=frame["note"] + separator + said,
    )


def _estimators_of_first_version(frame: pd.DataFrame) -> pd.Series:
    import numpy as np

    of_dimension = frame["quantity"].isin([EXPANSION.quantity, CONTRACTION.quantity, PEAK_DEPTH.quantity])
    of_index = np.where(of_dimension, DIMENSION.probe, INFORMATION.probe)
    return frame["probe"].where(frame["probe"] != EXPANSION.probe, of_index) + " 1"


def mixed_estimators(frame: pd.DataFrame) -> list[str]:
    """A sentence for each probe of whose quantities different estimators made values; none where all are alike."""
    made_by = sorted(set(frame["estimator"][_mixed(frame)]) - {""})
    probes = dict.fromkeys(name.partition(" ")[0] for name in made_by)
    mixes = {probe: [name for name in made_by if name.partition(" ")[0] == probe] for probe in probes}
    return [
        f"values of {probe} come from {len(names)} estimators ({'; '.join(names)}), and are not to be compared or "
        "pooled; pdtrain-probe with a new probe_set measures all checkpoints alike"
        for probe, names in mixes.items()
    ]


def apart_by_estimator(frame: pd.DataFrame, column: str) -> pd.Series:
    """The text `column`, with the estimator added where a quantity's values come from several: they stay unpooled."""
    return frame[column].where(~_mixed(frame), frame[column] + " (" + frame["estimator"] + ")")


def _mixed(frame: pd.DataFrame) -> pd.Series:
    """Which lines are of a quantity, of a property, whose values several estimators made."""
    keys = [key for key in ("probe", "quantity", "property") if key in frame]
    named = frame.assign(estimator=frame["estimator"].where(frame["estimator"] != ""))
    return named.groupby(keys)["estimator"].transform("nunique") > 1


_LOGGED_SINCE = {logged.LEARNING_RATE, logged.EPOCH_LOSS, logged.EPOCH_SECONDS, logged.PROBE_SECONDS}  # 0.2.0
_OF_AN_EPOCH = {
    logged.LOSS: logged.EPOCH_LOSS,
    **{key: key for key in (logged.TRAINING_ACCURACY, logged.VALIDATION_LOSS, logged.VALIDATION_ACCURACY)},
}  # what it was called before, and is today


def counts_completed_epochs(keys: Iterable[str]) -> bool:
    """Whether a run that logged these keys counted the epochs completed *after* which a line is.

    Until 0.2.0 the losses and accuracies of an epoch had the number of those before it, and its mean loss was called
    `train/loss`.
    """
    return not _LOGGED_SINCE.isdisjoint(keys)


def metrics_as_of_today(lines: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Lines of any version's loggers, with today's keys and the number of epochs completed.

    Examples
    --------
    >>> metrics_as_of_today([{"epoch": 0, "train/loss": 2.3}, {"epoch": 1.0, "id/relu1/two_nn": 9.0}])
    [{'epoch': 1, 'train/loss_epoch': 2.3}, {'epoch': 1.0, 'id/relu1/two_nn': 9.0}]
    """
    if counts_completed_epochs(key for line in lines for key in line):
        return list(lines)
    return [_of_completed(line) if _OF_AN_EPOCH.keys() & line.keys() else line for line in lines]


def _of_completed(line: Mapping[str, Any]) -> dict[str, Any]:
    today = {_OF_AN_EPOCH.get(key, key): value for key, value in line.items()}
    before = today.get(logged.EPOCH)
    if before is not None:
        # a file of text has text
        today[logged.EPOCH] = repr(float(before) + 1) if isinstance(before, str) else before + 1
    return today


# keys that came after a version, with the values under which all is as it was before them
ADDED = {
    "channels_last": False,
    "label_smoothing": 0.0,
    "data.random_crop_padding": 0,
    "data.luminance_gradient": 0.0,
    "trainer.accumulate_grad_batches": 1,
    "trainer.check_val_every_n_epoch": 1,
    "trainer.num_nodes": 1,
}


def upgraded(config: Mapping[str, Any]) -> dict[str, Any]:
    """A configuration that any version stored, under today's names and with today's groups.

    The corrections of unit information of 0.1.0 were wrong for sparse units and many classes: today's default takes
    their place.
    """
    today = _renamed(config)
    probes, layers = today.get("probes"), today.get("layers")
    if not isinstance(probes, dict) or not isinstance(layers, dict):
        return today
    for name, options in probes.items():
        if name in _PROBES and isinstance(options, dict):
            probes[name] = {"_target_": _PROBES[name]} | options
    information = probes.get(INFORMATION.probe)
    if isinstance(information, dict) and "gaussian_copula" in information:
        information["nearest_neighbors"] = information.pop("gaussian_copula")
        information.pop("correction", None)
    if "batch_size" in probes:
        layers.setdefault("batch_size", probes.pop("batch_size"))
        layers.setdefault("seed", "${probes.seed}")
    layers.setdefault("recipe", "default")
    layers.setdefault("reduce", "none")
    return today


def _renamed(node: Any) -> Any:
    """A copy with today's names of targets."""
    if isinstance(node, Mapping):
        copy = {key: _renamed(value) for key, value in node.items()}
        if copy.get("_target_") in _TARGETS:
            copy["_target_"] = _TARGETS[copy["_target_"]]
        return copy
    return [_renamed(value) for value in node] if isinstance(node, list) else node
