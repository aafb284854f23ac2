"""Properties that units meet, and what the units of some layers tell about them: estimates, errors, notes."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

import torch
from jaxtyping import Float, Int
from torch import Tensor

from pdtrain.estimators.contingency import bins_of
from pdtrain.estimators.discretization import UNDEFINED
from pdtrain.estimators.influence import half_differences_of_information
from pdtrain.estimators.information import InformationTable, UnitInformation
from pdtrain.probes.cut import Cut, cut_from
from pdtrain.probes.information_rows import Told, weights_of_means
from pdtrain.probes.joined_layers import JoinedLayers
from pdtrain.probes.local_codes import FieldCodes
from pdtrain.stimuli.stimulus_set import PropertyValues, StimulusSet

_MOST_VALUES = 2**21  # of local properties that are met at a time, stimuli times units


@dataclass(frozen=True)
class Met:
    """Properties of the stimuli, binned.

    Attributes
    ----------
    names
        Of the properties.
    cut
        A column for each, which all units meet; or, `paired`, for each of them a column for each unit.
    """

    names: Sequence[str]
    cut: Cut
    paired: bool


def shared_met(
    properties: Mapping[str, PropertyValues],
    codes: Mapping[str, Int[Tensor, "stimuli 1"]],
    labels: Int[Tensor, " stimuli"] | None = None,
) -> list[Met]:
    """Properties that all units share, from the bins of each: together as long as they have about as many."""
    found = []
    # a table has as many columns as the property of most bins: beside hundreds of classes eight would cost as much
    for _, group in groupby(codes, key=lambda name: (bins_of(codes[name]) - 1).bit_length()):
        names = list(group)
        values = torch.cat([cut_from(properties[name], codes[name]) for name in names], 1)
        found.append(Met(names, Cut.of(torch.cat([codes[name] for name in names], 1), values, labels), paired=False))
    return found


def local_met(
    layers: JoinedLayers,
    local: Sequence[Mapping[str, FieldCodes]],
    names: Sequence[str],
    cut_of: Callable[[FieldCodes], Cut | None],
) -> Iterator[Met]:
    """Properties that each unit has of its own, in its field, a few at a time."""
    at_once = max(1, _MOST_VALUES // max(1, layers.unit_responses.numel()))
    for start in range(0, len(names), at_once):
        some = names[start : start + at_once]
        cuts = [cut for name in some for of_layer in local if (cut := cut_of(of_layer[name])) is not None]
        yield Met(some, Cut.beside(cuts), paired=True)


def told_by(
    layers: JoinedLayers,
    units: Cut,
    met: Sequence[Met],
    stimuli: StimulusSet,
    *,
    tell: Callable[[Cut, Met], InformationTable],
    note: Callable[[str, str], str],
    estimator: str,
) -> list[list[Told]]:
    """What the units of each layer tell about each property.

    Parameters
    ----------
    layers
        Measured together.
    units
        Bins of the responses of their units.
    met
        What the units meet.
    stimuli
        That were shown.
    tell
        Estimates the information of units, which come as often as there are properties of their own.
    note
        What is said of a property, given its name and how many stimuli it was shown in.
    estimator
        Of all rows.
    """
    found: list[list[Told]] = [[] for _ in layers.responses]
    for properties in met:
        seen = units.repeated(len(properties.names)) if properties.paired else units
        informations = list(_by_property(tell(seen, properties), layers, properties))
        half_differences = _half_differences(seen, properties, informations, stimuli, layers.sizes)
        for place, name in enumerate(properties.names):
            for index, of_layer in enumerate(found):
                information = informations[place][index]
                said = note(name, _shown(properties, place, layers, index))
                notes = "; ".join(filter(None, [said, information.note]))
                of_means = half_differences[place][index]
                response = layers.responses[index]
                of_layer.append(Told(response, layers.first + index, name, information, of_means, notes, estimator))
    return found


def _by_property(table: InformationTable, layers: JoinedLayers, met: Met) -> Iterator[list[UnitInformation]]:
    """Of each property, of each layer."""
    units = sum(layers.sizes)
    for place in range(len(met.names)):
        if not met.paired:
            yield [table.about(place, of_layer) for of_layer in layers.places]
            continue
        before = place * units
        yield [table.about(0, slice(before + of.start, before + of.stop)) for of in layers.places]


def _half_differences(
    units: Cut, met: Met, found: Sequence[Sequence[UnitInformation]], stimuli: StimulusSet, sizes: Sequence[int]
) -> list[list[Float[Tensor, "splits 2"]]]:
    """Of each property, of each layer: of the mean over units of the information, and of its share of the entropy."""
    weights = [[weights_of_means(information) for information in of_property] for of_property in found]
    if met.paired:
        summed = torch.cat([torch.cat(of_property) for of_property in weights])[:, None]
    else:  # of one entropy, so that the share of it goes along
        summed = torch.stack([torch.cat(of_property) for of_property in weights], 1)[..., :1]
    half_differences = half_differences_of_information(
        units.codes, met.cut.codes, summed, stimuli.halves, units.labels,
        stretched=(units.stretches, met.cut.stretches), paired=met.paired,
        groups=[*sizes] * (len(met.names) if met.paired else 1),
    )  # fmt: skip
    if met.paired:
        in_order = iter(half_differences[:, :, 0])
        return [[next(in_order) for _ in of_property] for of_property in weights]
    return [
        [_with_share(half_differences[layer, :, place], of_layer) for layer, of_layer in enumerate(of_property)]
        for place, of_property in enumerate(weights)
    ]


def _with_share(
    half_differences: Float[Tensor, "splits 1"], weights: Float[Tensor, "units 2"]
) -> Float[Tensor, "splits 2"]:
    most = weights.amax(0)
    return torch.cat([half_differences, half_differences * (most[1] / most[0]).nan_to_num(0, 0, 0)], 1)


def _shown(met: Met, place: int, layers: JoinedLayers, index: int) -> str:
    """In how many of the stimuli a property is known: to the units of a layer, where each has its own."""
    codes = met.cut.codes
    if met.paired:
        of_layer, before = layers.places[index], place * sum(layers.sizes)
        codes = codes[:, before + of_layer.start : before + of_layer.stop]
    else:
        codes = codes[:, place : place + 1]
    known = (codes != UNDEFINED).sum(0)
    fewest, most, count = int(known.min()), int(known.max()), len(codes)
    if fewest == count:
        return f"{count} stimuli"
    return f"{fewest} of {count} stimuli" if fewest == most else f"{fewest} to {most} of {count} stimuli"
