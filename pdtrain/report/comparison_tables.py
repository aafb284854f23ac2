"""Tables of a comparison as files: CSV for programs, LaTeX for papers."""

from pathlib import Path

import pandas as pd

from pdtrain.files import written_whole
from pdtrain.report.csv_tables import write_csv

_ESCAPES = str.maketrans(
    {special: rf"\{special}" for special in "&%$#_{}"}
    | {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
)
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
    "runs",
    "with_caveat",
]


def write_table(table: pd.DataFrame, path: Path) -> None:
    """Write what `summarise` gives as `path`.csv, and as a booktabs table, `path`.tex.

    Columns are setting, layer and depth (where there are layers), probe, quantity, property, mean, lower, upper, runs,
    and how many of these have a caveat.
    """
    of_layers = bool((table.layer != "").any())
    shown = table[_COLUMNS] if of_layers else table[_COLUMNS].drop(columns=["layer", "depth"])
    write_csv(shown, path.with_suffix(".csv"))
    with written_whole(path.with_suffix(".tex")) as temporary:
        temporary.write_text(_latex(shown, of_layers=of_layers))


def _latex(table: pd.DataFrame, *, of_layers: bool) -> str:
    """One line per setting, layer and quantity."""
    heading = ["setting", *(["layer"] if of_layers else []), "quantity", "mean", r"95\% interval", "runs"]
    columns = "l" * (len(heading) - 3) + "rrr"
    lines = [rf"\begin{{tabular}}{{{columns}}}", r"\toprule", " & ".join(heading) + r" \\", r"\midrule"]
    digits = ".3g" if of_layers else ".2f"
    for row in table.to_dict("records"):
        name = f"{row['quantity']} ({row['property']})" if row["property"] else row["quantity"]
        interval = f"{row['lower']:{digits}} to {row['upper']:{digits}}" if row["lower"] == row["lower"] else "--"
        layer = [row["layer"]] if of_layers else []
        runs = f"{row['runs']} ({row['with_caveat']} with a caveat)" if row["with_caveat"] else str(row["runs"])
        cells = [row["setting"], *layer, name, f"{row['mean']:{digits}}", interval, runs]
        lines.append(" & ".join(_escaped(cell) for cell in cells) + r" \\")
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", ""])


def _escaped(text: str) -> str:
    return text.translate(_ESCAPES)
