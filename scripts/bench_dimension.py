"""Intrinsic dimension against scikit-dimension and DADApy: `python scripts/bench_dimension.py`.

About 10 minutes on 2 cores, in one process, with the same data and threads for all. DADApy 0.3.4 needs numpy < 2 and
pyarrow numpy >= 2, so it is compared where it is installed, in an environment of its own.
"""

import argparse
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import skdim
import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn

from benchmarking import Measured, exponent, label_sizes, measure
from pdtrain.estimators.dimension import ESTIMATORS, intrinsic_dimension

_FASHION_MNIST = Path("/usr/share/datasets/fashion-mnist/t10k-images-idx3-ubyte.gz")


def main() -> None:
    """Print the comparison and the cost exponents; write the figure of the costs."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--figure", default="docs/bench_dimension.png")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    console = Console(width=130)
    table = Table(title=f"intrinsic dimension, {torch.get_num_threads()} threads, float32 points")
    for column in ("task", "points x features", "peer", "ours, s", "peer, s", "ratio", "ours", "peer", "difference"):
        table.add_column(column, justify="left" if column in ("task", "peer") else "right")
    table.add_column("peak MiB, ours / peer", justify="right")
    for points, features in ((5000, 4096), (2000, 20000)):
        data = rectified(points, features)
        ours = measure(lambda data=data: _two_nn(data), repeats=3)
        for name, peer in _two_nn_peers().items():
            theirs = measure(lambda data=data, peer=peer: peer(data.numpy()), repeats=2)
            _row(table, "TwoNN, exact", data, name, ours, theirs)
    data = rectified(2000, 4096)
    _row(
        table,
        "all estimators, resamplings, scales",
        data,
        "skdim calls *",
        measure(lambda: _full(data)),
        _full_peer(data),
    )
    name, data = activations()
    projected = measure(lambda: _two_nn(data, projected_features=2048), repeats=3)
    _row(table, f"TwoNN, projected; {name}", data, "skdim", projected, measure(lambda: _skdim_two_nn(data.numpy())))
    _row(table, f"TwoNN, projected; {name}", data, "ours, exact", projected, measure(lambda: _two_nn(data)))
    console.print(table)
    console.print("* one call of each kind timed on the whole, times the number of calls; TwoNN's value is compared")
    _costs(console, arguments.figure)


def rectified(points: int, features: int, *, latent: int = 20, seed: int = 0) -> Tensor:
    """Rectified random features of a Gaussian latent, like an untrained layer's responses."""
    generator = torch.Generator().manual_seed(seed)
    weights = torch.randn(latent, features, generator=generator)
    return (torch.randn(points, latent, generator=generator) @ weights).relu()


def activations(points: int = 5000) -> tuple[str, Tensor]:
    """Responses of the second convolution (64 channels of 28 x 28) to Fashion-MNIST where it is installed."""
    from pdtrain.stimuli.objects import render_objects

    if _FASHION_MNIST.exists():
        from pdtrain.training.image_sets import read_idx

        name, images = "conv2 on Fashion-MNIST", read_idx(_FASHION_MNIST)[:points, None]
    else:
        name, images = "conv2 on rendered objects", render_objects(points, pixels=28).images
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(1, 64, 3, padding=1), nn.ReLU(), nn.Conv2d(64, 64, 3, padding=1), nn.ReLU())
    with torch.no_grad():
        return name, network(images.float() / 255).flatten(1)


def _two_nn(points: Tensor, **options: int) -> float:
    return intrinsic_dimension(points, resamplings=0, **options).estimates["two_nn"].dimension


def _skdim_two_nn(points: np.ndarray) -> float:
    return float(skdim.id.TwoNN().fit(points).dimension_)


