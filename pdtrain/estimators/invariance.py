"""Object information that survives changes of view, in single units and in populations (Tafazoli et al. 2017)."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from pdtrain.estimators.contingency import bins_first, joint_counts, response_entropy
from pdtrain.estimators.corrections import corrected_information
from pdtrain.estimators.discretization import discretize
from pdtrain.estimators.finite import refuse_non_finite
from pdtrain.estimators.object_influence import half_differences_of_objects
from pdtrain.estimators.permutation import permutation_law
from pdtrain.estimators.significance import wilson_interval

MOST_PAIRS = 500  # of objects; more are sampled
FEWEST_VIEWS = 12  # of an object; with fewer, units that rarely fire and tell nothing get more than 0.012 bit
_VIEWS_PER_BIN = 2.5  # of an object; with fewer, other units that tell nothing do


@dataclass(frozen=True)
class ObjectInformation:
    """Information of every unit about pairs of objects.

    Attributes
    ----------
    pairs
        Labels of the two objects, one tuple per pair.
    bins
        Bins of the response: as many as were asked for, or as the views of an object allow.
    possible_pairs
        How many pairs there are; `pairs` are a sample of them where they are fewer.
    total_bits
        About the stimulus, each view of each object its own condition, shape (units, pairs).
    view_invariant_bits
        About which object it is, whatever the view, bias-corrected, shape (units, pairs); NaN if an object has fewer
        than `FEWEST_VIEWS` views, or two and a half per bin.
    ratio
        Their quotient, 0 where the total is 0, shape (units, pairs).
    silent
        No variance over the stimuli, shape (units,).
    half_differences
        Where `halves` were given: of the means over pairs and units of total, view-invariant information and ratio,
        over all units that have a value, and over those that are not silent.
    """

    pairs: list[tuple[int, int]]
    bins: int
    possible_pairs: int
    total_bits: Float[Tensor, "units pairs"]
    view_invariant_bits: Float[Tensor, "units pairs"]
    ratio: Float[Tensor, "units pairs"]
    silent: Bool[Tensor, " units"]
    half_differences: Float[Tensor, "splits 3 2"] | None = None


def object_information(
    responses: Float[Tensor, "stimuli units"],
    objects: Int[Tensor, " stimuli"],
    *,
    bins: int = 8,
    most_pairs: int = MOST_PAIRS,
    seed: int = 0,
    halves: Bool[Tensor, "splits stimuli"] | None = None,
    cut: Callable[[int], Int[Tensor, "stimuli units"]] | None = None,
    memory_bytes: int = 2**27,
) -> ObjectInformation:
    """Total and view-invariant information of every unit about pairs of objects.

    A network's unit answers a stimulus always alike, and each stimulus is one view: what the unit says in total is
    then the entropy of its binned response over the views of the two objects.

    Parameters
    ----------
    responses
        Raw responses, shape (stimuli, units).
    objects
        Object of each stimulus, shape (stimuli,).
    bins
        Of the responses to all stimuli (`discretize`); fewer where the median object has less than two and a half views
        for each.
    most_pairs, seed
        All pairs are taken if there are no more; else so many, drawn at random.
    halves
        Halvings of the stimuli (`half_samples`), for the half differences of means.
    cut
        Gives so many bins of the responses, where others need them too; None cuts them here.
    memory_bytes
        Bound on the working memory.

    Raises
    ------
    ValueError
        If there are fewer than two objects, or a response is not finite (it names stimulus and unit).

    Examples
    --------
    >>> import torch
    >>> objects, views = torch.arange(80) % 2, torch.arange(80.0) // 2
    >>> found = object_information(torch.stack([objects.float(), views], 1), objects)  # a unit for each
    >>> [round(bits, 2) for bits in found.total_bits[:, 0].tolist()]
    [1.0, 3.0]
    >>> [round(bits, 1) for bits in found.view_invariant_bits[:, 0].tolist()]  # views fall more evenly than by chance
    [1.0, -0.1]
    """
    labels, objects = objects.unique(return_inverse=True)
    if len(labels) < 2:
        raise ValueError(f"object information needs at least 2 objects; got {len(labels)}")
    refuse_non_finite(responses)
    bins = possible_bins(objects, bins)
    pairs, possible = _pairs(len(labels), most_pairs, seed)
    codes = discretize(responses, bins) if cut is None else cut(bins)
    per_object = bins_first(joint_counts(codes, objects[:, None])[:, 0])
    step = max(1, memory_bytes // (8 * 2 * 40 * per_object[:, 0].numel()))  # some forty float64 values per cell
    fewest = max(FEWEST_VIEWS, int(_VIEWS_PER_BIN * bins))
    found = [_of_pairs(per_object[:, part.T], fewest) for part in pairs.split(step)]
    total, invariant = (torch.cat(parts).T.contiguous() for parts in zip(*found, strict=True))
    ratio = torch.where((total > 0) | invariant.isnan(), invariant / total.clamp_min(1e-12), 0.0)
    named = [(int(a), int(b)) for a, b in labels[pairs].tolist()]
    silent = (responses == responses[:1]).all(0)
    half_differences = None
    if halves is not None:
        known = torch.stack([~of.isnan().all(1) for of in (total, invariant, ratio)], 1)
        kept = torch.stack([known, known & ~silent[:, None]], 2).double()
        weights = kept / kept.sum(0).clamp_min(1)
        half_differences = half_differences_of_objects(
            codes, objects, pairs, weights, halves, fewest_views=fewest, seed=seed, memory_bytes=memory_bytes
        )
    return ObjectInformation(named, bins, possible, total, invariant, ratio, silent, half_differences)


def possible_bins(objects: Int[Tensor, " stimuli"], bins: int) -> int:
    """As many bins of the response as were asked for, or as the views of the median object allow.

    Examples
    --------
    >>> import torch
    >>> possible_bins(torch.arange(100) % 10, 8)  # ten views each
    4
    """
    views = objects.unique(return_counts=True)[1]
    return max(2, min(bins, int(views.median() / _VIEWS_PER_BIN)))


def _pairs(objects: int, most: int, seed: int) -> tuple[Int[Tensor, "pairs 2"], int]:
    """Pairs of objects, all or a random sample of them in order, and how many there are."""
    every = torch.combinations(torch.arange(objects), 2)
    if len(every) <= most:
        return every, len(every)
    return every[torch.randperm(len(every), generator=torch.Generator().manual_seed(seed))[:most].sort().values], len(
        every
    )


def _of_pairs(planes: Float[Tensor, "bins two pairs units"], fewest_views: int) -> tuple[Tensor, Tensor]:
    """Total and view-invariant information, shape (pairs, units)."""
    tables = planes.permute(2, 3, 0, 1)
    total = response_entropy(tables)
    invariant = torch.where(total > 0, corrected_information(tables, permutation_law(tables)), 0.0)
    return total, invariant.masked_fill(tables.sum(-2).amin(-1) < fewest_views, torch.nan)


@dataclass(frozen=True)
class Discriminability:
    """How well a linear classifier tells objects apart on views it was not trained on.

    Attributes
    ----------
    accuracy, lower, upper
        Share of held-out stimuli classified rightly, and its 95% interval (Wilson).
    fold_accuracies
        The same for each held-out part.
    chance
        One over the number of objects: what a classifier without preference comes to.
    stimuli
        Number of stimuli.
    right
        Whether each stimulus was classified rightly when it was held out, shape (stimuli,).
    """

    accuracy: float
    lower: float
    upper: float
    fold_accuracies: tuple[float, ...]
    chance: float
    stimuli: int
    right: Bool[Tensor, " stimuli"]


def linear_discriminability(
    responses: Float[Tensor, "stimuli units"],
    objects: Int[Tensor, " stimuli"],
    held_out: Int[Tensor, " stimuli"],
) -> Discriminability:
    """Accuracy of a ridge classifier (scikit-learn) on object identity, each part of the views held out in turn.

    Objects weigh the same in training, however many of their views are held out: otherwise the classifier prefers those
    that the held-out part has few of, and responses that tell nothing are classified worse than by chance.

    Parameters
    ----------
    responses
        Population responses, standardised within the training part.
    objects
        Object of each stimulus.
    held_out
        Part of each stimulus: a range of a transformation, or random (`folds_of`, `random_parts`).

    Raises
    ------
    ValueError
        If there are fewer than two parts or objects.

    Examples
    --------
    >>> import torch
    >>> objects, views = torch.arange(80) % 2, torch.arange(80.0) // 2
    >>> responses = torch.stack([objects + 0.01 * views, views], 1)
    >>> found = linear_discriminability(responses, objects, folds_of(views, 4))
    >>> found.accuracy, found.chance
    (1.0, 0.5)
    """
    from sklearn.linear_model import RidgeClassifierCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    parts = held_out.unique()
    if len(parts) < 2 or len(objects.unique()) < 2:
        raise ValueError("discriminability needs at least 2 objects and 2 parts to hold out")
    x, y = responses.double().cpu().numpy(), objects.cpu().numpy()
    right, accuracies = np.zeros(len(y), dtype=bool), []
    for part in parts:
        test = (held_out == part).cpu().numpy()
        ridge = RidgeClassifierCV(alphas=np.logspace(-1, 5, 7), class_weight="balanced")
        classifier = make_pipeline(StandardScaler(), ridge)
        hits = classifier.fit(x[~test], y[~test]).predict(x[test]) == y[test]
        right[test] = hits
        accuracies.append(float(hits.mean()))
    lower, upper = wilson_interval(int(right.sum()), len(y))
    chance = 1 / len(objects.unique())  # of predictions without preference, as the weights make them
    accuracy = float(right.mean())
    return Discriminability(accuracy, lower, upper, tuple(accuracies), chance, len(y), torch.from_numpy(right))


def folds_of(parameter: Float[Tensor, " stimuli"], folds: int) -> Int[Tensor, " stimuli"]:
    """Cut the range of a transformation in `folds` equally populated parts, each to be held out in turn.

    Equal values lie in the same part. Where many are equal, the distinct values are shared out evenly instead; of fewer
    values than `folds` each is a part.

    Examples
    --------
    >>> import torch
    >>> folds_of(torch.tensor([0.5, 0.1, 0.9, 0.2, 0.8, 0.6]), 3).tolist()
    [1, 0, 2, 0, 2, 1]
    """
    ordered = parameter.sort().values
    parts = torch.searchsorted(ordered, parameter) * folds // len(parameter)
    distinct, codes = parameter.unique(return_inverse=True)
    possible = min(folds, len(distinct))
    if len(parts.unique()) < possible:
        parts = codes * possible // len(distinct)
    return parts.unique(return_inverse=True)[1]


def random_parts(objects: Int[Tensor, " stimuli"], parts: int, generator: torch.Generator) -> Int[Tensor, " stimuli"]:
    """Deal the views of each object out to `parts` at random, as evenly as their number allows.

    Examples
    --------
    >>> import torch
    >>> objects = torch.tensor([0, 0, 0, 0, 1, 1])
    >>> parts = random_parts(objects, 2, torch.Generator().manual_seed(0))
    >>> parts[objects == 0].sort().values.tolist(), parts[objects == 1].sort().values.tolist()
    ([0, 0, 1, 1], [0, 1])
    """
    shuffled = torch.randperm(len(objects), generator=generator)
    by_object = shuffled[objects.cpu()[shuffled].argsort(stable=True)]
    dealt = torch.empty(len(objects), dtype=torch.int64)
    dealt[by_object] = torch.arange(len(objects)) % parts
    return dealt
