"""Bins of units or properties, and which of them share a stretch, put beside each other."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import pad

from pdtrain.estimators.contingency import bins_of
from pdtrain.estimators.discretization import stretches
from pdtrain.stimuli.stimulus_set import PropertyValues


@dataclass(frozen=True)
class Cut:
    """Bins, and which of them share a stretch.

    Attributes
    ----------
    codes
        Of the bins.
    stretches
        See `pdtrain.estimators.discretization.stretches`.
    labels
        Class of each stimulus, where bins are those within it.
    """

    codes: Int[Tensor, "stimuli columns"]
    stretches: Int[Tensor, "classes columns bins"]
    labels: Int[Tensor, " stimuli"] | None = None

    @classmethod
    def of(
        cls,
        codes: Int[Tensor, "stimuli columns"],
        values: Float[Tensor, "stimuli columns"],
        labels: Int[Tensor, " stimuli"] | None = None,
    ) -> "Cut":
        """From the values that were cut."""
        return cls(codes, stretches(values, codes, bins_of(codes), labels), labels)

    @classmethod
    def beside(cls, cuts: Sequence["Cut"]) -> "Cut":
        """Columns of all, one after another."""
        most = max(cut.stretches.shape[2] for cut in cuts)
        padded = [pad(cut.stretches, (0, most - cut.stretches.shape[2])) for cut in cuts]  # bins that hold no stimuli
        return cls(torch.cat([cut.codes for cut in cuts], 1), torch.cat(padded, 1), cuts[0].labels)

    def repeated(self, times: int) -> "Cut":
        """All columns, so many times."""
        return self if times == 1 else Cut.beside([self] * times)


def cut_from(property: PropertyValues, codes: Int[Tensor, "stimuli columns"]) -> Float[Tensor, "stimuli columns"]:
    """Values of a property that was cut at ranks; of one that was not, the codes themselves."""
    return property.values.view(codes.shape) if property.kind == "continuous" else codes.float()
