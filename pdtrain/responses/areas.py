"""Measures areas of the brain as layers of a network: the same probes, equal numbers of neurons.

Trials are averaged; where there are some, every value is also measured on random halves of them, to take noise off.
"""

import math
from collections.abc import Sequence
from dataclasses import replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from pdtrain.activations.layers import Layer
from pdtrain.activations.recorder import LayerResponse
from pdtrain.errors import InputError
from pdtrain.estimators.half_samples import interval, standard_error
from pdtrain.probes.prober import Probe, measured_by
from pdtrain.responses.noise import noise_corrected
from pdtrain.responses.table import NeuralResponses
from pdtrain.results.rows import Measurement, Row
from pdtrain.stimuli.stimulus_set import StimulusSet

_FEWEST_NEURONS = 5


def measure_areas(
    neural: NeuralResponses,
    stimuli: StimulusSet,
    probes: Sequence[Probe],
    *,
    areas: Sequence[str] | None = None,
    neurons: int | None = None,
    draws: int = 20,
    seed: int = 0,
) -> Measurement:
    """Measure every area.

    Parameters
    ----------
    neural, stimuli
        Responses, and what is known of the stimuli.
    probes
        Those of populations (dimension, discriminability) see equal numbers of neurons of each area, or the largest
        would have most of either; those of single neurons see all.
    areas
        Areas in the order of the hierarchy; None takes that of the table.
    neurons
        Neurons per area; None takes as many as the smallest area has.
    draws
        Random draws of neurons, and of halves of the trials, that values are averaged over.
    seed
        Seed of the draws.

    Raises
    ------
    InputError
        If an area is not in the table, named twice or of too few neurons, or a probe does not suit the stimuli.
    """
    areas = list(areas or dict.fromkeys(neural.areas))
    for area in areas:
        if area not in neural.areas:
            raise InputError(f"areas={area}: not in the table; choose from {', '.join(dict.fromkeys(neural.areas))}")
        if areas.count(area) > 1:
            raise InputError(f"areas={area}: is there twice; name each area once")
    fewest = min(len(neural.neurons_of(area)) for area in areas)
    neurons = fewest if neurons is None else neurons
    if not _FEWEST_NEURONS <= neurons <= fewest:
        raise InputError(f"neurons={neurons}: choose from {_FEWEST_NEURONS} to {fewest}, those of the smallest area")
    for probe in probes:
        probe.check(stimuli)
    generator = torch.Generator().manual_seed(seed)
    whole = neural.responses.mean(1)
    found = _measure(whole, neural, stimuli, probes, areas, neurons, draws, generator)
    trials = neural.responses.shape[1]
    if trials < 2:
        return found
    halves = []
    for _ in range(max(draws // 2, 1)):
        half = torch.randperm(trials, generator=generator)[: trials // 2]
        means = neural.responses[:, half].mean(1)
        halves.append(_measure(means, neural, stimuli, probes, areas, neurons, 1, generator))
    corrected = noise_corrected(found, halves, measured_by(probes), trials=trials, fewer=trials // 2)
    return Measurement(found.rows + corrected, found.unit_rows)


def _measure(
    means: Float[Tensor, "neurons stimuli"],
    neural: NeuralResponses,
    stimuli: StimulusSet,
    probes: Sequence[Probe],
    areas: Sequence[str],
    neurons: int,
    draws: int,
    generator: torch.Generator,
) -> Measurement:
    rows: list[Row] = []
    unit_rows = []
    every = [_response(area, place, len(areas), means, neural.neurons_of(area)) for place, area in enumerate(areas)]
    for probe in probes:
        if any(measure.per == "unit" for measure in probe.measures):
            found, catalogue = probe.measure(every, stimuli), measured_by([probe])
            rows += [row for row in found.rows if not catalogue.of(row).noiseless]
            unit_rows += found.unit_rows
            continue
        drawn = []
        for _ in range(draws):
            chosen = [r.units[torch.randperm(len(r.units), generator=generator)[:neurons]] for r in every]
            responses = [
                _response(area, place, len(areas), means, units)
                for place, (area, units) in enumerate(zip(areas, chosen, strict=True))
            ]
            drawn.append(probe.measure(responses, stimuli).rows)
        rows += [_over_draws(same, neurons) for same in zip(*drawn, strict=True)]
    return Measurement(rows, unit_rows)


def _response(
    area: str, place: int, areas: int, means: Float[Tensor, "neurons stimuli"], units: Int[Tensor, " units"]
) -> LayerResponse:
    responses = means[units].T.contiguous()
    layer = Layer(area, area, 1, place / max(areas - 1, 1), (len(units),), "area")
    return LayerResponse(layer, responses, False, units, responses, torch.device("cpu"))


def _over_draws(rows: Sequence[Row], neurons: int) -> Row:
    """Mean over draws of neurons; the interval over stimuli is widened by the spread of the draws."""
    values = torch.tensor([row.value for row in rows], dtype=torch.float64)
    half_differences: tuple[float, ...] = ()
    if all(row.half_differences for row in rows):
        halves = torch.tensor([row.half_differences for row in rows], dtype=torch.float64)
        half_differences = tuple(halves.mean(0).tolist())
    spread = float(values.std()) if len(rows) > 1 else 0.0
    mean = float(values.mean())
    deviation = math.hypot(float(standard_error(torch.tensor(half_differences))), spread)
    missing = next((row.note for row in rows if row.value != row.value and row.note), "")
    note = f"mean over {len(rows)} draws of {neurons} neurons" + (f"; in one of them: {missing}" if missing else "")
    lower, upper = interval(mean, deviation)
    return replace(
        rows[0], value=mean, standard_deviation=deviation, lower=lower, upper=upper, half_differences=half_differences,
        note=note,
    )  # fmt: skip
