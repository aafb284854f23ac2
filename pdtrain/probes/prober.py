"""The one code path of probing: stimuli and a model in, rows out. Training callbacks and post-hoc probing call it."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from typing import Any, Protocol, runtime_checkable

from torch import nn

from pdtrain.activations.batch_dependence import batch_dependence
from pdtrain.activations.batch_norm import calibrated
from pdtrain.activations.fields import receptive_fields
from pdtrain.activations.hooks import example_tensor
from pdtrain.activations.layers import Layer, reduce_layers, trace_layers
from pdtrain.activations.recipes import DEFAULT, select_layers
from pdtrain.activations.recorder import MOST_UNITS, LayerResponse, Recorder
from pdtrain.activations.sharding import current_shards
from pdtrain.activations.unchanged import unchanged
from pdtrain.limits import STATISTICS, check_value
from pdtrain.probes.activity import batch_dependence_rows, silent_unit_rows
from pdtrain.probes.indices import DEFAULT_PROPERTY, MEASURES, indices, pruned_fraction
from pdtrain.probes.stored_units import units_of_first_version
from pdtrain.results.catalogue import Catalogue
from pdtrain.results.dissimilarities import Dissimilarities
from pdtrain.results.measures import BATCH_DEPENDENCE, DIMENSION, SILENT_UNITS, Measure
from pdtrain.results.rows import UNTRAINED, Measurement, ProbePoint, Row, UnitRow
from pdtrain.results.store import ResultsStore
from pdtrain.stimuli.stimulus_set import StimulusSet


@runtime_checkable
class Probe(Protocol):
    """Anything that turns recorded responses into rows."""

    name: str

    @property
    def measures(self) -> Sequence[Measure]:
        """What it measures: all that logs, figures, tables and comparisons know of it, the foremost first."""
        ...

    @property
    def needs_fields(self) -> bool:
        """Whether it uses receptive fields."""
        ...

    def check(self, stimuli: StimulusSet) -> None:
        """Raise InputError if the stimuli do not suit the probe."""
        ...

    def measure(self, responses: Sequence[LayerResponse], stimuli: StimulusSet) -> Measurement:
        """Measure all layers."""
        ...


@runtime_checkable
class LooksBack(Protocol):
    """A probe that also compares a point with what was kept of others: the untrained network, and the point before."""

    def compare(
        self,
        responses: Sequence[LayerResponse],
        now: Dissimilarities,
        past: Mapping[str, tuple[ProbePoint, Dissimilarities | None]],
    ) -> list[Row]:
        """Rows of all layers."""
        ...


Progress = Callable[[str, int, int], None]


def _say_nothing(stage: str, done: int, total: int) -> None:
    pass


class _Watched(list[LayerResponse]):
    """Responses that say which of them is being measured."""

    def __init__(self, responses: Sequence[LayerResponse], stage: str, progress: Progress) -> None:
        super().__init__(responses)
        self._stage, self._progress = stage, progress

    def __iter__(self) -> Iterator[LayerResponse]:
        for index, response in enumerate(super().__iter__()):
            self._progress(f"{self._stage}, {response.layer.name}", index, len(self))
            yield response


def measured_by(probes: Sequence[Probe]) -> Catalogue:
    """The measures of probes, and of the indices made from them."""
    return Catalogue(
        [*(measure for probe in probes for measure in probe.measures), SILENT_UNITS, BATCH_DEPENDENCE, *MEASURES]
    )


def measured_properties(probes: Sequence[Probe]) -> list[str]:
    """Image properties that any of the probes measures information about."""
    return list(dict.fromkeys(name for probe in probes for name in getattr(probe, "properties", ())))


class Prober:
    """Measures probe points of one model and writes them to a store.

    Parameters
    ----------
    stimuli
        Shown at every point.
    store
        Receives one set of rows per point.
    layers
        Names or glob patterns; None chooses those of `recipe`.
    recipe
        A name of `pdtrain.activations.recipes.RECIPES`.
    reduce
        What of a layer's places is measured, as in `reduce_layers`.
    max_units, memory_bytes, batch_size, seed
        As in `Recorder`; a run of pdtrain 0.1.0 goes on with the units that it stored, whatever the seed.
    index_property
        Property whose pruning and distillation indices come first.
    untrained_batch_norm
        Statistics of batch norm of the untrained network: "initial", or those of the stimuli ("calibrated").

    Attributes
    ----------
    stimuli, store
        As given.
    seconds, seconds_by_probe
        How long each point has taken, and each probe at the last of them.

    Raises
    ------
    InputError
        If they are neither.
    """

    def __init__(
        self,
        stimuli: StimulusSet,
        store: ResultsStore,
        *,
        layers: Sequence[str] | None = None,
        recipe: str = DEFAULT,
        reduce: str = "none",
        max_units: int = MOST_UNITS,
        memory_bytes: int = 2**30,
        batch_size: int | None = None,
        seed: int = 0,
        index_property: str = DEFAULT_PROPERTY,
        untrained_batch_norm: str = STATISTICS[0],
    ) -> None:
        check_value("untrained_batch_norm", untrained_batch_norm)
        self._calibrates = untrained_batch_norm != STATISTICS[0]
        self.stimuli, self.store = stimuli, store
        self.seconds: list[float] = []
        self.seconds_by_probe: dict[str, float] = {}
        self._patterns, self._recipe, self._reduce = layers, recipe, reduce
        self._recorder_options: dict[str, Any] = {
            "max_units": max_units,
            "memory_bytes": memory_bytes,
            "batch_size": batch_size,
            "seed": seed,
        }
        self._index_property = index_property
        self._recorder: Recorder | None = None
        self.catalogue = measured_by([])
        self._untrained: tuple[list[Row], list[UnitRow]] | None = None  # read once: it never changes

    def prepare(self, model: nn.Module, probes: Sequence[Probe]) -> list[Layer]:
        """Resolve the layers and check the probes against the stimuli; raises InputError before any work."""
        with unchanged(model):
            return self._prepared(model, probes)

    def _prepared(self, model: nn.Module, probes: Sequence[Probe]) -> list[Layer]:
        image = self.stimuli.images[:1].to(example_tensor(model))
        traced = trace_layers(model, image)
        chosen = {layer.name for layer in select_layers(traced, self._patterns, self._recipe)}
        layers = [layer for layer in reduce_layers(traced, self._reduce) if layer.name in chosen]
        self.stimuli.check_properties([self._index_property], key="probes.index_property")
        for probe in probes:
            probe.check(self.stimuli)
        self.catalogue = measured_by(probes)
        whole = [layer for layer in layers if layer.reduction is None]
        units = units_of_first_version(self.store, whole, self._recorder_options["max_units"])
        self._recorder = Recorder(layers, len(self.stimuli), given_units=units, **self._recorder_options)
        if any(probe.needs_fields for probe in probes):
            channels, height, width = image.shape[1:]
            self._recorder.fields = receptive_fields(model, (channels, height, width), self._recorder.units)
        return layers

    def measure(
        self, model: nn.Module, probes: Sequence[Probe], point: ProbePoint, progress: Progress = _say_nothing
    ) -> list[Row]:
        """Record once, let every probe measure, add the indices, write the point; return its rows.

        In a data-parallel run every process calls it, and the first measures; the others return no rows. The random
        streams, the modes of the modules, the weights and the buffers are left untouched. `progress` hears the stage,
        and how many of its steps of how many are done.
        """
        started = time.perf_counter()
        if self._recorder is None:
            self.prepare(model, probes)
        assert self._recorder is not None
        as_shown = calibrated(model, self.stimuli.images) if self._calibrates and point.step == 0 else nullcontext()
        with unchanged(model), as_shown:
            responses = self._recorder.record(
                model, self.stimuli.images, progress=lambda done, total: progress("stimuli", done, total)
            )
            if current_shards().rank:
                return []
            unsteady = batch_dependence(self._recorder, model, self.stimuli.images, responses)
            found = [
                self._timed(probe, point, _Watched(responses, probe.name.replace("_", " "), progress))
                for probe in probes
            ]
        rows, unit_rows = self._said(
            [
                *silent_unit_rows(responses),
                *batch_dependence_rows(unsteady, self._recorder.layers),
                *(row for measurement in found for row in measurement.rows),
            ],
            [row for measurement in found for row in measurement.unit_rows],
        )
        rows += self._indices(rows, unit_rows, point)
        # as `replace` does, which takes several times as long, of a thousand rows
        rows = [Row(**(vars(row) | {"stimuli": self.stimuli.fingerprint})) for row in rows]
        self.store.keep(self.catalogue)
        kept = (measurement.dissimilarities for measurement in found)
        self.store.write(point, rows, unit_rows, next(filter(None, kept), None))
        if point == UNTRAINED:
            self._untrained = rows, unit_rows
        self.seconds.append(time.perf_counter() - started)
        return rows

    def _timed(self, probe: Probe, point: ProbePoint, responses: Sequence[LayerResponse]) -> Measurement:
        started = time.perf_counter()
        found = probe.measure(responses, self.stimuli)
        if isinstance(probe, LooksBack) and (now := found.dissimilarities) is not None:
            found = replace(found, rows=[*found.rows, *probe.compare(responses, now, self._past(point, now))])
        self.seconds_by_probe[probe.name] = time.perf_counter() - started
        return found

    def _past(self, point: ProbePoint, now: Dissimilarities) -> dict[str, tuple[ProbePoint, Dissimilarities | None]]:
        """What the store kept of the points that this one is compared with; the first has none before it."""
        if point.step == 0:
            return {"untrained": (point, now)}
        before = [each for each in self.store.points() if each.step < point.step]
        untrained = UNTRAINED, self.store.read_dissimilarities(UNTRAINED)
        if not before:
            return {"untrained": untrained}
        return {"untrained": untrained, "previous": (before[-1], self.store.read_dissimilarities(before[-1]))}

    def _said(self, rows: list[Row], unit_rows: list[UnitRow]) -> tuple[list[Row], list[UnitRow]]:
        """Values of maps and of what maps are reduced to are not to be pooled: their estimators say which they are."""
        if self._reduce == "none":
            return rows, unit_rows
        said = f", layers.reduce={self._reduce}"
        return (
            [replace(row, estimator=row.estimator + said) for row in rows],
            [row._replace(estimator=row.estimator + said) for row in unit_rows],
        )

    def _indices(self, rows: list[Row], unit_rows: list[UnitRow], point: ProbePoint) -> list[Row]:
        """Compare this point with the untrained network, as stored."""
        name = self._index_property
        of_dimension = next((m for m in self.catalogue if m.probe == DIMENSION.probe), DIMENSION)
        if point.step == 0:
            return indices(rows, rows, property=name, of_dimension=of_dimension)
        if self._untrained is None:
            self._untrained = self.store.read_rows(UNTRAINED), self.store.read_unit_rows(UNTRAINED)
        untrained, origin = self._untrained
        assert self._recorder is not None
        layers = [layer.name for layer in self._recorder.layers]
        found = indices(rows, untrained, property=name, of_dimension=of_dimension)
        return [*found, *pruned_fraction(unit_rows, origin, layers)]
