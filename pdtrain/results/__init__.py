"""Results: rows, an append-only, crash-safe store of them, and its readers."""

from pdtrain.results.reader import load

__all__ = ["load"]
