"""Information of single units about image properties, over the whole image or the unit's receptive field."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from pdtrain.activations.recorder import LayerResponse
from pdtrain.errors import InputError
from pdtrain.estimators.information import (
    CORRECTIONS,
    UnitInformation,
    discretize,
    discretize_circular,
    unit_information,
)
from pdtrain.probes.rows import Measurement, Row, UnitRow
from pdtrain.stimuli.properties import LOCAL_PROPERTIES, PROPERTIES
from pdtrain.stimuli.stimulus_set import IDENTITY, StimulusSet

STATISTICS = {
    "mean": lambda v: v.mean(),
    "median": lambda v: v.quantile(0.5),
    "quartile_1": lambda v: v.quantile(0.25),
    "quartile_3": lambda v: v.quantile(0.75),
    "percentile_90": lambda v: v.quantile(0.9),
    "percentile_99": lambda v: v.quantile(0.99),
    "total": lambda v: v.sum(),
}


class InformationProbe:
    """Measures mutual information between unit responses and properties, in bits.

    Parameters
    ----------
    properties
        Names of properties, transformation parameters, "identity", or "<local property>@receptive_field".
    bins
        Equally populated bins of response and property.
    correction
        Bias correction, one of `pdtrain.estimators.information.CORRECTIONS`.
    shuffles
        Shuffles of the stimuli for p-values; 0 takes the chi-squared law of the G-test.
    seed
        Seed of the shuffles.
    """

    name = "unit_information"

    def __init__(
        self,
        properties: Sequence[str],
        *,
        bins: int = 8,
        correction: str = "panzeri_treves",
        shuffles: int = 0,
        seed: int = 0,
    ) -> None:
        if correction not in CORRECTIONS:
            raise InputError(f"probes.unit_information.correction={correction}: choose from {', '.join(CORRECTIONS)}")
        if bins < 2:
            raise InputError(f"probes.unit_information.bins={bins}: at least 2 bins are needed")
        self._whole = [name for name in properties if "@" not in name]
        self._local = [name for name in properties if "@" in name]
        self._bins = bins
        self._options: dict[str, Any] = {"correction": correction, "shuffles": shuffles, "seed": seed}

    def check(self, stimuli: StimulusSet) -> None:
        """Raise InputError for unknown properties or too few stimuli."""
        stimuli.check_properties([*self._whole, *self._local])
        if len(stimuli) < self._bins**2:
            raise InputError(
                f"stimuli.count={len(stimuli)}: information with {self._bins} bins needs at least "
                f"{self._bins**2} stimuli; raise stimuli.count or lower probes.unit_information.bins"
            )

    def measure(self, responses: Sequence[LayerResponse], stimuli: StimulusSet) -> Measurement:
        """Measure every sampled unit of every layer about every property."""
        codes = torch.stack([self._property_codes(stimuli, name) for name in self._whole], 1) if self._whole else None
        rows: list[Row] = []
        unit_rows: list[UnitRow] = []
        for index, response in enumerate(responses):
            units = discretize(response.unit_responses, self._bins)
            found: dict[str, UnitInformation] = {}
            if codes is not None:
                found |= zip(self._whole, unit_information(units, codes, **self._options), strict=True)
            for name in self._local:
                local = discretize(self._local_values(response, stimuli, name), self._bins, zero_bin=False)
                found[name] = unit_information(units, local, paired=True, **self._options)[0]
            for name, information in found.items():
                rows += _summary(index, response, name, information, len(stimuli))
                unit_rows += _units(response, name, information)
        return Measurement(rows, unit_rows)

    def _property_codes(self, stimuli: StimulusSet, name: str) -> Tensor:
        values = stimuli.values(name)
        if name == IDENTITY:
            return values.long()
        period = PROPERTIES[name].period if name in PROPERTIES else None
        if period is not None:
            return discretize_circular(values, period, self._bins)
        return discretize(values[:, None], self._bins, zero_bin=False)[:, 0]

    def _local_values(self, response: LayerResponse, stimuli: StimulusSet, name: str) -> Tensor:
        height, width = stimuli.pixels.shape[-2:]
        fields = response.layer.fields(response.units, height, width)
        return LOCAL_PROPERTIES[name.partition("@")[0]](stimuli.pixels, fields)


def _summary(index: int, response: LayerResponse, name: str, information: UnitInformation, stimuli: int) -> list[Row]:
    bits = information.information_bits
    values = {statistic: float(of(bits)) for statistic, of in STATISTICS.items()}
    values["normalized_mean"] = float(_normalized(information).mean())
    values["informative_fraction"] = float(information.informative.double().mean())
    values["silent_fraction"] = float(information.silent.double().mean())
    error = float(bits.std() / len(bits) ** 0.5) if len(bits) > 1 else float("nan")
    layer = response.layer
    rows = []
    for statistic, value in values.items():
        spread = error if statistic == "mean" else float("nan")
        interval = (value - 1.96 * spread, value + 1.96 * spread)
        note = f"{stimuli} stimuli"
        rows.append(
            Row(
                layer.name, index, layer.depth, InformationProbe.name, statistic, name,
                value, spread, *interval, n=len(bits), note=note,
            )
        )  # fmt: skip
    return rows


def _units(response: LayerResponse, name: str, information: UnitInformation) -> list[UnitRow]:
    columns = zip(
        response.units.tolist(),
        information.information_bits.tolist(),
        information.plugin_bits.tolist(),
        _normalized(information).tolist(),
        information.p_values.tolist(),
        information.informative.tolist(),
        information.silent.tolist(),
        strict=True,
    )
    return [UnitRow(response.layer.name, unit, name, *values) for unit, *values in columns]


def _normalized(information: UnitInformation) -> Tensor:
    """Share of the property's entropy, I(r; s) / H(s); zero where the property does not vary."""
    entropy = information.entropy_bits
    return torch.where(entropy > 0, information.information_bits / entropy.clamp_min(1e-12), 0.0)
