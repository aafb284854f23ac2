"""Write docs/coverage.md, how often intervals over stimuli hold what they should: `python scripts/table_coverage.py`.

A network, trained and untrained, is shown many sets of freshly rendered stimuli. Each set gives the indices with their
intervals; what they should hold is the mean over all sets. About 15 minutes: the network is trained first, unless
`--run` names a run of rendered objects.
"""

import argparse
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from omegaconf import DictConfig
from torch import nn

from coverage_of_units import CASES
from pdtrain.activations.fields import receptive_fields
from pdtrain.activations.layers import trace_layers
from pdtrain.activations.recipes import select_layers
from pdtrain.activations.recorder import Recorder
from pdtrain.commands.build import build_network, built
from pdtrain.estimators.half_samples import interval
from pdtrain.probes.activity import silent_unit_rows
from pdtrain.probes.dimension_probe import DimensionProbe
from pdtrain.probes.indices import indices
from pdtrain.probes.information_probe import InformationProbe
from pdtrain.results.configuration import load_configuration
from pdtrain.results.measures import DISTILLATION, INDICES
from pdtrain.results.rows import Row
from pdtrain.results.run_folder import RunFolder
from pdtrain.stimuli.sources import objects
from pdtrain.training.checkpoints import load_network

PAGE = """# Coverage

How often 95% intervals over stimuli hold what they should; printed by `{command}`. A network of the default
experiment, untrained and trained, was shown {sets} sets of {stimuli} freshly rendered stimuli. Each set gave every
value with its interval; what an interval should hold is the mean over all sets. *Error / deviation* is the root mean
square of the standard errors over the deviation of the values: above 1 intervals are too wide, below too narrow.

With {sets} sets a coverage of 95% comes out between 92% and 98% by chance. Values are held to a thousandth of an index
and a ten-thousandth of a bit or dimension: what never varies, such as what a pixel tells about itself, has no width.

## Indices

Of the untrained network itself the first layers nearly tie for the peak of dimension: its expansion is the case in
which the peak is not clear. Active pruning of the untrained network against itself is 0 in every set, and left out.

| network | index | of | sets that give it | mean | deviation | error / deviation | coverage |
|---|---|---|---|---|---|---|---|
{indices}

## Layers

| network | value | layers | error / deviation | mean coverage | over layers |
|---|---|---|---|---|---|
{layers}

## Simulated units and points

20 units that share a part of their noise, over {sets} sets of stimuli each; *deviation* is that of the value over them.
With 200 stimuli, 25 a bin, intervals of information are up to 30% too narrow.

| value | stimuli | mean | deviation | error / deviation | coverage |
|---|---|---|---|---|---|
{simulated}
"""
_RESOLUTION, _INDEX_RESOLUTION = 1e-4, 1e-3  # within which a value that hardly varies is held
_FIRST_SEED = 100_000  # of the stimuli, far from those of any run
_SIMULATED = (200, 1000)  # stimuli
_PROPERTIES = ("luminance@receptive_field", "contrast@receptive_field", "luminance", "contrast")


@dataclass
class Cases:
    """Values of one quantity over the sets of stimuli, and which intervals were about them."""

    values: list[float] = field(default_factory=list)
    lower: list[float] = field(default_factory=list)
    upper: list[float] = field(default_factory=list)
    errors: list[float] = field(default_factory=list)
    resolution: float = _RESOLUTION

    def add(self, row: Row) -> None:
        """One set's value, and its interval."""
        self.put(row.value, row.lower, row.upper, row.standard_deviation)

    def put(self, value: float, lower: float, upper: float, error: float) -> None:
        """The same, as numbers."""
        for of, number in ((self.values, value), (self.lower, lower), (self.upper, upper), (self.errors, error)):
            of.append(number)

    def line(self) -> dict[str, float]:
        """Coverage of the mean over sets, and how standard errors compare with the deviation over sets."""
        known = np.isfinite(self.values)
        values, lower, upper = (np.array(of)[known] for of in (self.values, self.lower, self.upper))
        held = (lower - self.resolution <= values.mean()) & (values.mean() <= upper + self.resolution)
        deviation = values.std(ddof=1)
        error = np.sqrt(np.mean(np.square(np.array(self.errors)[known])))
        return {
            "sets": int(known.sum()), "mean": values.mean(), "deviation": deviation,
            "error / deviation": error / deviation if deviation > 0 else np.nan, "coverage": held.mean(),
        }  # fmt: skip


class Network:
    """One network, and what is measured of it."""

    def __init__(self, network: nn.Module, stimuli: int) -> None:
        self._network, self._count = network.eval(), stimuli
        self._recorder: Recorder | None = None
        self._probes = [DimensionProbe(resamplings=0), InformationProbe(_PROPERTIES)]

    def rows(self, stimuli: object) -> list[Row]:
        """Rows of a set of stimuli."""
        if self._recorder is None:
            image = stimuli.images[:1]
            self._recorder = Recorder(select_layers(trace_layers(self._network, image), None), self._count)
            self._recorder.fields = receptive_fields(self._network, tuple(image.shape[1:]), self._recorder.units)
        responses = self._recorder.record(self._network, stimuli.images)
        rows = [row for probe in self._probes for row in probe.measure(responses, stimuli).rows]
        return [*silent_unit_rows(responses), *rows]


