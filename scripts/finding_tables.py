"""The tables and sentences of docs/finding.md, as Markdown, from verdicts and the rows that they rest on."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from pdtrain.claims.changes import changes_of_training, half_way, over_training
from pdtrain.claims.contrasts import Contrast
from pdtrain.claims.declared import Claims, Part
from pdtrain.claims.groups import Group
from pdtrain.claims.together import Together
from pdtrain.claims.verdicts import DataSetVerdicts, Verdict, interval_lies
from pdtrain.report.claims_figures import mean_profile

_COURSE = {"dimension": ("peak", "last"), "information": ("last",)}  # what is kept at every point


def verdicts(judged: Sequence[DataSetVerdicts]) -> str:
    """A line for each claim, a column for each data set."""
    lines: dict[str, dict[str, str]] = {}
    for of in judged:
        for verdict in of.verdicts:
            why = f": {verdict.why.replace('_', ' ')}" if verdict.why else ""
            p_value = f", p = {verdict.p_value:.2g}" if math.isfinite(verdict.p_value) else ""
            line = lines.setdefault(verdict.name, {"claim": verdict.claim.title})
            line[of.data_set] = f"**{verdict.verdict}**{p_value}{why}"
    return _table(list(lines.values()))


def sentences(of: DataSetVerdicts, claims: Claims) -> Iterator[str]:
    """What the first three claims come to on a data set, with every part that decides."""
    for verdict in list(of.verdicts)[:3]:
        parts = [f"{name.replace('_', ' ')} {_effect(found, claims)}" for name, found in verdict.measured()]
        yield f"- **{verdict.verdict.capitalize()}**: {verdict.claim.title} ({'; '.join(parts)})."


def _effect(found: Contrast | Together, claims: Claims) -> str:
    """Effect and interval: in percent where it is the ratio of two values or of two such ratios, else as it is."""
    effect = found.effect
    if not math.isfinite(effect.value):
        return "not known"
    part = found.part if isinstance(found, Contrast) else None
    if part is not None and claims.quantities[part.of].scale == "log" and _is_ratio(part):
        value, low, high = (f"{math.expm1(of):+.0%}" for of in (effect.value, effect.lower, effect.upper))
    else:
        value, low, high = (f"{of:+.2f}" for of in (effect.value, effect.lower, effect.upper))
    return f"{value}, {low} to {high}" if math.isfinite(effect.lower) else value


def _is_ratio(part: Part) -> bool:
    return all(abs(weight) == 1 for *_, weight in part.weights())


def parts(of: DataSetVerdicts) -> str:
    """A line for each part of each claim."""
    return _table([line for verdict in of.verdicts for line in _lines(verdict)])


def notes(of: DataSetVerdicts) -> list[str]:
    """What was left out of parts that have a number all the same."""
    return [
        f"claim {verdict.name.partition('_')[0]}, {name.replace('_', ' ')}: {'; '.join(found.notes)}"
        for verdict in of.verdicts
        for name, found in [*verdict.measured(), *verdict.beside.items()]
        if found.notes and math.isfinite(found.effect.value)
    ]


def _lines(verdict: Verdict) -> Iterator[dict[str, str]]:
    found: list[tuple[str, Contrast | Together]] = [
        *verdict.measured(),
        *((f"{name} (beside)", contrast) for name, contrast in verdict.beside.items()),
    ]
    for name, of in found:
        effect = of.effect
        said = of.part if isinstance(of, Contrast) else of.correlation
        exploratory = isinstance(of, Contrast) and of.part.exploratory
        yield {
            "claim": verdict.name.partition("_")[0],
            "part": name.replace("_", " ") + (", exploratory" if exploratory else ""),
            "claimed": f"{'above' if said.sign > 0 else 'below'} {said.threshold:g}",
            "effect": _number(effect.value, 3) or "; ".join(of.notes),
            "95% interval": f"{effect.lower:.3f} to {effect.upper:.3f}" if math.isfinite(effect.lower) else "",
            "it lies": interval_lies(of),
            "in SD over seeds": _number(effect.standardised, 1),
            "seeds": str(effect.seeds),
            "p": f"{of.p_for:.2g}" if math.isfinite(of.p_for) else "",
        }


def values(main: Group, claims: Claims) -> str:
    """Each quantity at the pixels, and at the first and the last hidden layer that has it, untrained and trained."""
    lines = []
    for name in ("dimension", "information", "object_information", "discriminability"):
        line = {"quantity": name.replace("_", " ")}
        for time in ("untrained", "trained"):
            table = mean_profile(list(main.runs.values()), claims.quantities[name], time)
            hidden = table[table["depth"] > 0]
            if time == "untrained":
                line["pixels"] = _mean(table[table["depth"] == 0].head(1))
            for place, of_place in (("first", hidden.head(1)), ("last", hidden.tail(1))):
                line[f"{place}, {time}"] = _mean(of_place)
        lines.append(line)
    return _table(lines)


def _mean(line: pd.DataFrame) -> str:
    if line.empty:
        return ""
    layer, _, mean, low, high = next(line.itertuples(index=False))
    interval = f" ({low:.3g} to {high:.3g})" if math.isfinite(low) else ""
    return f"{mean:.3g}{interval}, {layer}"


def changes(main: Group, claims: Claims) -> str:
    """What training changes in each property at each layer, in percent of what the untrained network has."""
    of = claims.quantities["information"].model_copy(update={"scale": "linear"})
    table = changes_of_training(main, [of])
    if table.empty:
        return ""
    percent = (table["difference"] / table["untrained"]).map("{:+.0%}".format)
    stars = np.where(table["p_value"] <= claims.level, "**", "")
    # of nothing there is no percentage
    cells = stars + percent.where(table["untrained"] > 0, table["difference"].map("{:+.4f} from none".format)) + stars
    wide = table.assign(cell=cells).pivot(index="property", columns="layer", values="cell")
    layers = list(dict.fromkeys(table.sort_values("depth")["layer"]))
    wide = wide.reindex(index=of.properties, columns=layers).fillna("not known")
    wide.index = [name.removesuffix("@receptive_field").replace("_", " ") for name in wide.index]
    return str(wide.to_markdown())


def course(main: Group, claims: Claims) -> str:
    """Change from the untrained network at each probe point."""
    tables = {
        f"{name}, {place}": _of_place(over_training(main, [claims.quantities[name]]), place)
        for name, places in _COURSE.items()
        for place in places
    }
    cells = {
        f"{name} ({table['layer'].iloc[0]})": table.set_index(["epoch", "step"]).apply(_percent, axis=1)
        for name, table in tables.items()
        if not table.empty
    }
    if not cells:
        return ""
    wide = pd.DataFrame(cells).sort_index(level="step").fillna("").reset_index()
    return str(wide.to_markdown(index=False))


def when(main: Group, claims: Claims) -> list[str]:
    """A sentence for each of what `course` shows: when it has gone half of its way, over seeds."""
    found = []
    for name, places in _COURSE.items():
        for line in half_way(main, [claims.quantities[name]]).itertuples():
            if line.place in places:
                place = "highest" if line.place == "peak" else "last"
                found.append(f"{name} of the {place} hidden layer ({line.layer}): {_when(line)}")
    return found


def _when(line: Any) -> str:
    if math.isnan(line.median):
        return "the seeds do not all change to the same side, so that there is no half-way"
    over_seeds = f"median; {line.earliest:,.0f} to {line.latest:,.0f} over seeds"
    said = f"half-way, to stay beyond, at step {line.median:,.0f} ({over_seeds})"
    if math.isnan(line.first_epoch):
        return said
    done = f"with {line.in_first_epoch:.0%} of the mean change done"
    return f"{said}; the first epoch ends at step {line.first_epoch:,.0f}, {done}"


def _of_place(table: pd.DataFrame, place: str) -> pd.DataFrame:
    return table[table["place"] == place]


def _percent(line: pd.Series) -> str:
    value = f"{math.expm1(line['change']):+.0%}"
    if not math.isfinite(line["lower"]):
        return value.replace("+0%", "0")
    return f"{value} ({math.expm1(line['lower']):+.0%} to {math.expm1(line['upper']):+.0%})"


def robustness(table: pd.DataFrame) -> str:
    """The table that scripts/robustness.py wrote."""
    table["part"] = table["part"].astype(str).str.replace("_", " ")
    table["interval"] = [
        f"{low:.2f} to {high:.2f}" if math.isfinite(low) else ""
        for low, high in zip(table["lower"], table["upper"], strict=True)
    ]
    why = table["why"].fillna("").astype(str).str.replace("_", " ")
    table["verdict"] = table["verdict"] + (": " + why).where(why != "", "")
    shown = table[["variant", "part", "effect", "interval", "seeds", "verdict"]]
    return str(shown.to_markdown(index=False, floatfmt=".2f"))


def accuracies(runs: Sequence[Mapping[str, Any]]) -> str:
    """Accuracies of each experiment, over its seeds, and how many these are."""
    lines = [
        {"experiment": run["keys"].get("experiment", ""), "metric": name, "value": value}
        for run in runs
        for name, value in run["metrics"].items()
    ]
    if not lines:
        return ""
    table = pd.DataFrame(lines).pivot_table(
        index="experiment", columns="metric", values="value", aggfunc=["min", "max", "count"]
    )
    shown = pd.DataFrame(
        {
            name: [
                f"{low:.1%} to {high:.1%}" if low == low else ""
                for low, high in zip(table["min"][name], table["max"][name], strict=True)
            ]
            for name in table["min"]
        },
        index=table.index,
    )
    shown.insert(0, "seeds", pd.DataFrame(table["count"]).max(axis=1).astype(int))
    return f"Accuracies, the lowest and the highest of the seeds:\n\n{shown.to_markdown()}\n"


def _table(lines: Sequence[Mapping[str, str]]) -> str:
    return str(pd.DataFrame(lines).to_markdown(index=False, disable_numparse=True))


def _number(value: float, digits: int) -> str:
    return f"{value:.{digits}f}" if math.isfinite(value) else ""
