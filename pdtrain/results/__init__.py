"""Results: rows, an append-only, crash-safe store of them, and its readers."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pdtrain.results.reader import load, load_metrics

__all__ = ["load", "load_metrics"]


def __getattr__(name: str) -> object:
    """Import what is asked for, since the commands that read no rows start sooner without pandas."""
    if name in __all__:
        return getattr(import_module("pdtrain.results.reader"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