def trained_run(folder: Path) -> Path:
    """Train the default experiment there."""
    command = [sys.executable, "-m", "pdtrain.commands.train", f"hydra.run.dir={folder}", "report=false"]
    subprocess.run(command, check=True)
    return folder


def networks(run: Path, stimuli: int) -> tuple[DictConfig, object, dict[str, Network]]:
    """Configuration, data, and the network at either end of its training."""
    config = load_configuration(run)
    data = built(config.data)
    data.setup()
    ends = sorted(RunFolder(run).checkpoints.glob("epoch=*.ckpt"))
    found = {}
    for name, path in (("untrained", ends[0]), ("trained", ends[-1])):
        network = build_network(config, data)
        load_network(network, path, key="run")
        found[name] = Network(network, stimuli)
    return config, data, found


def measured(run: Path, sets: int, stimuli: int) -> Iterator[tuple[str, Row]]:
    """Indices of each set: of the trained network against the untrained one, and of the untrained one itself."""
    config, data, ends = networks(run, stimuli)
    for place in range(sets):
        shown = objects(
            data, count=stimuli, seed=_FIRST_SEED + place, identities=data.num_classes,
            transformations=config.data.transformations,
        )  # fmt: skip
        rows = {name: network.rows(shown) for name, network in ends.items()}
        for name in ends:
            for row in [*rows[name], *indices(rows[name], rows["untrained"])]:
                yield name, row


def simulated(sets: int) -> Iterator[str]:
    """Lines of cases in which the value over sets of stimuli is known."""
    for stimuli in _SIMULATED:
        for name, case in CASES.items():
            generator, cases = torch.Generator().manual_seed(0), Cases()
            for _ in range(sets):
                value, error = case(stimuli, generator)
                cases.put(value, *interval(value, error), error)
            line = cases.line()
            yield (
                f"| {name} | {stimuli} | {line['mean']:.3g} | {line['deviation']:.2g} "
                f"| {line['error / deviation']:.2f} | {line['coverage']:.1%} |"
            )


def text(table: pd.DataFrame, *, sets: int, stimuli: int) -> str:
    """The page."""
    table = table[table["sets"] > 0]
    of_network = table[(table["probe"] == DISTILLATION.probe) & (table["deviation"] > 0)]
    named = [(measure.quantity, measure.title_of("")) for measure in INDICES]
    lines = [
        f"| {row['network']} | {title} | {row['property'].replace('_', ' ')} | {row['sets']} | {row['mean']:.2f} "
        f"| {row['deviation']:.3f} | {row['error / deviation']:.2f} | {row['coverage']:.1%} |"
        for quantity, title in named
        for row in of_network[of_network["quantity"] == quantity].to_dict("records")
    ]
    layers = []
    of_layers = table[(table["layer"] != "") & table["error / deviation"].notna()]
    by_quantity = of_layers.groupby(["network", "probe", "quantity", "property"], sort=False)
    for (network, _, quantity, about), of_quantity in by_quantity:
        ratio, coverage = of_quantity["error / deviation"], of_quantity["coverage"]
        what = f"{quantity} {about}".replace("_", " ").strip()
        layers.append(
            f"| {network} | {what} | {len(of_quantity)} | {ratio.min():.2f} to {ratio.max():.2f} "
            f"| {coverage.mean():.1%} | {coverage.min():.1%} to {coverage.max():.1%} |"
        )
    return PAGE.format(
        command="python scripts/table_coverage.py", sets=sets, stimuli=stimuli, indices="\n".join(lines),
        layers="\n".join(layers), simulated="\n".join(simulated(sets)),
    )  # fmt: skip


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--run", type=Path)
    parser.add_argument("--sets", type=int, default=200)
    parser.add_argument("--stimuli", type=int, default=500)
    parser.add_argument("--page", type=Path, default=Path("docs/coverage.md"))
    arguments = parser.parse_args()
    run = arguments.run or trained_run(Path("runs/coverage"))
    cases: dict[tuple[str, ...], Cases] = {}
    with torch.no_grad():
        for name, row in measured(run, arguments.sets, arguments.stimuli):
            key = (name, row.layer, row.layer_index, row.probe, row.quantity, row.property)
            resolution = _INDEX_RESOLUTION if row.probe == DISTILLATION.probe else _RESOLUTION
            cases.setdefault(key, Cases(resolution=resolution)).add(row)
    names = ["network", "layer", "layer_index", "probe", "quantity", "property"]
    table = pd.DataFrame([dict(zip(names, key, strict=True)) | of.line() for key, of in cases.items()])
    page = text(table, sets=arguments.sets, stimuli=arguments.stimuli)
    arguments.page.write_text(page)
    print(page)


if __name__ == "__main__":
    main()
