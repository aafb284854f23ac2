"""The catalogue: the measures of a set of rows, which loggers, terminal, report, comparison and areas follow.

Measures are kept beside the rows, as data, so that rows are read without the code that made them.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import MISSING, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pdtrain.checksums import from_json, json_with_checksum
from pdtrain.errors import DamagedFile, one_line
from pdtrain.files import written_whole
from pdtrain.results.measures import BUILT_IN, DISTILLATION, PAIR, Measure, words
from pdtrain.stimuli.identity import IDENTITY

if TYPE_CHECKING:
    import pandas as pd

_NAME = "measures.json"
HEADLINE_PROPERTIES = 3  # of those that a measure is about, so many are of the headline set


class Catalogue:
    """The measures of a set of rows, in the order in which figures show them.

    Parameters
    ----------
    measures
        As probes declare them; of two with one name the first counts.
    """

    def __init__(self, measures: Iterable[Measure] = BUILT_IN) -> None:
        self._measures: dict[tuple[str, str], Measure] = {}
        for measure in measures:
            self._measures.setdefault((measure.probe, measure.quantity), measure)

    def __iter__(self) -> Iterator[Measure]:
        return iter(self._measures.values())

    def of(self, row: Any) -> Measure:
        """The measure of a row; one that no probe declared is like its probe's first, undrawn."""
        declared = self._measures.get((row.probe, row.quantity))
        if declared is not None:
            return declared
        beside = next((m for m in self if m.probe == row.probe), Measure(probe=row.probe, quantity=row.quantity))
        return beside.of(row.quantity)

    def drawn(self, frame: pd.DataFrame) -> list[Measure]:
        """Measures along depth with a figure, of which a frame has values."""
        return [measure for measure in self._with_figure(frame) if measure.per != PAIR]

    def figures(self, frame: pd.DataFrame) -> dict[str, list[Measure]]:
        """The measures drawn of a frame along depth, by figure."""
        return _by_figure(self.drawn(frame))

    def maps(self, frame: pd.DataFrame) -> dict[str, list[Measure]]:
        """The measures of pairs of layers that are drawn of a frame, by figure."""
        return _by_figure([measure for measure in self._with_figure(frame) if measure.per == PAIR])

    def _with_figure(self, frame: pd.DataFrame) -> list[Measure]:
        of_layers = frame[frame["layer"] != ""]
        return [m for m in self if m.figure and m.rows(of_layers)["value"].notna().any()]

    def metrics(self, rows: Sequence[Any]) -> dict[str, float]:
        """What loggers get: finite values by key, with the standard deviation of those that stimuli make uncertain."""
        metrics = {}
        for row in rows:
            measure = self.of(row)
            if measure.per == PAIR:
                continue
            key = measure.key(row.layer, row.property)
            metrics[key] = row.value
            if measure.per == "network":  # of the foremost property, known without it
                metrics.setdefault(measure.key(row.layer, ""), row.value)
            if measure.figure and row.layer:
                metrics[f"{key}_std"] = row.standard_deviation
        return {key: value for key, value in metrics.items() if math.isfinite(value)} | self.headline(rows)

    def headline(self, rows: Sequence[Any]) -> dict[str, float]:
        """Of those, the few of the headline set: finite values by key."""
        of_measures: dict[Measure, list[Any]] = {}
        for row in rows:
            measure = self._measures.get((row.probe, row.quantity))
            if measure is not None and measure.headline:
                of_measures.setdefault(measure, []).append(row)
        first, found = _index_property(rows), dict[str, float]()
        for measure, of_measure in of_measures.items():
            few = _few((row.property for row in of_measure), first)
            for row in of_measure:
                if row.property in few:
                    found.setdefault(measure.headline_key(row.layer, row.property), row.value)
        return {key: value for key, value in found.items() if math.isfinite(value)}

    def headline_profiles(self, frame: pd.DataFrame) -> dict[str, tuple[Measure, str, pd.DataFrame]]:
        """What of the headline set goes along depth: measure, property and rows with a value, by a name of its own."""
        of_layers, first = frame[(frame["layer"] != "") & frame["value"].notna()], _index_property(frame.itertuples())
        found: dict[str, tuple[Measure, str, pd.DataFrame]] = {}
        for measure in (measure for measure in self if measure.headline):
            rows = measure.rows(of_layers)
            for about in _few(rows["property"], first):
                name = measure.headline_key("", about).replace("/", "_").strip("_")
                found.setdefault(name, (measure, about, rows[rows["property"] == about]))
        return found

    def patterns(self) -> list[str]:
        """Beginnings of the keys of all metrics, each with a * for the rest."""
        keys = (key for measure in self for key in (measure.key("{layer}", "{property}"), measure.headline))
        heads = (re.match(r"[^{/]*/?", key) for key in keys)
        return list(dict.fromkeys(f"{head[0]}*" for head in heads if head is not None and head[0]))

    def save(self, folder: str | Path) -> None:
        """Keep the measures beside the rows in `folder`."""
        path, text = Path(folder) / _NAME, json_with_checksum([vars(measure) for measure in self], indent=1)
        if path.is_file() and path.read_bytes() == text.encode():
            return
        with written_whole(path) as temporary:
            temporary.write_text(text)


