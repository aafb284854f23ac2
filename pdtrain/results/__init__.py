"""Results: rows, an append-only, crash-safe store of them, and its readers."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pdtrain.results.reader import load

__all__ = ["load"]


def __getattr__(name: str) -> object:
    """Import what is asked for, since the commands that read no rows start sooner without pandas."""
    if name == "load":
        from pdtrain.results.reader import load

        return load
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
