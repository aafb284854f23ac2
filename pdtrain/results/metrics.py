"""What loggers show: rows under the names by which they show them, and the metrics that they have kept of a run."""

import json
import math
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from pdtrain.results.rows import Row

EVALUATED_ACCURACY = "train/accuracy_evaluated"
# the training accuracies a run may have, the better first, and what each is
TRAINING_ACCURACIES = {
    EVALUATED_ACCURACY: "the network in evaluation mode on its training images and labels",
    "train/accuracy": "the mean over the last epoch, while the network changed",
}

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


def read_metrics(run_dir: str | Path) -> pd.DataFrame | None:
    """All lines that a run's CSV logger has kept, or else its W&B logger; None if neither has."""
    table, lines = Path(run_dir) / "csv" / "metrics.csv", Path(run_dir) / "wandb_lines.jsonl"
    if table.is_file():
        return pd.read_csv(table)
    if lines.is_file():
        whole = [line for line in lines.read_text().splitlines(keepends=True) if line.endswith("\n")]
        return pd.DataFrame([json.loads(line) for line in whole])
    return None


def last_values(metrics: pd.DataFrame | None) -> dict[str, float]:
    """The last value of each metric that has one."""
    if metrics is None or metrics.empty:
        return {}
    return {str(name): float(value) for name, value in metrics.ffill().iloc[-1].dropna().items()}
