"""The global random streams of torch, numpy and Python: read, put back, and left as they were."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch


def random_streams() -> dict[str, Any]:
    """Where all of them are, as tensors and plain values."""
    name, keys, *rest = np.random.get_state(legacy=True)  # noqa: NPY002 (the global stream, which others may use)
    return {
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
        "numpy": [str(name), torch.from_numpy(np.asarray(keys).astype(np.int64)), *rest],
        "python": random.getstate(),
    }


def set_random_streams(streams: dict[str, Any]) -> None:
    """Put them back to where `random_streams` found them."""
    torch.set_rng_state(streams["torch"])
    if len(streams["cuda"]) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all(streams["cuda"])
    name, keys, *rest = streams["numpy"]
    np.random.set_state((name, keys.numpy().astype(np.uint32), *rest))  # noqa: NPY002
    random.setstate(streams["python"])


@contextmanager
def untouched_streams(seed: int | None = None) -> Iterator[None]:
    """Put the streams back afterwards, whatever is drawn; with a seed, draw the same every time.

    Examples
    --------
    >>> import torch
    >>> before = torch.get_rng_state()
    >>> with untouched_streams(seed=1):
    ...     drawn = torch.rand(())
    >>> with untouched_streams(seed=1):
    ...     again = torch.rand(())
    >>> bool(drawn == again), torch.equal(before, torch.get_rng_state())
    (True, True)
    """
    before = random_streams()
    try:
        if seed is not None:
            torch.manual_seed(seed)
            np.random.seed(seed)  # noqa: NPY002
            random.seed(seed)
        yield
    finally:
        set_random_streams(before)
