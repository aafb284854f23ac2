"""Population sparseness: how few of a layer's units answer to each stimulus."""

from dataclasses import dataclass

import torch
from scipy.stats import t as student
from torch import Tensor


@dataclass(frozen=True)
class Sparseness:
    """Population sparseness of a layer, 0 (all units answer alike) to 1 (one unit answers).

    Attributes
    ----------
    mean, standard_error, lower, upper
        Over the stimuli that any unit answers to, with the standard error of the mean and its 95% interval (Student's
        t); NaN where there are too few of them.
    stimuli, silent_stimuli
        How many any unit answers to, and how many none does.
    """

    mean: float
    standard_error: float
    lower: float
    upper: float
    stimuli: int
    silent_stimuli: int


def sparseness_of_each(responses: Tensor) -> Tensor:
    """Sparseness of the response to each stimulus, shape (stimuli,), from responses of shape (stimuli, units).

    (1 - a) / (1 - 1/n), a = (sum |r| / n)^2 / (sum r^2 / n), over n units (Rolls and Tovee 1995; Vinje and Gallant
    2000). Negative responses count by their size. NaN where no unit answers, and of a single unit.

    Examples
    --------
    >>> sparseness_of_each(torch.tensor([[1.0, 1.0, 1.0], [0.0, 2.0, 0.0], [0.0, 0.0, 0.0]])).tolist()
    [0.0, 1.0, nan]
    """
    sizes, units = responses.double().abs(), responses.shape[1]
    # relative to the largest, so that no square is too small or too large for a number
    sizes = sizes / sizes.amax(1, keepdim=True)
    activity = sizes.mean(1).square() / sizes.square().mean(1)
    return (1 - activity) / (1 - 1 / units) if units > 1 else torch.full_like(activity, torch.nan)


def population_sparseness(responses: Tensor) -> Sparseness:
    """Mean sparseness over stimuli, of responses of shape (stimuli, units).

    Examples
    --------
    >>> found = population_sparseness(torch.tensor([[1.0, 1.0, 1.0], [0.0, 2.0, 0.0], [0.0, 0.0, 0.0]]))
    >>> found.mean, found.standard_error, found.stimuli, found.silent_stimuli
    (0.5, 0.5, 2, 1)
    """
    each = sparseness_of_each(responses)
    known = each[~each.isnan()]
    count, silent = len(known), int((responses == 0).all(1).sum())
    mean = float(known.mean()) if count else torch.nan
    error = float(known.std()) / count**0.5 if count > 1 else torch.nan
    reach = float(student.ppf(0.975, count - 1)) * error if count > 1 else torch.nan
    return Sparseness(mean, error, mean - reach, mean + reach, count, silent)
