"""What claims are about, drawn: profiles along depth, property by property, and the course over training."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pdtrain.claims.changes import over_training
from pdtrain.claims.declared import Claims, Quantity, Time
from pdtrain.claims.groups import Group
from pdtrain.claims.profiles import MeasuredRun
from pdtrain.estimators.nested_means import nested_mean
from pdtrain.report.style import TRAINED, UNTRAINED

_DRAWN = {"dimension": "intrinsic dimension", "information": "information in receptive field\n(share of entropy)"}
_ENDS: tuple[tuple[Time, str], ...] = (("untrained", UNTRAINED), ("trained", TRAINED))
_PLACES = (("peak", "--"), ("last", "-"))
_UNTRAINED_AT = 0.5  # where step 0 stands on a logarithmic axis
_STEPS = (1, 10, 100, 1_000, 10_000, 100_000)


def profiles(group: Group, claims: Claims, title: str) -> Figure:
    """Dimension and information against depth, untrained and trained: means over seeds, with the nested interval."""
    figure, drawn = plt.subplots(1, len(_DRAWN), figsize=(8.0, 3.2), sharex=True)
    for axes, (name, label) in zip(drawn, _DRAWN.items(), strict=True):
        _profile(axes, group, claims.quantities[name])
        axes.set(xlabel="relative depth", ylabel=label)
    drawn[0].legend(frameon=False)
    figure.suptitle(f"{title}, {_seeds(group)}")
    return figure


def by_property(group: Group, claims: Claims, title: str) -> Figure:
    """Information about each property against depth, as `profiles`, each on an axis of its own."""
    of = claims.quantities["information"]
    figure, drawn = plt.subplots(
        1, len(of.properties), figsize=(2.4 * len(of.properties), 2.6), sharex=True, squeeze=False
    )
    for axes, name in zip(drawn[0], of.properties, strict=True):
        _profile(axes, group, of.model_copy(update={"properties": [name]}))
        axes.set(xlabel="relative depth", title=name.partition("@")[0].replace("_", " "))
    drawn[0][0].set_ylabel("share of entropy")
    drawn[0][0].legend(frameon=False)
    figure.suptitle(f"{title}, {_seeds(group)}")
    return figure


def has_course(group: Group, claims: Claims) -> bool:
    """Whether the runs were measured between untrained and trained."""
    return not over_training(group, [claims.quantities["dimension"]]).empty


def course(group: Group, claims: Claims, title: str) -> Figure:
    """Dimension and information over training, at the highest and at the last hidden layer, relative to untrained."""
    figure, drawn = plt.subplots(1, len(_DRAWN), figsize=(8.0, 3.2))
    for axes, name in zip(drawn, _DRAWN, strict=True):
        table = over_training(group, [claims.quantities[name]])
        axes.set(xlabel="step", ylabel=f"{name}, percent\nmore than untrained", xscale="log")
        if table.empty:
            continue
        for place, style in _PLACES:
            of_place = table[table["place"] == place]
            if len(of_place) < table["step"].nunique():  # kept at the ends alone
                continue
            steps = of_place["step"].clip(lower=_UNTRAINED_AT).to_numpy(dtype=float)
            mean, low, high = (
                100 * np.expm1(of_place[end].to_numpy(dtype=float)) for end in ("change", "lower", "upper")
            )
            layer = of_place["layer"].iloc[0]
            axes.plot(steps, mean, style, marker="o", ms=3, color=TRAINED, label=f"{place} ({layer})")
            axes.fill_between(steps, low, high, color=TRAINED, alpha=0.25, lw=0)
        ends = table.loc[table["epoch"] == 1, "step"]
        if len(ends):
            axes.axvline(float(ends.min()), color=UNTRAINED, lw=1, ls=":", label="end of the first epoch")
        axes.axhline(0, color=UNTRAINED, lw=1)
        within = [step for step in _STEPS if step <= table["step"].max()]
        axes.set_xticks([_UNTRAINED_AT, *within], ["0", *(f"{step:,}" for step in within)])
        axes.minorticks_off()
        axes.legend(frameon=False, fontsize="small")
    figure.suptitle(f"{title}, {_seeds(group)}")
    return figure


def mean_profile(runs: Sequence[MeasuredRun], of: Quantity, time: Time) -> pd.DataFrame:
    """Mean over runs at each layer, not on a logarithmic scale, with the interval over seeds and stimuli.

    Returns
    -------
    pandas.DataFrame
        Columns layer, depth, mean, lower and upper, of the layers that all runs have a value of.
    """
    found = [run.profile(of.model_copy(update={"scale": "linear"}), time) for run in runs]
    lines = []
    for layer, depth in found[0].layers[["layer", "depth"]].itertuples(index=False) if found else []:
        values = [profile.at(layer) for profile in found]
        if not any(value.missing for value in values):
            halves = np.array([value.half_differences for value in values])
            mean = nested_mean(np.array([value.value for value in values]), halves)
            lines.append((layer, depth, mean.value, mean.lower, mean.upper))
    numbers = ["depth", "mean", "lower", "upper"]
    return pd.DataFrame(lines, columns=["layer", *numbers]).astype(dict.fromkeys(numbers, float))


def _profile(axes: Axes, group: Group, of: Quantity) -> None:
    for time, colour in _ENDS:
        layers = mean_profile(list(group.runs.values()), of, time)
        if of.properties != [""]:
            layers = layers[layers["depth"] > 0]  # a pixel tells all about itself
        axes.plot(layers["depth"], layers["mean"], "o-", ms=4, color=colour, label=time)
        axes.fill_between(layers["depth"], layers["lower"], layers["upper"], color=colour, alpha=0.25, lw=0)
    axes.set_ylim(0, None)


def _seeds(group: Group) -> str:
    return f"{len(group.runs)} seed{'s' if len(group.runs) > 1 else ''}"
