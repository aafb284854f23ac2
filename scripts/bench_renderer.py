"""How many rendered objects a second: `python scripts/bench_renderer.py`."""

import time

import torch
from rich.console import Console
from rich.table import Table

from pdtrain.stimuli.objects import render_objects


def main(count: int = 2000, repeats: int = 3) -> None:
    """Print one table: image side against images a second (median of the repeats)."""
    table = Table(title=f"render_objects, {count} images, {torch.get_num_threads()} threads")
    table.add_column("pixels", justify="right")
    table.add_column("images a second", justify="right")
    for pixels in (32, 48, 64, 96, 128):
        seconds = []
        for seed in range(repeats):
            started = time.perf_counter()
            render_objects(count, pixels=pixels, seed=seed)
            seconds.append(time.perf_counter() - started)
        table.add_row(str(pixels), f"{count / sorted(seconds)[repeats // 2]:,.0f}")
    Console().print(table)


if __name__ == "__main__":
    main()
