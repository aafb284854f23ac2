"""Write docs/conditional_information.md, the truth grid of information at fixed class (a quarter of an hour).

`python scripts/table_conditional_information.py`: errors of every correction on units whose information at fixed class
is known, false positives, and what fewer stimuli would give. `--units` and `--independent` make it shorter.
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import torch
from torch import Tensor

from conditional_truth_grid import FEW, Stimuli, Unit, cells, informative_units, stimuli_of, units_that_carry_nothing
from pdtrain.estimators.conditional_information import (
    BINS,
    FEWEST_PER_CLASS_AND_VALUE,
    class_tables,
    codes_within,
    conditional_information,
)
from pdtrain.estimators.conditional_tables import information_of_tables
from pdtrain.estimators.corrections import CORRECTIONS

_BLOCK = 1_000_000  # responses drawn at a time
_MOST_RESPONSES = 40_000_000  # of the independent units of a line


@dataclass(frozen=True)
class Place:
    """A line of the grid: so many stimuli, classes, and a kind of unit."""

    stimuli: int
    classes: int
    unit: Unit

    @property
    def tolerance_bits(self) -> float:
        """Error that the default is allowed."""
        return max(0.005, 0.05 * self.unit.truth_bits)

    @property
    def per_bin(self) -> float:
        """Stimuli per class and bin."""
        return self.stimuli / (self.classes * BINS)


def grid() -> Iterator[Place]:
    """All lines."""
    for stimuli, classes in cells():
        for unit in [*units_that_carry_nothing(classes), *informative_units(classes)]:
            yield Place(stimuli, classes, unit)


def blocks(place: Place, units: int) -> Iterator[tuple[Tensor, Stimuli]]:
    """Codes of responses, some units at a time, and the stimuli."""
    generator = torch.Generator().manual_seed(0)
    stimuli = stimuli_of(place.stimuli, place.classes, place.unit.property)
    step = max(1, _BLOCK // place.stimuli)
    for start in range(0, units, step):
        responses = place.unit.draw(stimuli, min(step, units - start), generator)
        yield codes_within(responses, stimuli.labels), stimuli


def errors(place: Place, units: int) -> dict[str, float]:
    """Mean error of every correction, and the default's spread and lowest value, bits; of few stimuli too."""
    found: dict[str, list[Tensor]] = {name: [] for name in CORRECTIONS}
    for codes, stimuli in blocks(place, units):
        tables = class_tables(codes, stimuli.codes, stimuli.labels)[:, 0]
        for name in CORRECTIONS:
            found[name].append(information_of_tables(tables, correction=name).corrected_bits)
    together = {name: torch.cat(parts) for name, parts in found.items()}
    default = together[CORRECTIONS[0]]
    means = {name: float(bits.mean()) - place.unit.truth_bits for name, bits in together.items()}
    return means | {"spread": float(default.std()), "lowest": float(default.min())}


def false_positives(place: Place, units: int, shuffles: int = 0) -> tuple[float, float]:
    """Share of p-values at or below 5% and 1%."""
    p_values = torch.cat(
        [
            conditional_information(codes, stimuli.codes, stimuli.labels, shuffles=shuffles)[0].p_values
            for codes, stimuli in blocks(place, units)
        ]
    )
    return float((p_values <= 0.05).double().mean()), float((p_values <= 0.01).double().mean())


def active_stimuli(place: Place) -> int:
    """Stimuli whose response is not the unit's commonest: those that a rarely firing unit fires on."""
    stimuli = stimuli_of(place.stimuli, place.classes, place.unit.property)
    responses = place.unit.draw(stimuli, 50, torch.Generator().manual_seed(0))
    return round(float((responses != responses.mode(0).values).sum(0).double().mean()))


