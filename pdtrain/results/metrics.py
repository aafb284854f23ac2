"""Rows under the names by which loggers show them."""

import math
from collections.abc import Sequence

from pdtrain.results.rows import Row

KEY_PREFIXES = {
    "intrinsic_dimension": "id",
    "unit_information": "info",
    "object_information": "object",
    "discriminability": "discriminability",
    "index": "index",
}


def metrics_of(rows: Sequence[Row]) -> dict[str, float]:
    """Name finite values: `id/<layer>/two_nn`, `info/<layer>/<property>/mean`, `index/<name>`."""
    metrics = {}
    for row in rows:
        parts = [KEY_PREFIXES[row.probe], row.layer]
        if row.probe == "unit_information":
            parts.append(row.property)
        key = "/".join(part for part in [*parts, row.quantity] if part)
        metrics[key] = row.value
        if row.probe == "intrinsic_dimension":
            metrics[f"{key}_std"] = row.standard_deviation
    return {key: value for key, value in metrics.items() if math.isfinite(value)}