def _by_figure(measures: Sequence[Measure]) -> dict[str, list[Measure]]:
    return {name: [m for m in measures if m.figure == name] for name in dict.fromkeys(m.figure for m in measures)}


def _index_property(rows: Iterable[Any]) -> str:
    """The property of the indices that come first; "" where there are none."""
    return next((row.property for row in rows if DISTILLATION.fits(row)), "")


def _few(properties: Iterable[str], first: str) -> list[str]:
    """Those of the headline set: that of the indices, identity, and as many others as there is place for."""
    measured = dict.fromkeys(properties)
    ordered = dict.fromkeys([*(name for name in (first, IDENTITY) if name in measured), *measured])
    return list(ordered)[:HEADLINE_PROPERTIES]


def catalogue_of(folder: str | Path, rows: pd.DataFrame | None = None) -> Catalogue:
    """The measures of the rows in `folder`, as kept there; those built in where none were.

    Parameters
    ----------
    folder
        That of a probe set, see `ResultsStore`.
    rows
        If given, of each probe one measure at least is drawn: the first in the rows, where the declared are not there.

    Raises
    ------
    DamagedFile
        If the file is not as it was written.
    """
    path = Path(folder) / _NAME
    catalogue = Catalogue([*_read(path), *BUILT_IN] if path.is_file() else BUILT_IN)
    return catalogue if rows is None else _with_something_drawn(catalogue, rows)


def _read(path: Path) -> list[Measure]:
    texts = {field.name for field in fields(Measure) if field.default is MISSING or isinstance(field.default, str)}
    kinds: dict[str, Any] = {field.name: type(field.default) for field in fields(Measure)} | dict.fromkeys(texts, _text)
    try:
        found = []
        for stored in from_json(path.read_text()):
            known: dict[str, Any] = {name: kinds[name](value) for name, value in stored.items() if name in kinds}
            found.append(Measure(**known))
        return found
    except (ValueError, TypeError, AttributeError, OverflowError) as error:
        raise DamagedFile(f"{path}: damaged; remove it, and rows are read as those of pdtrain's own probes") from error


def _text(value: Any) -> str:
    return one_line(str(value))


def _with_something_drawn(catalogue: Catalogue, rows: pd.DataFrame) -> Catalogue:
    of_layers = rows[(rows["layer"] != "") & rows["value"].notna()]
    drawn = {
        measure.probe for measure in catalogue if measure.figure and measure.rows(of_layers)["value"].notna().any()
    }
    first = of_layers[~of_layers["probe"].isin({*drawn, DISTILLATION.probe})].drop_duplicates("probe")
    added = []
    for row in first.to_dict("records"):
        probe, quantity = str(row["probe"]), str(row["quantity"])
        declared = [measure for measure in catalogue if measure.probe == probe]
        drawn_like = next((measure for measure in declared if measure.figure), None)
        if declared and drawn_like is None:
            continue  # its probe wants no figure
        like = drawn_like or Measure(probe=probe, quantity=quantity, figure=probe)
        title = f"{like.title.partition(' (')[0] or words(probe)} ({words(quantity)})"
        added.append(replace(like, quantity=quantity, title=title))
    return Catalogue([*added, *catalogue])
