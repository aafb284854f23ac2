"""How probes make rows: every value by keyword, with the layer it is of and the measure it is of."""

from collections.abc import Iterable, Sequence
from functools import partial
from itertools import repeat
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from pdtrain.activations.layers import Layer
from pdtrain.activations.recorder import LayerResponse
from pdtrain.estimators.half_samples import interval as student_interval
from pdtrain.estimators.half_samples import standard_error
from pdtrain.results.measures import Measure
from pdtrain.results.rows import Row, UnitRow

_NAN = float("nan")
_HALF_WIDTH = 1.96  # of a 95% interval over units, in standard errors


def layer_row(
    measure: Measure,
    layer: Layer,
    index: int,
    value: float,
    *,
    property: str = "",
    half_differences: Sequence[float] = (),
    standard_deviation: float = _NAN,
    interval: tuple[float, float] = (_NAN, _NAN),
    over_units: tuple[float, float] = (_NAN, _NAN),
    n: int = 0,
    method: str = "exact",
    note: str = "",
    estimator: str = "",
) -> Row:
    """One value of a layer, `index` its place among those probed; the rest as `Row`.

    Standard deviation and interval over the stimuli follow from the half differences, where there are some.
    """
    if len(half_differences):
        standard_deviation = float(standard_error(torch.tensor(half_differences, dtype=torch.float64)))
        interval = student_interval(value, standard_deviation)
    return Row(
        layer=layer.name,
        layer_index=index,
        depth=layer.depth,
        probe=measure.probe,
        quantity=measure.quantity,
        property=property,
        value=value,
        standard_deviation=standard_deviation,
        lower=interval[0],
        upper=interval[1],
        units_lower=over_units[0],
        units_upper=over_units[1],
        half_differences=tuple(half_differences),
        n=n,
        method=method,
        note=note,
        estimator=estimator,
    )


def mean_row(
    measure: Measure, layer: Layer, index: int, values: Float[Tensor, " units"], *, property: str = "", **options: Any
) -> Row:
    """The mean over the units that have a value, with its 95% interval over them; `options` as of `layer_row`."""
    mean, error, count = mean_with_error(values)
    if not count:
        options["note"] = "; ".join(filter(None, [options.get("note", ""), "no unit has a value"]))
        options["half_differences"] = ()
    over_units = (mean - _HALF_WIDTH * error, mean + _HALF_WIDTH * error)
    return layer_row(measure, layer, index, mean, property=property, over_units=over_units, n=count, **options)


def mean_with_error(values: Float[Tensor, " units"]) -> tuple[float, float, int]:
    """Mean over the units that have a value, its standard error, and how many they are; NaN where there are too few."""
    values = values[~values.isnan()].double()
    mean = float(values.mean()) if len(values) else _NAN
    error = float(values.std() / len(values) ** 0.5) if len(values) > 1 else _NAN
    return mean, error, len(values)


def unit_rows(
    measure: Measure,
    response: LayerResponse,
    values: Float[Tensor, " units"],
    *,
    property: str = "",
    estimator: str = "",
    **columns: Float[Tensor, " units"] | Bool[Tensor, " units"],
) -> list[UnitRow]:
    """A value of each sampled unit of a layer; `columns` are further columns of `UnitRow`, one entry a unit."""
    given: dict[str, Iterable[Any]] = {
        "layer": repeat(response.layer.name),
        "unit": response.units.tolist(),
        "probe": repeat(measure.probe),
        "quantity": repeat(measure.quantity),
        "property": repeat(property),
        "value": values.tolist(),
        "estimator": repeat(estimator),
        **{name: column.tolist() for name, column in columns.items()},
    }
    defaults = UnitRow._field_defaults
    in_order = [given[name] if name in given else repeat(defaults[name]) for name in UnitRow._fields]
    make = partial(tuple.__new__, UnitRow)  # as `UnitRow` itself does, in a fraction of the time: there are many
    return list(map(make, zip(*in_order, strict=False)))
