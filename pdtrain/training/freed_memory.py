"""Memory that is freed stays with the process, for the next batch."""

import ctypes
import os

_TRIM_THRESHOLD, _MMAP_MAX = -1, -4  # M_TRIM_THRESHOLD and M_MMAP_MAX of mallopt(3)
_CHOSEN_BY = ("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_", "MALLOC_MMAP_MAX_", "MALLOC_TOP_PAD_")


def keep_freed_memory() -> bool:
    """Have the C library keep what is freed; return whether it does.

    glibc gives large blocks back to the system, which clears each page again when it is next asked for: on a CPU that
    takes up to half of a training step (docs/scale.md). Kept, the process holds the most it has ever needed
    until it ends, and some more, since blocks of unlike sizes do not fill each other's gaps. Numbers stay as they are.
    Nothing is done where the environment has chosen (`MALLOC_TRIM_THRESHOLD_` and its like, or `glibc.malloc` among
    `GLIBC_TUNABLES`), nor with other C libraries; an allocator that is preloaded, such as jemalloc, goes its own way.

    Examples
    --------
    >>> from pdtrain.training.freed_memory import keep_freed_memory
    >>> kept = keep_freed_memory()  # before the first network; with glibc it is True
    """
    if not os.environ.keys().isdisjoint(_CHOSEN_BY) or "glibc.malloc" in os.environ.get("GLIBC_TUNABLES", ""):
        return False
    if "CS_GNU_LIBC_VERSION" not in getattr(os, "confstr_names", {}):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    return bool(mallopt(_MMAP_MAX, 0)) and bool(mallopt(_TRIM_THRESHOLD, -1))
