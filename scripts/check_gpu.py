"""Everything that a GPU should be checked for, in one command: `python scripts/check_gpu.py`.

Estimators, recorder and a probed training on the GPU against the CPU; TwoNN of 20,000 points beside times that torchid
published (on an H100); then the whole test suite, unless `--no-tests`. Ends with 1 if anything differs.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pandas as pd
import torch
from rich.console import Console
from rich.table import Table

from pdtrain.estimators.dimension import intrinsic_dimension
from pdtrain.probes.dimension_probe import DimensionProbe
from pdtrain.probes.information_probe import InformationProbe
from pdtrain.probes.object_probe import ObjectInformationProbe
from pdtrain.probes.prober import Prober
from pdtrain.results.reader import load
from pdtrain.results.rows import UNTRAINED
from pdtrain.results.store import ResultsStore
from pdtrain.stimuli.normalization import Normalization
from pdtrain.stimuli.objects import render_objects
from pdtrain.stimuli.stimulus_set import StimulusSet
from pdtrain.training.models import small_vgg

_KEYS = ["layer", "probe", "quantity", "property"]
_PUBLISHED_MS = {50: 12.9, 1024: 28.4}  # torchid, on an H100
_TOLERANCE = 1e-3  # of a value, or of a bit or dimension where values are small
_OF_TRAINING = [
    "data.training_images=2000", "data.validation_images=800", "stimuli.count=800", "trainer.max_epochs=1",
    "report=false", "logger=csv", "trainer.enable_progress_bar=false",
]  # fmt: skip


def main() -> None:
    """Print one table; end with 1 if a check failed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--no-tests", action="store_true")
    arguments = parser.parse_args()
    if not torch.cuda.is_available():
        sys.exit("check_gpu: no GPU here; nothing was checked")
    table = Table(title=f"{torch.cuda.get_device_name()}, torch {torch.__version__}")
    for column in ("check", "found", ""):
        table.add_column(column)
    checks = [*estimators(), recorder(), training(), *times(), *([] if arguments.no_tests else [suite()])]
    for name, found, right in checks:
        table.add_row(name, found, "ok" if right else "FAILED")
    Console(width=120).print(table)
    sys.exit(not all(right for *_, right in checks))


Check = tuple[str, str, bool]


def estimators() -> list[Check]:
    """Dimensions of the same points on either device."""
    checks = []
    for features in (5, 50, 500):
        points = torch.randn(2000, features, generator=torch.Generator().manual_seed(features))
        names = ["two_nn", "mle", "gride", "participation_ratio", "pc_id"]
        there, here = (intrinsic_dimension(p, estimators=names).estimates for p in (points.cuda(), points))
        worst = max(abs(there[n].dimension - here[n].dimension) / here[n].dimension for n in names)
        checks.append((f"estimators, {features} features", f"largest difference {worst:.1e}", worst < _TOLERANCE))
    return checks


def recorder() -> Check:
    """Rows of one network on either device."""
    rendered = render_objects(800, identities=10, pixels=32)
    stimuli = StimulusSet(rendered.images, rendered.labels, normalize=Normalization(mean=0.5, standard_deviation=0.25))
    properties = ["luminance", "luminance@receptive_field", "identity"]
    probes = [DimensionProbe(), InformationProbe(properties), ObjectInformationProbe()]
    frames = []
    for device in ("cpu", "cuda"):
        torch.manual_seed(0)
        network = small_vgg(10, 1).to(device)
        with tempfile.TemporaryDirectory() as folder:
            Prober(stimuli, ResultsStore(folder)).measure(network, probes, UNTRAINED)
            frames.append(load(folder))
    return _same("rows of the recorder", *frames)


def training() -> Check:
    """A probed training on the GPU, its untrained rows against those of the CPU, and its end."""
    with tempfile.TemporaryDirectory() as folder:
        for device in ("cpu", "gpu"):
            command = [sys.executable, "-m", "pdtrain.commands.train", f"hydra.run.dir={folder}/{device}"]
            subprocess.run([*command, f"trainer.accelerator={device}", *_OF_TRAINING], check=True)
        here, there = (load(Path(folder) / device) for device in ("cpu", "gpu"))
    ends = set(there["epoch"]) == {0, 1} and there[there["epoch"] == 1]["value"].notna().any()
    name, found, same = _same("a probed training, untrained", *(f[f["epoch"] == 0] for f in (here, there)))
    return name, found, bool(same and ends)


def _same(name: str, here: pd.DataFrame, there: pd.DataFrame) -> Check:
    one, other = (frame.set_index(_KEYS)["value"] for frame in (here, there))
    if not one.index.equals(other.index):
        return name, "other rows", False
    difference = ((one - other).abs() / one.abs().clip(lower=1)).max()
    return name, f"{len(one)} rows, largest difference {difference:.1e}", bool(difference < _TOLERANCE)


def times() -> list[Check]:
    """TwoNN of 20,000 points, the fastest of five runs; it is no failure to be slower."""
    checks = []
    for features, published in _PUBLISHED_MS.items():
        points = torch.randn(20_000, features, device="cuda", generator=torch.Generator("cuda").manual_seed(0))
        seconds = []
        for _ in range(6):
            torch.cuda.synchronize()
            started = time.perf_counter()
            intrinsic_dimension(points, estimators=["two_nn"], resamplings=0)
            torch.cuda.synchronize()
            seconds.append(time.perf_counter() - started)
        found = f"{1e3 * min(seconds[1:]):.1f} ms (torchid, on an H100: {published} ms)"
        checks.append((f"TwoNN, 20,000 points, {features} features", found, True))
    return checks


def suite() -> Check:
    """The whole test suite, where a GPU is at hand."""
    done = subprocess.run([sys.executable, "-m", "pytest", "-q"], cwd=Path(__file__).parents[1])
    return "test suite", f"pytest ended with {done.returncode}", done.returncode == 0


if __name__ == "__main__":
    main()
