"""Refuses responses that are no finite numbers, the same way for every estimator."""

import torch
from jaxtyping import Float
from torch import Tensor


def refuse_non_finite(responses: Float[Tensor, "stimuli units"]) -> None:
    """Raise ValueError that names the first stimulus and unit whose response is NaN or infinite."""
    if bool(torch.isfinite(responses).all()):
        return
    stimulus, unit = (~torch.isfinite(responses)).nonzero()[0].tolist()
    raise ValueError(f"activation of stimulus {stimulus}, unit {unit} is {responses[stimulus, unit].item()}")
