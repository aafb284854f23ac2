"""What a configuration names by `_target_`."""

from collections.abc import Iterator
from typing import Any


def targets_in(node: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    """All targets at any depth, each with the key of its node."""
    if isinstance(node, dict):
        if "_target_" in node:
            yield key, node["_target_"]
        for name, value in node.items():
            yield from targets_in(value, f"{key}.{name}" if key else str(name))
    elif isinstance(node, list):
        for index, value in enumerate(node):
            yield from targets_in(value, f"{key}.{index}")
