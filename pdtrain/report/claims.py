"""The page of claims: a verdict on each, what it rests on, and the two profiles that it is about."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd

from pdtrain.claims.changes import changes_of_training, half_way, over_training
from pdtrain.claims.contrasts import Contrast
from pdtrain.claims.declared import MAIN, Claims
from pdtrain.claims.together import Together
from pdtrain.claims.verdicts import DataSetVerdicts, interval_lies, judge
from pdtrain.report.claims_figures import course, has_course, profiles
from pdtrain.report.csv_tables import write_csv
from pdtrain.report.figure_files import save_figure
from pdtrain.report.page import data_uri, write_page
from pdtrain.results.run_folder import TRAINING

CLAIMS, CHANGES, OVER_TRAINING, HALF_WAY = (
    "claims.csv", "changes_of_training.csv", "over_training.csv", "half_way.csv",
)  # fmt: skip


def write_claims(
    folders: Sequence[str | Path], out: str | Path, claims: Claims, *, probe_set: str = TRAINING
) -> tuple[Path, list[DataSetVerdicts]]:
    """Write `out`/claims.html, its figures and its tables; return the page's path and the verdicts.

    `claims.csv` has a line for each part of each claim; `changes_of_training.csv` what training changes in each
    property at each layer, with Holm's correction over them; `over_training.csv` the highest and the last hidden layer
    at each point, and `half_way.csv` when they have gone half of their way.

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
    for name, over_time in ((OVER_TRAINING, over_training), (HALF_WAY, half_way)):
        of_sets = [(of.data_set, over_time(of.groups[MAIN], list(claims.quantities.values()))) for of in judged]
        write_csv(pd.concat([table.assign(data_set=data_set) for data_set, table in of_sets]), folder / name)
    figures = {
        of.data_set: [
            save_figure(draw(of.groups[MAIN], claims, of.data_set), folder, f"{name}_{place}")
            for name, draw in (("profiles", profiles), ("course", course))
            if name == "profiles" or has_course(of.groups[MAIN], claims)
        ]
        for place, of in enumerate(judged)
        if of.groups[MAIN].runs
    }
    left_out = {run: why for of in judged for run, why in of.left_out().items()}
    page = write_page(
        folder / "claims.html",
        template="claims.html",
        title="What is claimed, and what is shown",
        caveats=[f"{run}: left out. {why}" for run, why in left_out.items()],
        figures={name: [data_uri(svg) for svg in drawn] for name, drawn in figures.items()},
        judged=judged,
        interval_lies=interval_lies,
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
        "interval_lies": interval_lies(found),
        "standardised": effect.standardised,
        "seeds": effect.seeds,
        "p_for": found.p_for,
        "p_against": found.p_against,
        "between_seeds": found.between if isinstance(found, Together) else float("nan"),
        "notes": "; ".join(found.notes),
    }
