"""Results: rows, an append-only, crash-safe store of them, and its readers."""
