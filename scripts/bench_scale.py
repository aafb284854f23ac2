"""What a probe point costs as stimuli, units, layers and image size grow: `python scripts/bench_scale.py`.

`small_vgg` on rendered objects, default probes, one factor at a time; of each the exponent of its cost, from the least
squares line through log seconds. The second point is timed: it has the input, properties and fields of the first.
"""

import argparse
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

import torch
from hydra import compose, initialize_config_module
from rich.console import Console
from rich.table import Table

from benchmarking import exponent, measure
from pdtrain.commands.build import build_probes
from pdtrain.probes.prober import Prober
from pdtrain.results.rows import PRETRAINED, UNTRAINED
from pdtrain.results.store import ResultsStore
from pdtrain.stimuli.normalization import Normalization
from pdtrain.stimuli.objects import render_objects
from pdtrain.stimuli.stimulus_set import StimulusSet
from pdtrain.training.models import small_vgg

_IDENTITIES = 10


@dataclass(frozen=True)
class Case:
    """What is probed: so many stimuli of so many pixels, and of so many layers so many units."""

    stimuli: int = 1000
    pixels: int = 32
    units: int = 256
    layers: int = 9


_FACTORS: dict[str, tuple[int, ...]] = {
    "stimuli": (500, 1000, 2000, 4000),
    "units": (64, 128, 256, 512),
    "layers": (2, 4, 6, 9),
    "pixels": (32, 48, 64, 96),
}


def seconds(case: Case) -> dict[str, float]:
    """Of a probe point and its parts, and the memory it takes at its peak (MiB)."""
    rendered = render_objects(case.stimuli, identities=_IDENTITIES, pixels=case.pixels)
    normalize = Normalization(0.5, 0.25)
    stimuli = StimulusSet(rendered.images, rendered.labels, rendered.parameters, normalize=normalize)
    torch.manual_seed(0)
    network = small_vgg(_IDENTITIES, 1).eval()
    with initialize_config_module("pdtrain.conf", version_base="1.3"):
        probes = build_probes(compose("probe", []))
    with tempfile.TemporaryDirectory() as folder:
        prober = Prober(stimuli, ResultsStore(folder), max_units=case.units)
        names = [layer.name for layer in prober.prepare(network, probes)][: case.layers]
        prober = Prober(stimuli, ResultsStore(folder), max_units=case.units, layers=names, index_property="luminance")
        prober.prepare(network, probes)
        prober.measure(network, probes, UNTRAINED)
        whole = measure(lambda: prober.measure(network, probes, PRETRAINED))
        parts = dict(prober.seconds_by_probe)
    rest = whole.seconds - sum(parts.values())
    return parts | {"recording and writing": rest, "whole": whole.seconds, "MiB": whole.peak_mib}


def table_of(name: str, sizes: Iterable[int], measured: Callable[[Case], dict[str, float]]) -> Table:
    """One factor: seconds at each size, and the exponent."""
    cases = {size: measured(replace(Case(), **{name: size})) for size in sizes}
    table = Table(title=f"{name} (the others as in {Case()})")
    table.add_column("seconds")
    for size in cases:
        table.add_column(f"{size:,}", justify="right")
    table.add_column("exponent", justify="right")
    for part in next(iter(cases.values())):
        values = [found[part] for found in cases.values()]
        grows = f"{exponent(list(cases), values):.2f}" if min(values) > 0 else ""
        table.add_row(part, *(f"{value:.2f}" if part != "MiB" else f"{value:.0f}" for value in values), grows)
    return table


def main() -> None:
    """Print a table for each factor, or what one large point takes."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--factor", choices=_FACTORS, help="this one only")
    parser.add_argument("--stimuli", type=int, help="a single point of so many, such as 10000")
    given: Any = parser.parse_args()
    console = Console(width=140)
    if given.stimuli:
        console.print(seconds(Case(stimuli=given.stimuli)))
        return
    for name, sizes in _FACTORS.items():
        if given.factor in (None, name):
            console.print(table_of(name, sizes, seconds))


if __name__ == "__main__":
    main()
