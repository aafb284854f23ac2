"""What stands in the tables of a comparison, and the tables as files: CSV for programs, LaTeX for papers."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from scipy.special import stdtrit

from pdtrain.estimators.lower_bounds import lower_bound_in
from pdtrain.files import written_whole
from pdtrain.report.csv_tables import write_csv

_ESCAPES = str.maketrans(
    {special: rf"\{special}" for special in "&%$#_{}"}
    | {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
)
_CONFIDENCE = 0.95
_ROUNDING = 1e-12  # share of a mean below which what values vary by is none
_COLUMNS = [
    "setting",
    "layer",
    "depth",
    "probe",
    "quantity",
    "property",
    "mean",
    "lower",
    "upper",
    "n",
    "runs",
    "with_caveat",
]


def summarise(rows: pd.DataFrame, *, also: Sequence[str] = ()) -> pd.DataFrame:
    """Mean over seeds of each setting, with its 95% interval by Student's t; NaN for one seed, or where none differs.

    Runs that `rows` give the same `replicate`, such as a seed, count once: their mean is one value.

    Parameters
    ----------
    rows
        With a column setting; without one called replicate every row is its own.
    also
        Columns that tell groups apart besides setting, layer and quantity.

    Returns
    -------
    pandas.DataFrame
        Columns setting, layer, layer_index, depth, probe, quantity, property, mean, lower, upper, n (seeds), runs,
        note: whether one of the values is a lower bound.
    """
    keys = [*also, "setting", "layer", "layer_index", "depth", "probe", "quantity", "property"]
    known = rows.dropna(subset=["value"])
    replicate = known["replicate"] if "replicate" in known else pd.Series(known.index, index=known.index)
    of_seeds = known.groupby([*keys, replicate.rename("replicate")], sort=False, dropna=False)
    seeds = of_seeds.agg(value=("value", "mean"), runs=("value", "size"), note=("note", _lower_bound)).reset_index()
    table = (
        seeds.groupby(keys, sort=False, dropna=False)
        .agg(mean=("value", "mean"), deviation=("value", "std"), n=("value", "size"), runs=("runs", "sum"),
             note=("note", _lower_bound))
        .reset_index()
    )  # fmt: skip
    varies = table["deviation"] > _ROUNDING * table["mean"].abs()
    half = (stdtrit(table["n"] - 1, (1 + _CONFIDENCE) / 2) * table["deviation"] / table["n"] ** 0.5).where(varies)
    table["lower"], table["upper"] = table["mean"] - half, table["mean"] + half
    return table.drop(columns="deviation")


def _lower_bound(notes: pd.Series) -> str:
    return next(filter(None, map(lower_bound_in, notes)), "")


def with_caveats(table: pd.DataFrame, concerned: pd.DataFrame) -> pd.DataFrame:
    """Add a column `with_caveat`: how many runs of a line's setting are among those whose rows are given."""
    runs = concerned.groupby("setting")["run"].nunique()
    return table.assign(with_caveat=table["setting"].map(runs).fillna(0).astype(int))


def write_table(table: pd.DataFrame, path: Path) -> None:
    """Write what `summarise` gives as `path`.csv, and as a booktabs table, `path`.tex.

    Columns are setting, layer and depth (where there are layers), probe, quantity, property, mean, lower, upper, n
    (seeds), runs, and how many of these have a caveat.
    """
    of_layers = bool((table.layer != "").any())
    shown = table[_COLUMNS] if of_layers else table[_COLUMNS].drop(columns=["layer", "depth"])
    write_csv(shown, path.with_suffix(".csv"))
    with written_whole(path.with_suffix(".tex")) as temporary:
        temporary.write_text(_latex(shown, of_layers=of_layers))


def _latex(table: pd.DataFrame, *, of_layers: bool) -> str:
    """One line per setting, layer and quantity."""
    heading = ["setting", *(["layer"] if of_layers else []), "quantity", "mean", r"95\% interval", "n"]
    columns = "l" * (len(heading) - 3) + "rrr"
    lines = [rf"\begin{{tabular}}{{{columns}}}", r"\toprule", " & ".join(heading) + r" \\", r"\midrule"]
    digits = "z.3g" if of_layers else "z.2f"  # no -0.00
    for row in table.to_dict("records"):
        name = f"{row['quantity']} ({row['property']})" if row["property"] else row["quantity"]
        interval = f"{row['lower']:{digits}} to {row['upper']:{digits}}" if row["lower"] == row["lower"] else "--"
        layer = [row["layer"]] if of_layers else []
        runs = f"{row['n']} ({row['with_caveat']} with a caveat)" if row["with_caveat"] else str(row["n"])
        cells = [row["setting"], *layer, name, f"{row['mean']:{digits}}", interval, runs]
        lines.append(" & ".join(_escaped(cell) for cell in cells) + r" \\")
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", ""])


def _escaped(text: str) -> str:
    return text.translate(_ESCAPES)
