"""The page of claims: a verdict on each, what it rests on, and the two profiles that it is about."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from pdtrain.claims.changes import changes_of_training, over_training
from pdtrain.claims.contrasts import Contrast
from pdtrain.claims.declared import MAIN, Claims, Quantity, Time
from pdtrain.claims.groups import Group
from pdtrain.claims.profiles import MeasuredRun
from pdtrain.claims.together import Together
from pdtrain.claims.verdicts import DataSetVerdicts, judge
from pdtrain.estimators.nested_means import nested_mean
from pdtrain.report.csv_tables import write_csv
from pdtrain.report.figure_files import save_figure
from pdtrain.report.page import data_uri, write_page
from pdtrain.report.style import TRAINED, UNTRAINED
from pdtrain.results.run_folder import TRAINING

CLAIMS, CHANGES, OVER_TRAINING = "claims.csv", "changes_of_training.csv", "over_training.csv"
_DRAWN = {"dimension": "intrinsic dimension", "information": "information in the receptive field\n(share of entropy)"}
_ENDS: tuple[tuple[Time, str], ...] = (("untrained", UNTRAINED), ("trained", TRAINED))


def write_claims(
    folders: Sequence[str | Path], out: str | Path, claims: Claims, *, probe_set: str = TRAINING
) -> tuple[Path, list[DataSetVerdicts]]:
    """Write `out`/claims.html, its figures and its tables; return the page's path and the verdicts.

    `claims.csv` has a line for each part of each claim; `changes_of_training.csv` what training changes in each
    property at each layer, with Holm's correction over them; `over_training.csv` the last hidden layer at each point.

    Raises
    ------
    InputError
        If no run is one that the claims are about.
    """
    folder = Path(out)
    judged = judge(folders, claims, probe_set=probe_set)
    table = pd.DataFrame([line for of in judged for line in _lines(of)])
    write_csv(table, folder / CLAIMS)
    of_information = [claims.quantities[name] for name in claims.quantities if name.startswith("information")]
    changes = pd.concat(
        [changes_of_training(of.groups[MAIN], of_information).assign(data_set=of.data_set) for of in judged]
    )
    write_csv(changes, folder / CHANGES)
    course = pd.concat(
        [over_training(of.groups[MAIN], list(claims.quantities.values())).assign(data_set=of.data_set) for of in judged]
    )
    write_csv(course, folder / OVER_TRAINING)
    figures = {
        of.data_set: save_figure(profiles(of.groups[MAIN], claims, of.data_set), folder, f"profiles_{place}")
        for place, of in enumerate(judged)
        if of.groups[MAIN].runs
    }
    left_out = {run: why for of in judged for group in of.groups.values() for run, why in group.left_out.items()}
    page = write_page(
        folder / "claims.html",
        template="claims.html",
        title="What is claimed, and what is shown",
        caveats=[f"{run}: left out. {why}" for run, why in left_out.items()],
        figures={name: data_uri(svg) for name, svg in figures.items()},
        judged=judged,
        level=claims.level,
    )
    return page, judged


def _lines(of: DataSetVerdicts) -> Iterator[dict[str, object]]:
    for verdict in of.verdicts:
        told = {"data_set": of.data_set, "claim": verdict.name}
        judged = {"verdict": verdict.verdict, "why": verdict.why, "p_value": verdict.p_value}
        for name, found in verdict.measured():
            yield told | judged | _line(name, found)
        for name, found in verdict.beside.items():
            yield told | dict.fromkeys(judged) | _line(f"{name} (beside)", found)


def _line(name: str, found: Contrast | Together) -> dict[str, object]:
    effect, said = found.effect, found.part if isinstance(found, Contrast) else found.correlation
    side = "above" if said.sign > 0 else "below"
    return {
        "part": name,
        "claimed": f"{side} {said.threshold:g}",
        "effect": effect.value,
        "lower": effect.lower,
        "upper": effect.upper,
        "standardised": effect.standardised,
        "seeds": effect.seeds,
        "p_for": found.p_for,
        "p_against": found.p_against,
        "between_seeds": found.between if isinstance(found, Together) else float("nan"),
        "notes": "; ".join(found.notes),
    }


def profiles(group: Group, claims: Claims, title: str) -> Figure:
    """Dimension and information against depth, untrained and trained: means over seeds, with the nested interval."""
    figure, drawn = plt.subplots(1, len(_DRAWN), figsize=(8.0, 3.2))
    for axes, (name, label) in zip(drawn, _DRAWN.items(), strict=True):
        of = claims.quantities[name]
        for time, colour in _ENDS:
            layers = mean_profile(list(group.runs.values()), of, time)
            if of.properties != [""]:
                layers = layers[layers["depth"] > 0]  # a pixel tells all about itself
            axes.plot(layers["depth"], layers["mean"], "o-", ms=4, color=colour, label=time)
            axes.fill_between(layers["depth"], layers["lower"], layers["upper"], color=colour, alpha=0.25, lw=0)
        axes.set(xlabel="relative depth", ylabel=label, ylim=(0, None))
    drawn[0].legend(frameon=False)
    figure.suptitle(f"{title}, {len(group.runs)} seed{'s' if len(group.runs) > 1 else ''}")
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
