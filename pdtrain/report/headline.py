"""What came out, in three sentences with intervals, and what weakens it: how a report and the terminal open."""

from collections.abc import Iterator
from typing import Any

import pandas as pd

from pdtrain.estimators.lower_bounds import lower_bound_in
from pdtrain.report.style import moment
from pdtrain.results.catalogue import Catalogue
from pdtrain.results.measures import (
    ACTIVE_PRUNING,
    CONTRACTION,
    DIMENSION,
    DISTILLATION,
    EXPANSION,
    INFORMATION,
    PRUNING_AT_FIXED_IDENTITY,
    VIEW_INVARIANT,
    Measure,
    foremost,
    foremost_indices,
    words,
)
from pdtrain.results.versions import OVER_UNITS

_MILLI = 1000
_MOST_NAMED = 4


def headline(rows: pd.DataFrame, catalogue: Catalogue, different: pd.DataFrame) -> list[str]:
    """Sentences about dimension, information about the foremost property, and object information, where measured.

    Parameters
    ----------
    rows
        Of completed epochs.
    catalogue
        Their measures.
    different
        Layers of the last epoch against the first (`pdtrain.results.differences`).
    """
    if rows.empty:
        return []
    last = rows[rows["epoch"] == rows["epoch"].max()]
    when = moment(last, last["epoch"].max()).replace("epoch", "after epoch")
    return [*_of_dimension(last, catalogue, when), *_of_information(last, different), *_of_objects(last, different)]


def _of_dimension(last: pd.DataFrame, catalogue: Catalogue, when: str) -> Iterator[str]:
    measure = next((m for m in catalogue if m.probe == DIMENSION.probe), DIMENSION)
    profile = _hidden(measure.rows(last))
    if len(profile) < 2:
        return
    first, peak, end = (profile.iloc[place] for place in (0, int(profile["value"].argmax()), -1))
    yield (
        f"Intrinsic dimension {when}: {_value(first)} at {first['layer']}, at most {_value(peak)} at {peak['layer']}, "
        f"{_value(end)} at {end['layer']}, the last hidden layer{_indices(last, EXPANSION, CONTRACTION)}."
    )


def _of_information(last: pd.DataFrame, different: pd.DataFrame) -> Iterator[str]:
    about = foremost(last)
    profile = _hidden(INFORMATION.rows(last[last["property"] == about]))
    if about is None or profile.empty:
        return
    end, before = profile.iloc[-1], _before(different, INFORMATION, about, profile.iloc[-1]["layer"])
    known = "" if before is None else f" ({_MILLI * before['before']:.3g} untrained)"
    yield (
        f"A unit of {end['layer']} tells {_value(end, _MILLI)} millibit about {words(about)}{known}"
        f"{_indices(last, DISTILLATION, ACTIVE_PRUNING, PRUNING_AT_FIXED_IDENTITY)}."
    )


def _of_objects(last: pd.DataFrame, different: pd.DataFrame) -> Iterator[str]:
    profile = _hidden(VIEW_INVARIANT.rows(last))
    if profile.empty:
        return
    end = profile.iloc[-1]
    moved = _before(different, VIEW_INVARIANT, str(end["property"]), str(end["layer"]))
    against = ""
    if moved is not None:
        change = f"{_MILLI * moved['difference']:+.3g} [{_MILLI * moved['lower']:.3g}, {_MILLI * moved['upper']:.3g}]"
        against = f", {change} against untrained"
    yield (
        f"Which of two objects is shown, whatever the view: {_value(end, _MILLI)} millibit per unit at {end['layer']}"
        f"{against}."
    )


def _hidden(rows: pd.DataFrame) -> pd.DataFrame:
    """Input and hidden layers in order; none where the last has no value, and the rest would stand for it."""
    of_network = rows[rows["depth"] < 1].sort_values("layer_index")
    known = of_network["value"].notna()
    return of_network[known] if len(of_network) and known.iloc[-1] else of_network[:0]


def _value(row: Any, scale: float = 1.0) -> str:
    return f"{scale * row['value']:.3g}{_interval(row, scale)}"


def _interval(row: Any, scale: float = 1.0) -> str:
    return f" [{scale * row['lower']:.3g}, {scale * row['upper']:.3g}]" if pd.notna(row["lower"]) else ""


def _before(different: pd.DataFrame, measure: Measure, about: str, layer: str) -> Any:
    """The line that compares a layer with the untrained network, if there is one."""
    found = measure.rows(different[(different["layer"] == layer) & (different["property"] == about)])
    return found.iloc[0] if len(found) else None


def _indices(last: pd.DataFrame, *measures: Measure) -> str:
    chosen = foremost_indices(last)
    said = []
    for measure in measures:
        for _, row in measure.rows(chosen).iterrows():
            said.append(f"{words(measure.quantity)} {_value(row) if pd.notna(row['value']) else 'not given'}")
    return f": {', '.join(said)}" if said else ""


def weaknesses(rows: pd.DataFrame) -> list[str]:
    """What a reader must hold against the headline: lower bounds, few stimuli, indices that are not given."""
    last = rows[rows["epoch"] == rows["epoch"].max()]
    chosen = last[(last["layer"] != "") & last["property"].isin(["", foremost(last)])]
    found = []
    if bounds := list(chosen[chosen["note"].map(lambda note: bool(lower_bound_in(note)))]["layer"]):
        found.append(f"Lower bounds, for want of stimuli: the dimension of {_named(bounds)}, and with it expansion.")
    of_information = INFORMATION.rows(chosen)
    if few := list(of_information[of_information["note"].str.contains("stimuli per value")]["layer"]):
        found.append(f"Few stimuli for {words(str(foremost(last)))} at {_named(few)}: see the notes of the rows.")
    for row in foremost_indices(last).to_dict("records"):
        if row["value"] != row["value"]:
            found.append(f"Not given: {words(row['quantity'])} of {words(row['property'])} ({row['note']}).")
    if rows["note"].str.contains(OVER_UNITS, regex=False).any():
        found.append(
            "Measured by an earlier version: intervals of unit information and its indices are over units alone."
        )
    return found


def _named(layers: list[str]) -> str:
    distinct = list(dict.fromkeys(layers))
    more = f" and {len(distinct) - _MOST_NAMED} more layers" if len(distinct) > _MOST_NAMED else ""
    return ", ".join(distinct[:_MOST_NAMED]) + more
