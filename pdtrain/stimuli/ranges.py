"""Ranges that transformations are drawn from, as a configuration gives them."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, ClassVar, TypeVar

from pdtrain.errors import InputError, unknown_name

_Own = TypeVar("_Own", bound="Ranges")


@dataclass(frozen=True)
class Ranges:
    """Base of dataclasses whose fields are one number, or a pair of a smallest and a largest; none is below 0.

    Attributes
    ----------
    at_most
        Largest value of the fields that have one.

    Examples
    --------
    >>> @dataclass(frozen=True)
    ... class Shifts(Ranges):
    ...     position: float = 0.5
    ...     size: tuple[float, float] = (0.5, 1.0)
    >>> Shifts.from_config({"size": [0.2, 0.4]}, key="stimuli.transformations")
    Shifts(position=0.5, size=(0.2, 0.4))
    """

    at_most: ClassVar[Mapping[str, float]] = {}

    @classmethod
    def from_config(cls: type[_Own], ranges: Mapping[str, Any] | None, *, key: str) -> _Own:
        """Build from plain numbers and pairs; `key` is where they stand in the configuration.

        Raises
        ------
        InputError
            For a transformation that does not exist, or a value that is not of its form or outside what is allowed.
        """
        known = {item.name: item.default for item in fields(cls)}
        values: dict[str, Any] = {}
        for name, given in (ranges or {}).items():
            if name not in known:
                raise unknown_name(key, name, known, of="transformation")
            paired = isinstance(known[name], tuple)
            try:
                values[name] = tuple(float(v) for v in given) if paired else float(given)
            except (TypeError, ValueError):
                values[name] = ()
            if values[name] == () or (paired and (len(values[name]) != 2 or values[name][0] > values[name][1])):
                form = "a pair [smallest, largest]" if paired else "one number"
                raise InputError(f"{key}.{name}={given}: give {form}")
            most = cls.at_most.get(name, math.inf)
            if not all(0 <= v <= most and v < math.inf for v in (values[name] if paired else [values[name]])):
                allowed = "0 or more" if most == math.inf else f"from 0 to {most:g}"
                raise InputError(f"{key}.{name}={given}: give {allowed}")
        return cls(**values)
