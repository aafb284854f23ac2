"""Information of single units about image properties, over the whole image or the unit's receptive field."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from pdtrain.activations.recorder import LayerResponse
from pdtrain.errors import InputError
from pdtrain.estimators.copula import class_copula_information, copula_information
from pdtrain.estimators.discretization import discretize, discretize_circular
from pdtrain.estimators.information import CORRECTIONS, UnitInformation, unit_information
from pdtrain.estimators.significance import wilson_interval
from pdtrain.results.rows import Measurement, Row, UnitRow
from pdtrain.stimuli.local_properties import LOCAL_PROPERTIES
from pdtrain.stimuli.properties import PROPERTIES
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
    gaussian_copula
        Also give the mean over units of the Gaussian-copula estimate, which needs no bins.
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
        gaussian_copula: bool = False,
        seed: int = 0,
    ) -> None:
        key = "probes.unit_information"
        if correction not in CORRECTIONS:
            raise InputError(f"{key}.correction={correction}: choose from {', '.join(CORRECTIONS)}")
        if bins < 2:
            raise InputError(f"{key}.bins={bins}: at least 2 bins are needed")
        if shuffles < 0 or (correction == "shuffle" and shuffles == 0):
            raise InputError(f"{key}.shuffles={shuffles}: give 0 or more, and more than 0 for correction=shuffle")
        self._whole = [name for name in properties if "@" not in name]
        self._local = [name for name in properties if "@" in name]
        self._bins, self._copula = bins, gaussian_copula
        self._options: dict[str, Any] = {"correction": correction, "shuffles": shuffles, "seed": seed}
        self._local_codes: dict[tuple[str, str], Tensor] = {}  # the same at every probe point
        self.needs_fields = bool(self._local)

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
        shared = [self._codes(stimuli.values(name), name, _period(name)) for name in self._whole]
        rows: list[Row] = []
        unit_rows: list[UnitRow] = []
        for index, response in enumerate(responses):
            units = discretize(response.unit_responses, self._bins)
            found: dict[str, UnitInformation] = {}
            if shared:
                found |= zip(self._whole, unit_information(units, torch.stack(shared, 1), **self._options), strict=True)
            for name in self._local:
                codes = self._local_codes_of(response, stimuli, name)
                found[name] = unit_information(units, codes, paired=True, **self._options)[0]
            for name, information in found.items():
                rows += _summary(index, response, name, information, len(stimuli))
                unit_rows += _units(response, name, information)
            if self._copula:
                rows += [self._copula_row(index, response, stimuli, name) for name in self._whole]
        return Measurement(rows, unit_rows)

    def _codes(self, values: Tensor, name: str, period: float | None) -> Tensor:
        """Bins of a property, of the shape of its values: (stimuli,) or (stimuli, units)."""
        if name == IDENTITY:
            return values.long()
        if period is not None:
            return discretize_circular(values, period, self._bins)
        return discretize(values.view(len(values), -1), self._bins, zero_bin=False).view(values.shape)

    def _local_codes_of(self, response: LayerResponse, stimuli: StimulusSet, name: str) -> Tensor:
        key = (response.layer.name, name)
        if key not in self._local_codes:
            assert response.fields is not None
            values = LOCAL_PROPERTIES[name.partition("@")[0]].measure(stimuli.pixels, response.fields)
            self._local_codes[key] = self._codes(values, name, _period(name))
        return self._local_codes[key]

    def _copula_row(self, index: int, response: LayerResponse, stimuli: StimulusSet, name: str) -> Row:
        values, period = stimuli.values(name), _period(name)
        if name == IDENTITY:
            bits = class_copula_information(response.unit_responses, stimuli.labels)
        elif period is not None:
            angle = 2 * torch.pi * values / period
            bits = copula_information(response.unit_responses, torch.stack([angle.cos(), angle.sin()], 1))
        else:
            bits = copula_information(response.unit_responses, values[:, None])
        layer = response.layer
        return Row(layer.name, index, layer.depth, self.name, "copula_mean", name, float(bits.mean()), n=len(bits))


def _period(name: str) -> float | None:
    """Period of a circular property in the units of its values, or None."""
    base = name.partition("@")[0]
    return PROPERTIES[base].period if base in PROPERTIES else None


def _summary(index: int, response: LayerResponse, name: str, information: UnitInformation, stimuli: int) -> list[Row]:
    bits = information.information_bits
    values = {statistic: float(of(bits)) for statistic, of in STATISTICS.items()}
    values["normalized_mean"] = float(_normalized(information).mean())
    shares = {"informative_fraction": information.informative, "silent_fraction": information.silent}
    intervals = {share: wilson_interval(int(units.sum()), len(units)) for share, units in shares.items()}
    values |= {share: float(units.double().mean()) for share, units in shares.items()}
    error = float(bits.std() / len(bits) ** 0.5) if len(bits) > 1 else float("nan")
    layer = response.layer
    rows = []
    for statistic, value in values.items():
        spread = error if statistic == "mean" else float("nan")
        interval = intervals.get(statistic, (value - 1.96 * spread, value + 1.96 * spread))
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
