"""What the benchmarks share: time and peak memory of a call, the exponent of a cost, and a table."""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes

_STATM, _PAGE = Path("/proc/self/statm"), 4096


@dataclass(frozen=True)
class Measured:
    """Result of a call, its seconds, and the resident memory it added at its peak, in MiB."""

    value: Any
    seconds: float
    peak_mib: float


def measure(call: Callable[[], Any], *, repeats: int = 1) -> Measured:
    """Run `call` and take its fastest run; memory is sampled every 2 ms (Linux)."""
    best: Measured | None = None
    for _ in range(repeats):
        start, peak, done = _resident(), [_resident()], threading.Event()
        watcher = threading.Thread(target=_watch, args=(peak, done))
        watcher.start()
        try:
            started = time.perf_counter()
            value = call()
            seconds = time.perf_counter() - started
        finally:
            done.set()
            watcher.join()
        if best is None or seconds < best.seconds:
            best = Measured(value, seconds, (peak[0] - start) / 2**20)
    assert best is not None
    return best


def exponent(sizes: Sequence[float], seconds: Sequence[float]) -> float:
    """Slope of log seconds on log size."""
    return float(np.polyfit(np.log(sizes), np.log(seconds), 1)[0])


def label_sizes(axes: Axes, sizes: Sequence[int]) -> None:
    """Mark the measured sizes themselves on a logarithmic axis."""
    axes.minorticks_off()
    axes.set_xticks(sizes, [f"{size:,}" for size in sizes])


def _resident() -> int:
    return int(_STATM.read_text().split()[1]) * _PAGE


def _watch(peak: list[int], done: threading.Event) -> None:
    while not done.wait(0.002):
        peak[0] = max(peak[0], _resident())
