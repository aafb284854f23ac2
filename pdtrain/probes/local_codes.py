"""Bins of each unit's own property, in its receptive field: the same at every probe point, and kept within a budget.

Many units of a network see the same patch. It is measured once for all layers, however many units see it, and cut in
bins once.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from jaxtyping import Int
from torch import Tensor

from pdtrain.estimators.conditional_information import codes_within
from pdtrain.estimators.discretization import property_codes
from pdtrain.probes.cut import Cut, cut_from
from pdtrain.probes.layer_by_layer import side_by_side
from pdtrain.stimuli.properties import PROPERTIES
from pdtrain.stimuli.receptive_field import ReceptiveFields
from pdtrain.stimuli.stimulus_set import PropertyValues, StimulusSet

_KEPT_BYTES = 256 * 2**20  # at 2 a value: 35 layers of 256 units, no two seeing the same, 1,000 stimuli, 14 properties
_MOST_OF_INT8 = 2**7  # bins
_MOST_VALUES = 2**23  # of a property at a time, stimuli times fields
_PORTION_BYTES = 4 * 2**20  # of intensities, and of what is read of a map in all fields; small maps are quicker


@dataclass(frozen=True)
class FieldCodes:
    """Bins of a property in the fields of units.

    Attributes
    ----------
    overall
        Among all stimuli.
    within
        Among those of a class; None where they are not asked for.
    """

    overall: Cut
    within: Cut | None


class LocalCodes:
    """Measures local properties in the fields of the units of all layers, and cuts them in bins.

    What has been measured is kept for the same stimuli and fields, as far as 256 MiB go, and measured anew beyond.
    Where stimuli times fields are more than 8 million, some of the layers are measured at a time.

    Parameters
    ----------
    bins
        Of each property.
    """

    def __init__(self, bins: int) -> None:
        self._bins = bins
        self._stimuli: StimulusSet | None = None
        self._kept: dict[tuple[str, bytes], _Compact] = {}

    def of(
        self, layers: Sequence[ReceptiveFields], names: Sequence[str], stimuli: StimulusSet, *, within: bool
    ) -> Iterator[dict[str, FieldCodes]]:
        """Bins for the units of one layer after another.

        Parameters
        ----------
        layers
            Fields of the units of each layer.
        names
            Of the properties, such as "luminance@receptive_field".
        stimuli
            What is seen in the fields.
        within
            Whether to cut within the classes too.
        """
        if self._stimuli is not stimuli:
            self._stimuli, self._kept = stimuli, {}
        for group in _groups(layers, len(stimuli)):
            distinct, places = torch.cat(group).unique(dim=0, return_inverse=True)
            codes = self._of_fields(distinct, names, stimuli, within)
            for of_units in places.split([len(corners) for corners in group]):
                yield {name: codes[name].of(of_units) for name in names}

    def _of_fields(
        self, corners: Int[Tensor, "fields 4"], names: Sequence[str], stimuli: StimulusSet, within: bool
    ) -> dict[str, "_Compact"]:
        key = corners.numpy().tobytes()
        found = {name: self._kept[name, key] for name in names if (name, key) in self._kept}
        new = [name for name in names if name not in found]
        tasks = (partial(self._cut, corners, name, stimuli, within) for name in new)
        for name, cut in zip(new, side_by_side(tasks), strict=True):
            found[name] = cut
            if sum(kept.bytes for kept in self._kept.values()) + found[name].bytes <= _KEPT_BYTES:
                self._kept[name, key] = found[name]
        return found

    def _cut(self, corners: Int[Tensor, "fields 4"], name: str, stimuli: StimulusSet, within: bool) -> "_Compact":
        return _Compact.cut(_measured(corners, name, stimuli), self._bins, stimuli.labels if within else None)


@dataclass(frozen=True)
class _Compact:
    """Bins of a property in fields, in codes as narrow as they can be."""

    overall: Cut
    within: Cut | None

    @classmethod
    def cut(cls, property: PropertyValues, bins: int, labels: Tensor | None) -> "_Compact":
        values, kind, period = property.values, property.kind, property.period
        overall = property_codes(values, kind=kind, period=period, bins=bins)
        cut = cls._narrow(property, overall)
        if labels is None:
            return cls(cut, None)
        within = codes_within(values, labels, kind=kind, period=period)
        return cls(cut, cls._narrow(property, within, labels.unique(return_inverse=True)[1]))

    @staticmethod
    def _narrow(property: PropertyValues, codes: Tensor, labels: Tensor | None = None) -> Cut:
        cut = Cut.of(codes, cut_from(property, codes), labels)
        narrow = torch.int8 if cut.stretches.shape[2] <= _MOST_OF_INT8 else torch.int16
        return Cut(codes.to(narrow), cut.stretches.to(narrow), labels)

    @property
    def bytes(self) -> int:
        return sum(cut.codes.nbytes + cut.stretches.nbytes for cut in (self.overall, self.within) if cut is not None)

    def of(self, fields: Int[Tensor, " units"]) -> FieldCodes:
        """Bins for units, each of which has one of the fields."""
        return FieldCodes(_of_units(self.overall, fields), self.within and _of_units(self.within, fields))


def _of_units(cut: Cut, fields: Int[Tensor, " units"]) -> Cut:
    return Cut(cut.codes[:, fields].short(), cut.stretches[:, fields].long(), cut.labels)


def _groups(layers: Sequence[ReceptiveFields], stimuli: int) -> Iterator[list[Int[Tensor, "units 4"]]]:
    """Consecutive layers to measure together: the corners of their units' fields, a row for each unit."""
    group: list[Tensor] = []
    values = 0
    for fields in layers:
        corners = torch.stack([fields.top, fields.bottom, fields.left, fields.right], 1)
        more = stimuli * len(corners.unique(dim=0))
        if group and values + more > _MOST_VALUES:
            yield group
            group, values = [], 0
        group.append(corners)
        values += more
    if group:
        yield group


def _measured(corners: Int[Tensor, "fields 4"], name: str, stimuli: StimulusSet) -> PropertyValues:
    """Values of a local property in fields, of a few stimuli at a time."""
    fields, property = ReceptiveFields(*corners.unbind(1)), PROPERTIES[name.partition("@")[0]]
    assert property.local is not None
    values = torch.empty(len(stimuli), len(corners))
    number = max(1, _PORTION_BYTES // (4 * stimuli.pixels.shape[1:].numel() + 8 * len(corners)))
    start = 0
    for portion in stimuli.portions(number):
        values[start : start + len(portion)] = property.local(portion, fields)
        start += len(portion)
    return PropertyValues(values, property.kind, property.period)
