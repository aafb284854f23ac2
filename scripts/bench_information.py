"""Unit information against scikit-learn and ennemi: `python scripts/bench_information.py` (about 3 minutes on 2 cores).

One process and the same bins for all. The loop over `mutual_info_score` would take hours: it is timed on a sample of
calls and extrapolated.
"""

import argparse
import math
import time

import ennemi
import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from sklearn.feature_selection import mutual_info_classif, mutual_info_regression
from sklearn.metrics import mutual_info_score
from torch import Tensor

from benchmarking import exponent, label_sizes, measure
from pdtrain.estimators.discretization import Kind, discretize
from pdtrain.estimators.information import unit_information
from pdtrain.estimators.nearest_neighbor_information import nearest_neighbor_information
from pdtrain.stimuli.properties import PROPERTIES
from pdtrain.stimuli.receptive_field import ReceptiveFields
from truth_grid import informative_units, values_of

_STIMULI, _PROPERTIES, _SHUFFLES = 1000, 10, 100


def main() -> None:
    """Print the comparison, the cost exponents, and write the figure of the costs."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--units", type=int, default=50_000)
    parser.add_argument("--figure", default="docs/bench_information.png")
    arguments = parser.parse_args()
    console = Console(width=130)
    table = Table(title=f"unit information, {_STIMULI} stimuli, {torch.get_num_threads()} threads")
    for column in ("task", "peer", "ours, s", "peer, s", "ratio", "agreement", "peak MiB, ours"):
        table.add_column(column, justify="left" if column in ("task", "peer", "agreement") else "right")
    _binned(table, arguments.units)
    _binning_free(table)
    _local(table)
    console.print(table)
    console.print("* extrapolated from a sample of calls")
    _costs(console, arguments.figure)


def _responses(units: int, seed: int = 0) -> Tensor:
    """Half of the units rectified, all a little related to the properties."""
    generator = torch.Generator().manual_seed(seed)
    common = torch.randn(_STIMULI, 1, generator=generator)
    values = torch.randn(_STIMULI, units, generator=generator) + 0.5 * common
    values[:, ::2] = values[:, ::2].relu()
    return values


def _properties(columns: int = _PROPERTIES) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    common = torch.randn(_STIMULI, 1, generator=generator)
    return common + torch.randn(_STIMULI, columns, generator=torch.Generator().manual_seed(9))


def _binned(table: Table, units: int) -> None:
    responses, properties = discretize(_responses(units)), discretize(_properties())
    ours = measure(lambda: unit_information(responses, properties, shuffles=_SHUFFLES))
    calls = 2000
    started = time.perf_counter()
    found = [mutual_info_score(responses[:, i % units].numpy(), properties[:, 0].numpy()) for i in range(calls)]
    seconds = (time.perf_counter() - started) / calls * units * _PROPERTIES * (_SHUFFLES + 1)
    difference = np.abs(ours.value[0].plugin_bits[:calls].numpy() - np.array(found[:units]) / math.log(2)).max()
    task = f"{units:,} units x {_PROPERTIES} properties, corrected, {_SHUFFLES} shuffles"
    table.add_row(
        task, "sklearn mutual_info_score, loop *", f"{ours.seconds:.1f}", f"{seconds:,.0f}",
        f"{seconds / ours.seconds:,.0f}", f"largest difference {difference:.0e} bit", f"{ours.peak_mib:.0f}",
    )  # fmt: skip


def _binning_free(table: Table, sample: int = 50) -> None:
    """The nearest-neighbour check and its peers on units whose information is known; every one loops over units."""
    classes = values_of(_STIMULI, 10)
    kinds = {unit.name: unit for unit in informative_units(10)}
    for name in (
        "Gaussian, signal 1.0",
        "rectified, 25% active, signal 1.0",
        "fires with 0.3 on one value, 0.003 on others",
    ):
        unit = kinds[name]
        responses = unit.draw(classes, sample, torch.Generator().manual_seed(0))
        _free(table, f"10 classes, {name}", responses, classes, unit.unbinned_bits, "discrete")
    generator = torch.Generator().manual_seed(0)
    property = torch.randn(_STIMULI, generator=generator)
    smooth = 0.6 * property[:, None] + 0.8 * torch.randn(_STIMULI, sample, generator=generator)
    _free(table, "continuous, Gaussian, correlation 0.6", smooth, property, -0.5 * math.log2(1 - 0.36), "continuous")


def _free(table: Table, task: str, responses: Tensor, property: Tensor, exact: float, kind: Kind) -> None:
    ours = measure(lambda: nearest_neighbor_information(responses, property, kind=kind))
    columns, target = responses.double().numpy(), property.numpy()
    discrete = kind == "discrete"
    scikit = mutual_info_classif if discrete else mutual_info_regression
    peers = {
        f"sklearn {scikit.__name__}": lambda: scikit(columns, target, random_state=0) / math.log(2),
        "ennemi estimate_mi": lambda: np.array(
            [ennemi.estimate_mi(target, x, discrete_y=discrete).item() for x in columns.T]
        ) / math.log(2),
    }  # fmt: skip
    for name, call in peers.items():
        peer = measure(call)
        agreement = f"exact {exact:.3f}: ours {float(ours.value.mean()):.3f}, peer {peer.value.mean():.3f} bit"
        table.add_row(
            f"without bins, {responses.shape[1]} units, {task}", name, f"{ours.seconds:.2f}", f"{peer.seconds:.2f}",
            f"{peer.seconds / ours.seconds:.1f}", agreement, f"{ours.peak_mib:.0f}",
        )  # fmt: skip


def _local(table: Table, units: int = 1024, pixels: int = 64) -> None:
    """All local properties in the fields of a layer's sampled units, and their information."""
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(_STIMULI, 1, pixels, pixels, generator=generator)
    top, left = (torch.randint(pixels - 24, (units,), generator=generator) for _ in range(2))
    fields = ReceptiveFields(top, top + 24, left, left + 24)
    responses = discretize(_responses(units))
    measures = [known.local for known in PROPERTIES.values() if known.local]

    def everything() -> None:
        for local in measures:
            codes = discretize(local(images, fields))
            unit_information(responses, codes, paired=True)

    ours = measure(everything)
    name = f"receptive fields: {units} units x {len(measures)} local properties"
    table.add_row(name, "(5 s at most)", f"{ours.seconds:.2f}", "", "", "", f"{ours.peak_mib:.0f}")


def _costs(console: Console, figure: str) -> None:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    counts = (500, 1000, 2000, 4000, 8000)
    properties = discretize(_properties())
    drawn, axes = plt.subplots(figsize=(4.5, 3), constrained_layout=True)
    for shuffles in (0, 20):
        data = [discretize(_responses(units)) for units in counts]
        seconds = [
            measure(lambda x=x, s=shuffles: unit_information(x, properties, shuffles=s), repeats=2).seconds
            for x in data
        ]
        slope = exponent(counts, seconds)
        axes.loglog(counts, seconds, marker="o", label=f"{shuffles} shuffles: exponent {slope:.2f}")
        console.print(f"cost against units, {shuffles} shuffles: exponent {slope:.2f}")
    label_sizes(axes, counts)
    axes.set(xlabel=f"units (x {_PROPERTIES} properties)", ylabel="seconds")
    axes.legend(frameon=False, fontsize=8)
    drawn.savefig(figure, dpi=150)


if __name__ == "__main__":
    main()
