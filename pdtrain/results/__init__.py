"""Results: an append-only, crash-safe store of rows and its readers."""
