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
from sklearn.feature_selection import mutual_info_regression
from sklearn.metrics import mutual_info_score
from torch import Tensor

from benchmarking import exponent, label_sizes, measure
from pdtrain.activations.layers import Layer
from pdtrain.estimators.copula import copula_information
from pdtrain.estimators.discretization import discretize
from pdtrain.estimators.information import unit_information
from pdtrain.stimuli.local_properties import LOCAL_PROPERTIES, Fields

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
    responses, properties = discretize(_responses(units)), discretize(_properties(), zero_bin=False)
    ours = measure(lambda: unit_information(responses, properties, shuffles=_SHUFFLES))
    calls = 2000
    started = time.perf_counter()
    found = [mutual_info_score(responses[:, i % units].numpy(), properties[:, 0].numpy()) for i in range(calls)]
    seconds = (time.perf_counter() - started) / calls * units * _PROPERTIES * (_SHUFFLES + 1)
    difference = np.abs(ours.value[0].plugin_bits[:calls].numpy() - np.array(found[:units]) / math.log(2)).max()
    task = f"{units:,} units x {_PROPERTIES} properties, Panzeri-Treves, {_SHUFFLES} shuffles"
    table.add_row(
        task, "sklearn mutual_info_score, loop *", f"{ours.seconds:.1f}", f"{seconds:,.0f}",
        f"{seconds / ours.seconds:,.0f}", f"largest difference {difference:.0e} bit", f"{ours.peak_mib:.0f}",
    )  # fmt: skip


def _binning_free(table: Table, units: int = 1000, sample: int = 50, rho: float = 0.6) -> None:
    generator = torch.Generator().manual_seed(0)
    property = torch.randn(_STIMULI, 1, generator=generator)
    responses = rho * property + math.sqrt(1 - rho**2) * torch.randn(_STIMULI, units, generator=generator)
    ours = measure(lambda: copula_information(responses, property))
    exact = -0.5 * math.log2(1 - rho**2)
    part, target = responses[:, :sample].numpy(), property[:, 0].numpy()
    ksg = measure(lambda: mutual_info_regression(part, target, random_state=0) / math.log(2))
    enn = measure(lambda: np.array([ennemi.estimate_mi(target, x).item() for x in part.T]) / math.log(2))
    for name, peer in (("sklearn mutual_info_regression (KSG) *", ksg), ("ennemi (KSG) *", enn)):
        seconds = peer.seconds / sample * units
        agreement = f"exact {exact:.3f}: ours {float(ours.value.mean()):.3f}, peer {peer.value.mean():.3f} bit"
        table.add_row(
            f"binning-free (Gaussian copula), {units:,} units", name, f"{ours.seconds:.3f}", f"{seconds:.1f}",
            f"{seconds / ours.seconds:,.0f}", agreement, f"{ours.peak_mib:.0f}",
        )  # fmt: skip


def _local(table: Table, units: int = 1024, pixels: int = 64) -> None:
    """All local properties in the fields of a layer's sampled units, and their information."""
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(_STIMULI, 1, pixels, pixels, generator=generator)
    layer = Layer("layer", "layer", 1, 0.5, (units,), "other")
    top, left = (torch.randint(pixels - 24, (layer.units,), generator=generator) for _ in range(2))
    fields = Fields(top, top + 24, left, left + 24)
    responses = discretize(_responses(units))

    def everything() -> None:
        for local in LOCAL_PROPERTIES.values():
            codes = discretize(local.measure(images, fields), zero_bin=False)
            unit_information(responses, codes, paired=True)

    ours = measure(everything)
    name = f"receptive fields: {units} units x {len(LOCAL_PROPERTIES)} local properties"
    table.add_row(name, "(5 s at most)", f"{ours.seconds:.2f}", "", "", "", f"{ours.peak_mib:.0f}")


def _costs(console: Console, figure: str) -> None:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    counts = (500, 1000, 2000, 4000, 8000)
    properties = discretize(_properties(), zero_bin=False)
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
