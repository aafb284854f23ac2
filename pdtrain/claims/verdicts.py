"""Verdicts on claims: shown, not shown, opposite or not judged, with Holm's correction over those of a data set."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pdtrain.claims.contrasts import Contrast, contrast
from pdtrain.claims.declared import MAIN, Claim, Claims
from pdtrain.claims.groups import Group, groups_of
from pdtrain.claims.together import Together, together
from pdtrain.errors import InputError
from pdtrain.estimators.multiple_tests import holm_adjusted
from pdtrain.results.run_folder import TRAINING

SHOWN, NOT_SHOWN, OPPOSITE, NOT_JUDGED = "shown", "not shown", "opposite", "not judged"


@dataclass(frozen=True)
class Verdict:
    """What the rows say of a claim.

    Attributes
    ----------
    name, claim
        Which.
    verdict
        "shown": the tests of all its parts are significant after correction over the claims. "opposite": one of its
        parts lies as clearly on the other side of zero. "not shown": neither. "not judged": there is no number, or from
        too few seeds.
    why
        Why it is not judged, or what an opposite verdict is of.
    p_value
        Two-sided, corrected over the claims; NaN where it is not judged.
    parts, beside, together
        What was measured.
    """

    name: str
    claim: Claim
    verdict: str
    why: str
    p_value: float
    parts: Mapping[str, Contrast]
    beside: Mapping[str, Contrast]
    together: Together | None

    def measured(self) -> Iterator[tuple[str, Contrast | Together]]:
        """What decides, by name."""
        yield from _deciding(self.parts, self.together).items()


@dataclass(frozen=True)
class DataSetVerdicts:
    """The verdicts on one data set, and the runs that they are from."""

    data_set: str
    groups: Mapping[str, Group]
    verdicts: Sequence[Verdict]

    def left_out(self) -> dict[str, str]:
        """Folders of runs that were left out, and why."""
        return {run: why for group in self.groups.values() for run, why in group.left_out.items()}


def judge(folders: Sequence[str | Path], claims: Claims, *, probe_set: str = TRAINING) -> list[DataSetVerdicts]:
    """Judge all claims on each data set of which there are runs.

    Raises
    ------
    InputError
        If no run at the folders or below belongs to one.
    """
    found = []
    for data_set, wanted in claims.data_sets.items():
        groups = groups_of(folders, wanted, probe_set=probe_set)
        if MAIN in groups and (groups[MAIN].runs or groups[MAIN].left_out):
            found.append(DataSetVerdicts(data_set, groups, _on(groups, claims)))
    if not found:
        wanted_of_main = {name: dict(of.get(MAIN, {})) for name, of in claims.data_sets.items()}
        raise InputError(
            f"run_dir={', '.join(map(str, folders))}: no run here is one that the claims are about ({wanted_of_main}); "
            "pdtrain-train sweep=prune_and_distill makes them, and claims=FILE takes claims about others"
        )
    return found


def _on(groups: Mapping[str, Group], claims: Claims) -> list[Verdict]:
    measured = {name: _measure(claim, groups, claims) for name, claim in claims.claims.items()}
    reasons = {name: _why_not(parts, correlated, claims) for name, (parts, _, correlated) in measured.items()}
    p_values = {
        name: math.nan if reasons[name] else p_value_of(list(_deciding(parts, correlated).values()))
        for name, (parts, _, correlated) in measured.items()
    }
    corrected = dict(zip(p_values, holm_adjusted(np.array(list(p_values.values()))), strict=True))
    verdicts = []
    for name, (parts, beside, correlated) in measured.items():
        verdict, why = verdict_of(_deciding(parts, correlated), float(corrected[name]), claims.level, reasons[name])
        p_value = float(corrected[name])
        verdicts.append(Verdict(name, claims.claims[name], verdict, why, p_value, parts, beside, correlated))
    return verdicts


_Measured = tuple[dict[str, Contrast], dict[str, Contrast], Together | None]


def _measure(claim: Claim, groups: Mapping[str, Group], claims: Claims) -> _Measured:
    known = {name: Group({}, {}) for of in claims.data_sets.values() for name in of} | dict(groups)
    parts, beside = (
        {name: contrast(part, claims.quantities[part.of], known) for name, part in of.items()}
        for of in (claim.parts, claim.beside)
    )
    correlated = None
    if claim.correlation is not None:
        one, other = (claims.quantities[name] for name in claim.correlation.of)
        correlated = together(claim.correlation, (one, other), groups[MAIN])
    return parts, beside, correlated


def _deciding(parts: Mapping[str, Contrast], correlated: Together | None) -> dict[str, Contrast | Together]:
    """What has a say, by name."""
    return {**parts, **({} if correlated is None else {"correlation": correlated})}


def _why_not(parts: Mapping[str, Contrast], correlated: Together | None, claims: Claims) -> str:
    """Why a claim cannot be judged; empty where it can."""
    for name, found in _deciding(parts, correlated).items():
        if not math.isfinite(found.effect.value):
            return f"{name}: {'; '.join(found.notes)}"
        if found.effect.seeds < claims.fewest_seeds:
            seeds = "one seed" if found.effect.seeds == 1 else f"{found.effect.seeds} seeds"
            return f"{name}: {seeds}, fewer than {claims.fewest_seeds}"
        if not math.isfinite(found.p_for):
            return f"{name}: no test or no interval, as all seeds give the same or half differences are not known"
    if correlated is not None and correlated.layers < claims.fewest_layers:
        return f"descriptive: over {correlated.layers} layers, fewer than {claims.fewest_layers}"
    return ""


def interval_lies(found: Contrast | Together) -> str:
    """Where a 95% interval lies by itself: "as claimed", beyond the threshold; "opposite", beyond zero; else "neither".

    It is no verdict, since it knows of no other test; and empty where there is no interval.
    """
    effect, said = found.effect, found.part if isinstance(found, Contrast) else found.correlation
    if not math.isfinite(effect.lower):
        return ""
    low, high = sorted((said.sign * effect.lower, said.sign * effect.upper))
    return "as claimed" if low > said.sign * said.threshold else "opposite" if high < 0 else "neither"


def p_value_of(found: Sequence[Contrast | Together]) -> float:
    """Two-sided, of a claim: that all its parts hold, or that one is opposite, whichever is less likely by chance."""
    p_for = max(of.p_for for of in found)
    p_against = min(1.0, len(found) * min(of.p_against for of in found))
    return min(1.0, 2 * min(p_for, p_against))


def verdict_of(found: Mapping[str, Contrast | Together], p_value: float, level: float, why_not: str) -> tuple[str, str]:
    """The verdict on what has a say, and why it is that; `p_value` is corrected over the claims.

    `why_not` is why it cannot be judged.
    """
    if why_not:
        return NOT_JUDGED, why_not
    if p_value > level:
        return NOT_SHOWN, ""
    if max(of.p_for for of in found.values()) < len(found) * min(of.p_against for of in found.values()):
        return SHOWN, ""
    return OPPOSITE, min(found, key=lambda name: found[name].p_against)
