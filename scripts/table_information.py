"""Write docs/information.md, the truth grid of unit information: `python scripts/table_information.py` (half an hour).

Every correction offered on units whose information is known, over the whole range of their use; false positives; and
discoveries against a permutation test. `--units` and `--independent` make it shorter.
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import torch
from torch import Tensor

from pdtrain.estimators.corrections import CORRECTIONS
from pdtrain.estimators.discretization import discretize, property_codes
from pdtrain.estimators.information import FEWEST_PER_VALUE, unit_information
from pdtrain.estimators.significance import benjamini_hochberg
from truth_grid import ACTIVE_FRACTIONS, Unit, cells, independent, informative_units, values_of

_BLOCK = 4_000_000  # responses drawn at a time
_FEW = (3, 5, 10, 15, 20)


@dataclass(frozen=True)
class Place:
    """A line of the grid: so many stimuli, values of the property, and a kind of unit."""

    stimuli: int
    values: int
    unit: Unit

    @property
    def tolerance_bits(self) -> float:
        """Error that the default is allowed."""
        absolute, relative = (0.005, 0.03) if self.stimuli // self.values >= 100 else (0.012, 0.05)
        return max(absolute, relative * self.unit.truth_bits)


def grid() -> Iterator[Place]:
    """All lines."""
    for stimuli, values in cells():
        for unit in [*map(independent, ACTIVE_FRACTIONS), *informative_units(values)]:
            yield Place(stimuli, values, unit)


def blocks(place: Place, units: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Codes of responses, some units at a time, and of the property, shape (stimuli, 1)."""
    generator = torch.Generator().manual_seed(0)
    values = values_of(place.stimuli, place.values)
    codes = property_codes(values[:, None].double(), kind="discrete")
    step = max(1, _BLOCK // place.stimuli)
    for start in range(0, units, step):
        yield discretize(place.unit.draw(values, min(step, units - start), generator)), codes


def errors(place: Place, units: int) -> dict[str, float]:
    """Mean error of every correction, and the default's spread and lowest value, bits."""
    found: dict[str, list[Tensor]] = {name: [] for name in CORRECTIONS}
    for responses, codes in blocks(place, units):
        for name in CORRECTIONS:
            found[name].append(unit_information(responses, codes, correction=name)[0].information_bits)
    together = {name: torch.cat(parts) for name, parts in found.items()}
    default = together[CORRECTIONS[0]]
    means = {name: float(bits.mean()) - place.unit.truth_bits for name, bits in together.items()}
    return means | {"spread": float(default.std()), "lowest": float(default.min())}


def false_positives(place: Place, units: int, shuffles: int = 0) -> tuple[float, float]:
    """Share of p-values at or below 5% and 1%."""
    p_values = torch.cat([unit_information(*block, shuffles=shuffles)[0].p_values for block in blocks(place, units)])
    return float((p_values <= 0.05).double().mean()), float((p_values <= 0.01).double().mean())


def discoveries(stimuli: int = 1000, units: int = 1024, informative: int = 150) -> list[str]:
    """How many units are found at a false discovery rate of 5%, against a test by 10,000 shuffles."""
    lines = []
    values = values_of(stimuli, 10)
    codes = property_codes(values[:, None].double(), kind="discrete")
    for name in ("equal to the property", "Gaussian, signal 0.3", "fires with 0.1 on one value, 0.01 on others"):
        generator = torch.Generator().manual_seed(1)
        known = {unit.name: unit.draw for unit in informative_units(10)}
        draw = known.get(name, lambda v, n, g: v[:, None].float().expand(-1, n))
        responses = torch.cat(
            [draw(values, informative, generator), independent(0.1).draw(values, units - informative, generator)], 1
        )
        binned = discretize(responses)
        found = {
            label: unit_information(binned, codes, shuffles=shuffles)[0].informative
            for label, shuffles in (("law", 0), ("100 shuffles", 100))
        }
        found["10,000 shuffles"] = benjamini_hochberg(_by_shuffles(binned, codes[:, 0], 10_000), 0.05)
        counts = [f"{int(f[:informative].sum())} + {int(f[informative:].sum())}" for f in found.values()]
        lines.append(f"| {name} | " + " | ".join(counts) + " |")
    return lines


def _by_shuffles(responses: Tensor, property: Tensor, shuffles: int) -> Tensor:
    """P-values of a permutation test and nothing else: (1 + exceeded) / (1 + shuffles)."""
    from pdtrain.estimators.contingency import joint_counts, plugin_information

    generator = torch.Generator().manual_seed(2)
    observed = plugin_information(joint_counts(responses, property[:, None]))[:, 0]
    exceeded = torch.zeros_like(observed)
    for _ in range(shuffles // 50):
        orders = torch.stack([torch.randperm(len(property), generator=generator) for _ in range(50)], 1)
        null = plugin_information(joint_counts(responses, property[orders]))
        exceeded += (null >= observed[:, None] - 1e-9).sum(1)
    return (1 + exceeded) / (1 + shuffles)


def main() -> None:
    """Measure everything, and write the page and its figure."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--units", type=int, default=4000)
    parser.add_argument("--independent", type=int, default=20_000)
    parser.add_argument("--page", default="docs/information.md")
    arguments = parser.parse_args()
    table = pd.DataFrame(
        [
            {"stimuli": p.stimuli, "values": p.values, "unit": p.unit.name, "truth": p.unit.truth_bits,
             "unbinned": p.unit.unbinned_bits, "tolerance": p.tolerance_bits, **errors(p, arguments.units)}
            for p in _said(grid())
        ]
    )  # fmt: skip
    positives = []
    for stimuli, values in cells():
        for active in ACTIVE_FRACTIONS:
            at_5, at_1 = false_positives(Place(stimuli, values, independent(active)), arguments.independent)
            positives.append((stimuli, values, active, round(stimuli * active), at_5, at_1))
    page = Path(arguments.page)
    page.write_text("\n".join(_page(table, positives, arguments.units, arguments.independent)) + "\n")
    _figure(table, page.with_name("information_errors.png"))


def _said(places: Iterator[Place]) -> Iterator[Place]:
    """The same, saying where it is."""
    for place in places:
        print(f"{place.stimuli} stimuli, {place.values} values, {place.unit.name}", flush=True)
        yield place


def _page(table: pd.DataFrame, positives: list[tuple], units: int, many: int) -> Iterator[str]:
    default = CORRECTIONS[0]
    outside = table[table[default].abs() > table.tolerance]
    worst = float((outside[default].abs() / outside.tolerance).max()) if len(outside) else 0.0
    yield from (
        "# Unit information: the truth grid",
        "",
        f"Made by `python scripts/table_information.py`: {units:,} units a line, whose information is known. Truth is",
        "that of the response as binned at the population's quantiles; *unbinned* is what it was before. Errors are",
        "means over the units, in bits; *spread* is the standard deviation over units and *lowest* the least value, of",
        "the default.",
        "",
        f"The default, `{default}`, was chosen by this table: it may err by 0.005 bit or 3% of the truth with at least",
        "100 stimuli per value, by 0.012 bit or 5% with 30 to 100. "
        + (
            f"{len(outside)} of {len(table)} lines lie outside, by up to {worst:.2f} times as much:"
            if len(outside)
            else f"All {len(table)} lines lie within."
        ),
        "",
        *(
            f"- {r.stimuli:,} stimuli, {r.values} values, {r.unit}: {getattr(r, default):+.4f}"
            for r in outside.itertuples()
        ),
        "",
        "![Errors of every correction against the truth](information_errors.png)",
        "",
        "| stimuli | values | unit | truth | unbinned | " + " | ".join(CORRECTIONS) + " | spread | lowest |",
        "|---" * (7 + len(CORRECTIONS)) + "|",
    )
    for row in table.to_dict("records"):
        cells_of = [f"{row[name]:+.4f}" for name in CORRECTIONS]
        known = [f"{row['truth']:.4f}", f"{row['unbinned']:.4f}"]
        place = [f"{row['stimuli']:,}", str(row["values"]), row["unit"], *known]
        yield "| " + " | ".join([*place, *cells_of, f"{row['spread']:.4f}", f"{row['lowest']:+.4f}"]) + " |"
    yield from (
        "",
        "## False positives",
        "",
        f"Share of {many:,} independent units with a p-value of at most 5% and 1%, without shuffles. With fewer than",
        "30 active stimuli, or two values and two bins, there are few tables, and exact p-values cannot reach the",
        "level: fewer, never more.",
        "",
        "| stimuli | values | active | active stimuli | at 5% | at 1% |",
        "|---|---|---|---|---|---|",
        *(f"| {n:,} | {v} | {a:.1%} | {m:,} | {five:.2%} | {one:.2%} |" for n, v, a, m, five, one in positives),
        "",
    )
    place = Place(1000, 10, independent(0.1))
    five, one = false_positives(place, 4000, shuffles=100)
    yield from (
        f"With 100 shuffles, 1,000 stimuli, 10 values, 10% active, 4,000 units: {five:.2%} and {one:.2%}.",
        "",
        "## Discoveries",
        "",
        "Units found at a false discovery rate of 5% among 1,024, 150 of which are informative (1,000 stimuli, 10",
        "values): right ones + false ones.",
        "",
        "| informative units | the law | 100 shuffles | 10,000 shuffles alone |",
        "|---|---|---|---|",
        *discoveries(),
        "",
        "## Few stimuli per value",
        "",
        f"The default's error, 1,000 stimuli, 400 units; with fewer than {FEWEST_PER_VALUE} stimuli per value the",
        "answer is NaN, and this is why:",
        "",
        "| unit | " + " | ".join(f"{n} per value" for n in _FEW) + " |",
        "|---" * (1 + len(_FEW)) + "|",
        *_few_per_value(),
    )


def _few_per_value() -> Iterator[str]:
    """Error with ever fewer stimuli per value, whatever the estimator would refuse."""
    from pdtrain.estimators.contingency import joint_counts
    from pdtrain.estimators.corrections import corrected_information
    from pdtrain.estimators.permutation import permutation_law

    for index in range(2 + len(informative_units(8))):
        cells_of, name = [], ""
        for per_value in _FEW:
            values = 1000 // per_value
            unit = [independent(0.03), independent(1.0), *informative_units(values)][index]
            tables = torch.cat([joint_counts(*block) for block in blocks(Place(1000, values, unit), 400)])
            bits = corrected_information(tables, permutation_law(tables))
            name, error = unit.name, float(bits.mean()) - unit.truth_bits
            cells_of.append(f"{error:+.3f}" + (f" ({error / unit.truth_bits:+.0%})" if unit.truth_bits > 0.05 else ""))
        yield f"| {name} | " + " | ".join(cells_of) + " |"


def _figure(table: pd.DataFrame, path: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, drawn = plt.subplots(1, len(CORRECTIONS), figsize=(11, 3), sharey=True, constrained_layout=True)
    enough = table.stimuli // table["values"] >= 100
    for axes, name in zip(drawn, CORRECTIONS, strict=True):
        for chosen, marker, label in ((~enough, "s", "30 to 100 per value"), (enough, "o", "at least 100")):
            part = table[chosen]
            axes.plot(part.truth, part[name], marker, ms=3, mfc="none", label=label)
        axes.set(title=name.replace("_", " "), xlabel="true information (bit)")
        axes.set_yscale("symlog", linthresh=0.01)
        axes.axhline(0, color="black", lw=0.5)
    drawn[0].set_ylabel("mean error (bit)")
    drawn[0].legend(frameon=False, fontsize=7)
    figure.savefig(path, dpi=130)


if __name__ == "__main__":
    main()