def main() -> None:
    """Measure everything, and write the page."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--units", type=int, default=400)
    parser.add_argument("--independent", type=int, default=20_000)
    parser.add_argument("--page", default="docs/conditional_information.md")
    arguments = parser.parse_args()
    few = [Place(n, k, unit) for n, k in FEW for unit in [*units_that_carry_nothing(k), *informative_units(k)]]
    lines = []
    for place in [*grid(), *few]:
        print(f"{place.stimuli} stimuli, {place.classes} classes, {place.unit.name}", flush=True)
        known = {"truth": place.unit.truth_bits, "tolerance": place.tolerance_bits, "per_bin": place.per_bin}
        named = {"stimuli": place.stimuli, "classes": place.classes, "unit": place.unit.name}
        lines.append(named | known | errors(place, arguments.units))
    table = pd.DataFrame(lines)
    positives = []
    for stimuli, classes in cells():
        units = min(arguments.independent, _MOST_RESPONSES // stimuli)
        for unit in units_that_carry_nothing(classes):
            place = Place(stimuli, classes, unit)
            found = false_positives(place, units)
            print(f"{stimuli} stimuli, {classes} classes, {unit.name}: {found}", flush=True)
            positives.append((stimuli, classes, unit.name, active_stimuli(place), units, *found))
    Path(arguments.page).write_text("\n".join(_page(table, positives, arguments.units)) + "\n")


def _page(table: pd.DataFrame, positives: list[tuple], units: int) -> Iterator[str]:
    default = CORRECTIONS[0]
    full = table[: len(list(grid()))]
    outside = full[full[default].abs() > full.tolerance]
    yield from (
        "# Information at fixed identity: the truth grid",
        "",
        f"Made by `python scripts/table_conditional_information.py`: {units:,} units a line, whose information about a",
        f"property at fixed class is known. Responses and property are cut in {BINS} bins in each class; truth is that",
        "of the response as binned at the population's quantiles there. Units carry *neither*, the *class* alone, the",
        "*property*, or *both*; the property's mean, or the shares of its *four values*, differ between classes, but",
        "where it is said to be alike. Errors are means over the units, in bits; *spread* is the standard deviation",
        "over units and *lowest* the least value, of the default.",
        "",
        f"The default, `{default}`, may err by 0.005 bit or 5% of the truth, whichever is larger. "
        + (
            f"{len(outside)} of {len(full)} lines lie outside:"
            if len(outside)
            else f"All {len(full)} lines lie within."
        ),
        "",
        *(
            f"- {r.stimuli:,} stimuli, {r.classes} classes, {r.unit}: {getattr(r, default):+.4f} of {r.truth:.4f}"
            for r in outside.itertuples()
        ),
        "",
        "| stimuli | classes | per class and bin | unit | truth | " + " | ".join(CORRECTIONS) + " | spread | lowest |",
        "|---" * (7 + len(CORRECTIONS)) + "|",
    )
    for row in full.to_dict("records"):
        cells_of = [f"{row[name]:+.4f}" for name in CORRECTIONS]
        place = [
            f"{row['stimuli']:,}",
            str(row["classes"]),
            f"{row['per_bin']:.0f}",
            row["unit"],
            f"{row['truth']:.4f}",
        ]
        yield "| " + " | ".join([*place, *cells_of, f"{row['spread']:.4f}", f"{row['lowest']:+.4f}"]) + " |"
    yield from (
        "",
        "## False positives",
        "",
        "Share of units that tell nothing at fixed class with a p-value of at most 5% and 1%, without shuffles.",
        "*Active* stimuli are those whose response is not the unit's commonest. Where a unit fires on one or two",
        "stimuli of a class there are few tables, and exact p-values cannot reach the level: fewer, never more.",
        "",
        "| stimuli | classes | unit | active stimuli | units | at 5% | at 1% |",
        "|---|---|---|---|---|---|---|",
        *(
            f"| {n:,} | {k} | {u} | {m:,} | {many:,} | {five:.2%} | {one:.2%} |"
            for n, k, u, m, many, five, one in positives
        ),
        "",
    )
    sparse = next(unit for unit in units_that_carry_nothing(10) if "10.0%" in unit.name)
    five, one = false_positives(Place(1000, 10, sparse), 4000, shuffles=100)
    yield from (
        f"With 100 shuffles within classes, 1,000 stimuli, 10 classes, 10% active: {five:.2%} and {one:.2%} of 4,000.",
        "",
        "## Few stimuli per class and bin",
        "",
        f"With fewer than {FEWEST_PER_CLASS_AND_VALUE} stimuli per class and value the answer is NaN, and this is why:",
        "the default's error where there are as many, or fewer; those beyond 0.005 bit or 5% of the truth are bold.",
        "",
    )
    few = table[len(full) :]
    yield "| unit | truth | " + " | ".join(f"{n / (k * BINS):.1f} ({n:,} stimuli)" for n, k in FEW) + " |"
    yield "|---" * (2 + len(FEW)) + "|"
    for name in few.unit.unique():
        found = [few[(few.stimuli == n) & (few.classes == k) & (few.unit == name)].iloc[0] for n, k in FEW]
        said = [f"{r[default]:+.4f}" if abs(r[default]) <= r.tolerance else f"**{r[default]:+.4f}**" for r in found]
        yield f"| {name} | {found[0].truth:.4f} | " + " | ".join(said) + " |"


if __name__ == "__main__":
    main()
