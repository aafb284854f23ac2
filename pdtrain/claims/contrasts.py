"""Parts of claims as numbers: the weighted sum of each seed, and the mean over seeds with its interval and tests."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from pdtrain.claims.declared import Part, Quantity, Time
from pdtrain.claims.groups import Group
from pdtrain.claims.profiles import MeasuredRun, Value
from pdtrain.estimators.nested_means import NestedMean, nested_mean

_NO_MEAN = NestedMean(math.nan, 0, math.nan, math.nan)


@dataclass(frozen=True)
class Contrast:
    """A part of a claim, measured.

    Attributes
    ----------
    part
        What was said.
    effect
        Mean over seeds, with one interval over seeds and stimuli.
    of_seeds
        What each seed gave.
    p_for, p_against
        How likely a mean so far beyond the threshold is by chance, and one so far on the other side of zero.
    notes
        What was left out, and why there is no number.
    """

    part: Part
    effect: NestedMean
    of_seeds: Mapping[int, float]
    p_for: float
    p_against: float
    notes: tuple[str, ...] = ()


def contrast(part: Part, of: Quantity, groups: Mapping[str, Group]) -> Contrast:
    """Measure a part of a claim, on the seeds that all its groups have."""
    absent = [_why_no_run(name, groups[name]) for name in part.groups if not groups[name].runs]
    mixes = _mixes(part, of, groups)
    if absent or mixes:
        return Contrast(part, _NO_MEAN, {}, math.nan, math.nan, (*absent, *mixes))
    seeds = sorted(set.intersection(*(set(groups[name].runs) for name in part.groups)))
    notes = [
        f"{name}, seed {seed}: left out, not in every group"
        for name in part.groups
        for seed in groups[name].runs
        if seed not in seeds
    ]
    values: dict[int, Value] = {}
    for seed in seeds:
        found = _of_seed(part, of, groups, seed)
        if found.missing:
            notes.append(f"seed {seed}: {found.missing}")
        else:
            values[seed] = found
    if not values:
        return Contrast(part, _NO_MEAN, {}, math.nan, math.nan, tuple(notes))
    if all(value.value == 0 and not value.half_differences.any() for value in values.values()):
        return _of_one_layer(part, list(values), notes)
    shown = [{groups[name].runs[seed].stimuli for seed in values} for name in part.groups]
    return over_seeds(part, values, same_stimuli=all(len(of_group) == 1 for of_group in shown), notes=notes)


def _why_no_run(name: str, group: Group) -> str:
    """What to say of a group without runs: that there are none, or that all were left out, and why the first was."""
    if not group.left_out:
        return f"{name}: no such run"
    every = "its run is" if len(group.left_out) == 1 else f"all its {len(group.left_out)} runs are"
    return f"{name}: {every} left out. {next(iter(group.left_out.values()))}"


def _mixes(part: Part, of: Quantity, groups: Mapping[str, Group]) -> list[str]:
    """A sentence for each property that is not measured alike in all groups: their difference would be that as well."""
    made_by: dict[str, set[str]] = {}
    for run in (run for name in part.groups for run in groups[name].runs.values()):
        for about, estimators in run.estimators(of).items():
            made_by.setdefault(about, set()).update(estimators)
    return [
        f"{about or of.quantity}: the groups were measured by different estimators ({'; '.join(sorted(estimators))})"
        for about, estimators in made_by.items()
        if len(estimators) > 1
    ]


def _of_one_layer(part: Part, seeds: Sequence[int], notes: Sequence[str]) -> Contrast:
    """The peak is the last layer, say: no difference at all, which needs no test to lie on neither side."""
    effect = NestedMean(0.0, len(seeds), 0.0, 0.0)
    p_for = 1.0 if part.sign * part.threshold >= 0 else math.nan
    why = "what is compared is the same layer in every seed"
    return Contrast(part, effect, dict.fromkeys(seeds, 0.0), p_for, 1.0, (*notes, why))


def over_seeds(
    part: Part, values: Mapping[int, Value], *, same_stimuli: bool = True, notes: Sequence[str] = ()
) -> Contrast:
    """The mean over seeds of what each gave, with its interval and tests."""
    of_seeds = np.array([value.value for value in values.values()])
    halves = np.array([value.half_differences for value in values.values()])
    effect = nested_mean(of_seeds, halves, same_stimuli=same_stimuli)
    p_for = effect.p_above(part.threshold) if part.sign > 0 else effect.p_below(part.threshold)
    p_against = effect.p_below(0.0) if part.sign > 0 else effect.p_above(0.0)
    return Contrast(part, effect, {seed: value.value for seed, value in values.items()}, p_for, p_against, tuple(notes))


def _of_seed(part: Part, of: Quantity, groups: Mapping[str, Group], seed: int) -> Value:
    total, halves = 0.0, np.zeros(0)
    for place, time, group, weight in part.weights():
        run = groups[group].runs[seed]
        peak = peak_layer(groups[group], of, time, seed) if place == "peak" else None
        found = run.profile(of, time).of_place(place, peak)
        if found.missing:
            return Value.none(f"{group}, {time}: {found.missing}")
        total += weight * found.value
        halves = weight * found.half_differences + (halves if len(halves) else 0.0)
    return Value(total, halves)


def peak_layer(group: Group, of: Quantity, time: Time, seed: int) -> str | None:
    """The hidden layer of the largest value in the mean over the other seeds; of the only seed in its own profile."""
    return highest_layer([run for other, run in group.runs.items() if other != seed] or [group.runs[seed]], of, time)


def highest_layer(runs: Iterable[MeasuredRun], of: Quantity, time: Time) -> str | None:
    """The hidden layer of the largest value in the mean over runs; None where none has a value in all."""
    by_layer: dict[str, list[float]] = {}
    for run in runs:
        hidden = run.profile(of, time).hidden
        for layer, value in zip(hidden["layer"], hidden["value"], strict=True):
            by_layer.setdefault(layer, []).append(value)
    means = {layer: _mean(values) for layer, values in by_layer.items()}
    highest = max(means, key=lambda layer: means[layer], default=None)
    return None if highest is None or means[highest] == -math.inf else highest


def _mean(values: Sequence[float]) -> float:
    """Over all, or below any other where one is missing."""
    mean = float(np.mean(values))
    return mean if math.isfinite(mean) else -math.inf
