"""Time and memory of probing an ImageNet network, beside a plain forward pass: `python scripts/bench_probe.py`.

EfficientNet-Lite0 of timm, 800 rendered stimuli, up to 256 units a layer. Each line is a process of its own, so that
peak resident memory is its own; its ratios are to plain passes that take turns with its probe points, since a machine's
speed may change. A quarter of an hour on 2 cores; `--stimuli 200` is a quick look.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import mean

import torch
from hydra import compose, initialize_config_module
from rich.console import Console
from rich.table import Table

from pdtrain.commands.build import build_probes
from pdtrain.probes.prober import Prober
from pdtrain.results.rows import PRETRAINED, UNTRAINED
from pdtrain.results.store import ResultsStore
from pdtrain.stimuli.sources import objects
from pdtrain.stimuli.stimulus_set import StimulusSet
from pdtrain.training.models import timm_model
from pdtrain.training.published import published_of

_NETWORK = "tf_efficientnet_lite0"
_IDENTITIES = 24
_BATCH = 100
_TURNS = 2
_RUNS = {"default": "default probes", "full": "probes=full"}


def main() -> None:
    """Print one table: the forward pass, and the first and the next probe point with default and with all probes."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--stimuli", type=int, default=800)
    parser.add_argument("--memory", type=float, default=1.0, help="layers.memory_bytes, GiB")
    parser.add_argument("--run", choices=["plain", *_RUNS], help="internal: do one, and print what it took")
    arguments = parser.parse_args()
    if arguments.run:
        print(json.dumps(_measured(arguments.run, arguments.stimuli, arguments.memory)))
        return
    table = Table(title=f"{_NETWORK}, {arguments.stimuli} stimuli of 224 pixels, budget {arguments.memory} GiB")
    for column in (
        "",
        "layers",
        "plain pass, s",
        "prepared, s",
        "first point, s",
        "ratio",
        "next point, s",
        "ratio",
        "peak over plain, GiB",
    ):
        table.add_column(column, justify="right" if column else "left")
    plain = _in_a_process("plain", arguments)["peak_gib"]
    for run, name in _RUNS.items():
        found = _in_a_process(run, arguments)
        ratios = [f"{found[point] / found['plain']:.2f}" for point in ("first", "next")]
        table.add_row(
            name, str(found["layers"] or ""), f"{found['plain']:.1f}", f"{found['prepared']:.1f}",
            f"{found['first']:.1f}", ratios[0], f"{found['next']:.1f}", ratios[1], f"{found['peak_gib'] - plain:.2f}",
        )  # fmt: skip
    Console(width=130).print(table)


def _in_a_process(run: str, arguments: argparse.Namespace) -> dict:
    given = ["--run", run, "--stimuli", str(arguments.stimuli), "--memory", str(arguments.memory)]
    done = subprocess.run([sys.executable, __file__, *given], stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def _measured(run: str, count: int, memory_gib: float) -> dict:
    torch.manual_seed(0)
    network = timm_model(None, 3, name=_NETWORK).eval()
    published = published_of(network)
    assert published is not None
    stimuli = objects(published.preprocessing, count=count, seed=0, identities=_IDENTITIES)
    if run == "plain":
        _seconds_of_forward(network, stimuli)
        return {"peak_gib": _peak_gib()}
    with initialize_config_module("pdtrain.conf", version_base="1.3"):
        probes = build_probes(compose("probe", [f"probes={run}"]))
    with tempfile.TemporaryDirectory() as folder:
        prober = Prober(stimuli, ResultsStore(Path(folder)), memory_bytes=int(memory_gib * 2**30))
        started = time.perf_counter()
        layers = prober.prepare(network, probes)
        prepared = time.perf_counter() - started
        prober.measure(network, probes, UNTRAINED)
        peak_gib = _peak_gib()
        plain = []
        for _ in range(_TURNS):
            plain.append(_seconds_of_forward(network, stimuli))
            prober.measure(network, probes, PRETRAINED)
    first, *following = prober.seconds
    return {
        "layers": len(layers), "prepared": prepared, "plain": mean(plain), "first": first, "next": mean(following),
        "peak_gib": peak_gib,
    }  # fmt: skip


def _peak_gib() -> float:
    """Of this process so far: before a plain pass, whose batches are larger, where it is a probe point's."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def _seconds_of_forward(network: torch.nn.Module, stimuli: StimulusSet) -> float:
    started = time.perf_counter()
    with torch.no_grad():
        for start in range(0, len(stimuli), _BATCH):
            network(stimuli.images[start : start + _BATCH])
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
