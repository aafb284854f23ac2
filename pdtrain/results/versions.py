"""What made a value: the estimators of stores that do not say it, and mixes that must not be pooled.

Since 0.2.0 every row says its estimator, as "probe version option". Rows of 0.1.0 do not, and are read as version 1.
"""

from collections.abc import Mapping
from typing import Any

import pandas as pd

_OF_DIMENSION = ("expansion", "contraction", "peak_depth")  # indices; the others are of information


def with_estimators(frame: pd.DataFrame) -> pd.DataFrame:
    """Add the column `estimator` to rows, or per-unit values, of a store of 0.1.0."""
    if "estimator" in frame:
        return frame
    if "probe" not in frame:  # per-unit values
        made_by = frame["property"].map(lambda name: "object_information" if name == "object_pairs" else "")
        return frame.assign(estimator=made_by.replace("", "unit_information") + " 1")
    of_index = frame["quantity"].map(
        lambda name: "intrinsic_dimension" if name in _OF_DIMENSION else "unit_information"
    )
    return frame.assign(estimator=frame["probe"].where(frame["probe"] != "index", of_index) + " 1")


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


def upgraded_probes(probes: Mapping[str, Any]) -> dict[str, Any]:
    """The group `probes` of a configuration that 0.1.0 stored, under today's names.

    Its corrections of unit information were wrong for sparse units and many classes: today's default takes their place.
    """
    upgraded = dict(probes)
    information = upgraded.get("unit_information")
    if isinstance(information, Mapping) and "gaussian_copula" in information:
        options = {key: value for key, value in information.items() if key not in ("gaussian_copula", "correction")}
        upgraded["unit_information"] = options | {"nearest_neighbors": information["gaussian_copula"]}
    return upgraded