def _two_nn_peers() -> dict[str, Callable[[np.ndarray], float]]:
    peers: dict[str, Callable[[np.ndarray], float]] = {"skdim": _skdim_two_nn}
    try:
        from dadapy import Data
    except ImportError:
        return peers

    def dadapy_two_nn(points: np.ndarray) -> float:
        data = Data(points, verbose=False, n_jobs=torch.get_num_threads())
        data.compute_distances(maxk=2)
        return float(data.compute_id_2NN(algorithm="base")[0])

    return peers | {"DADApy": dadapy_two_nn}


def _full(points: Tensor) -> float:
    report = intrinsic_dimension(points, estimators=ESTIMATORS, resamplings=20, scales=3)
    return report.estimates["two_nn"].dimension


def _full_peer(points: Tensor) -> Measured:
    """What the same numbers cost in scikit-dimension's own calls: each searches the neighbours anew."""
    data = points.numpy()
    part, parts = data[: int(0.9 * len(data))], [data[:: 2**halving] for halving in (1, 2, 3)]
    ratio_calls: list[Callable[[np.ndarray], object]] = [
        lambda x: skdim.id.TwoNN().fit(x),
        lambda x: skdim.id.TwoNN(discard_fraction=0, method="mle").fit(x),
        lambda x: skdim.id.MLE().fit(x, n_neighbors=20),
        lambda x: skdim.id.GRIDE(multiscale=True, range_max=64).fit(x),
    ]
    single_calls: list[Callable[[np.ndarray], object]] = [
        lambda x: skdim.id.CorrInt().fit(x),
        lambda x: skdim.id.lPCA(ver="ratio", alphaRatio=0.9).fit(x),
        lambda x: skdim.id.lPCA(ver="participation_ratio").fit(x),
    ]
    whole = [measure(lambda call=call: call(data)) for call in [*ratio_calls, *single_calls]]
    seconds = sum(m.seconds for m in whole)
    for call in ratio_calls:
        seconds += 20 * measure(lambda call=call: call(part)).seconds
        seconds += sum(2**h * measure(lambda call=call, x=x: call(x)).seconds for h, x in enumerate(parts, 1))
    return Measured(_skdim_two_nn(data), seconds, max(m.peak_mib for m in whole))


def _row(table: Table, task: str, data: Tensor, peer: str, ours: Measured, theirs: Measured) -> None:
    table.add_row(
        task,
        f"{data.shape[0]:,} x {data.shape[1]:,}",
        peer,
        f"{ours.seconds:.2f}",
        f"{theirs.seconds:.2f}",
        f"{theirs.seconds / ours.seconds:.1f}",
        f"{ours.value:.3f}",
        f"{theirs.value:.3f}",
        f"{ours.value / theirs.value - 1:+.1e}",
        f"{ours.peak_mib:.0f} / {theirs.peak_mib:.0f}",
    )


def _costs(console: Console, figure: str) -> None:
    """Cost of TwoNN and of the full set against the numbers of points and features."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    sizes = {"points (at 2,048 features)": (1000, 2000, 4000, 8000), "features (at 2,000 points)": (1024, 4096, 16384)}
    calls = {"TwoNN": _two_nn, f"all {len(ESTIMATORS)} estimators": _full}
    drawn, grid = plt.subplots(1, 2, figsize=(8, 3), constrained_layout=True)
    for axes, (axis, values) in zip(grid, sizes.items(), strict=True):
        for name, call in calls.items():
            if name != "TwoNN" and axis.startswith("points"):
                values = values[:3]
            data = [rectified(v, 2048) if axis.startswith("points") else rectified(2000, v) for v in values]
            seconds = [measure(lambda call=call, x=x: call(x), repeats=2).seconds for x in data]
            slope = exponent(values, seconds)
            axes.loglog(values, seconds, marker="o", label=f"{name}: exponent {slope:.2f}")
            console.print(f"cost of {name} against {axis}: exponent {slope:.2f}")
        label_sizes(axes, sizes[axis])
        axes.set(xlabel=axis, ylabel="seconds")
        axes.legend(frameon=False, fontsize=8)
    drawn.savefig(figure, dpi=150)


if __name__ == "__main__":
    main()
