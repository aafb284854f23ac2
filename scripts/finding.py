"""Keeps the rows of the finding, and writes docs/finding.md and its figures from them.

python scripts/finding.py keep runs/prune_and_distill runs/prune_and_distill_controls ...   # to docs/finding
python scripts/finding.py write                                                             # docs/finding.md
"""

import argparse
import json
import math
import platform
import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
import pandas as pd

from pdtrain.claims.changes import changes_of_training, over_training
from pdtrain.claims.contrasts import Contrast
from pdtrain.claims.declared import MAIN, Claims, read_claims
from pdtrain.claims.kept_rows import RUNS, keep, restore
from pdtrain.claims.together import Together
from pdtrain.claims.variants import read_robustness
from pdtrain.claims.verdicts import DataSetVerdicts, Verdict, judge
from pdtrain.report.claims import profiles
from pdtrain.report.figure_files import save_figure

_ROOT = Path(__file__).resolve().parents[1]
KEPT = _ROOT / "docs" / "finding"
PAGE = _ROOT / "docs" / "finding.md"
_ROBUSTNESS, _MADE = "robustness.csv", "made.json"
_PACKAGES = ("torch", "torchvision", "pytorch-lightning", "numpy", "scipy", "scikit-dimension")


def keep_all(folders: Sequence[str], table: Path | None) -> None:
    """Keep rows, the table of robustness, and with what they were made."""
    keep(folders, read_claims(), KEPT)
    if table is not None:
        (KEPT / _ROBUSTNESS).write_text(table.read_text())
    made = {"python": platform.python_version(), **{name: version(name) for name in _PACKAGES}}
    (KEPT / _MADE).write_text(json.dumps(made, indent=1) + "\n")


def write(page: Path = PAGE) -> Path:
    """Write the page and its figures from what was kept."""
    claims = read_claims()
    with tempfile.TemporaryDirectory() as folder:
        judged = judge(restore(KEPT, folder), claims)
        data_sets = [_data_set(of, claims, page.parent) for of in judged]
    runs = json.loads((KEPT / RUNS).read_text())
    templates = jinja2.Environment(loader=jinja2.FileSystemLoader(Path(__file__).parent), trim_blocks=False)
    text = templates.get_template("finding.md.jinja").render(
        runs=runs,
        sentences=_sentences(judged[0]),
        verdicts=_verdicts(judged),
        data_sets=data_sets,
        robustness=_robustness(),
        robust_of=read_robustness().data_set,
        controls=_controls(runs),
        left_out={run: why for of in judged for group in of.groups.values() for run, why in group.left_out.items()},
        commands=_commands(),
        made=_made(runs),
    )
    page.write_text(re.sub(r"\n{3,}", "\n\n", text).rstrip() + "\n")
    return page


def _data_set(of: DataSetVerdicts, claims: Claims, folder: Path) -> dict[str, Any]:
    slug = re.sub(r"\W+", "_", of.data_set.lower()).strip("_")
    main = of.groups[MAIN]
    save_figure(profiles(main, claims, of.data_set), folder, f"finding_{slug}")
    (folder / f"finding_{slug}.svg").unlink()
    groups = [f"{len(group.runs)} of {name.replace('_', ' ')}" for name, group in of.groups.items() if group.runs]
    several = len(main.runs) > 1
    return {
        "name": of.data_set,
        "slug": slug,
        "said": f"Runs: {', '.join(groups)}.",
        "parts": _table([line for verdict in of.verdicts for line in _lines(verdict)]),
        "changes": _changes(main, claims) if several else "",
        "course": _course(main, claims) if several else "",
    }


def _verdicts(judged: Sequence[DataSetVerdicts]) -> str:
    """A line for each claim, a column for each data set."""
    lines: dict[str, dict[str, str]] = {}
    for of in judged:
        for verdict in of.verdicts:
            why = f": {verdict.why.replace('_', ' ')}" if verdict.why else ""
            line = lines.setdefault(verdict.name, {"claim": verdict.claim.title})
            line[of.data_set] = f"**{verdict.verdict}**{why}"
    return _table(list(lines.values()))


def _table(lines: Sequence[Mapping[str, str]]) -> str:
    return str(pd.DataFrame(lines).to_markdown(index=False, disable_numparse=True))


def _lines(verdict: Verdict) -> Iterator[dict[str, str]]:
    number = verdict.name.partition("_")[0]
    found: list[tuple[str, Contrast | Together]] = [
        *verdict.measured(),
        *((f"{name} (beside)", contrast) for name, contrast in verdict.beside.items()),
    ]
    for name, of in found:
        effect = of.effect
        said = of.part if isinstance(of, Contrast) else of.correlation
        exploratory = isinstance(of, Contrast) and of.part.exploratory
        yield {
            "claim": number,
            "part": name.replace("_", " ") + (", exploratory" if exploratory else ""),
            "claimed": f"{'above' if said.sign > 0 else 'below'} {said.threshold:g}",
            "effect": _number(effect.value, 3) or "; ".join(of.notes),
            "95% interval": f"{effect.lower:.3f} to {effect.upper:.3f}" if math.isfinite(effect.lower) else "",
            "in SD over seeds": _number(effect.standardised, 1),
            "seeds": str(effect.seeds),
            "p": f"{of.p_for:.2g}" if math.isfinite(of.p_for) else "",
        }


def _number(value: float, digits: int) -> str:
    return f"{value:.{digits}f}" if math.isfinite(value) else ""


def _sentences(of: DataSetVerdicts) -> Iterator[str]:
    """What the first three claims come to, on the first data set."""
    verdicts = list(of.verdicts)[:3]
    for verdict in verdicts:
        decisive = max(verdict.measured(), key=lambda item: abs(item[1].effect.value), default=None)
        effect = ""
        if decisive is not None and math.isfinite(decisive[1].effect.value):
            change = math.expm1(decisive[1].effect.value)
            effect = f" ({decisive[0].replace('_', ' ')}: {change:+.0%})"
        yield f"- **{verdict.verdict.capitalize()}**: {verdict.claim.title}{effect}."


def _changes(main: Any, claims: Claims) -> str:
    of = claims.quantities["information"].model_copy(update={"scale": "linear"})
    table = changes_of_training(main, [of])
    if table.empty:
        return ""
    change = table["difference"] / table["untrained"]
    stars = np.where(table["p_value"] <= claims.level, "**", "")
    cells = stars + change.map("{:+.0%}".format) + stars
    wide = table.assign(cell=cells).pivot(index="property", columns="layer", values="cell")
    layers = list(dict.fromkeys(table.sort_values("depth")["layer"]))
    wide = wide.reindex(index=of.properties, columns=layers).fillna("")
    wide.index = [name.removesuffix("@receptive_field").replace("_", " ") for name in wide.index]
    return str(wide.to_markdown())


def _course(main: Any, claims: Claims) -> str:
    names = ("dimension", "information")
    table = over_training(main, [claims.quantities[name] for name in names])
    if table.empty:
        return ""
    cells = table.apply(_percent, axis=1)
    what = np.where(table["quantity"] == claims.quantities[names[0]].quantity, *names)
    wide = (
        table.assign(cell=cells, what=what).pivot(index=["epoch", "step"], columns="what", values="cell").reset_index()
    )
    return str(wide[["epoch", "step", *names]].to_markdown(index=False))


def _percent(line: pd.Series) -> str:
    if line["step"] == 0:
        return "0"
    return f"{math.expm1(line['change']):+.0%} ({math.expm1(line['lower']):+.0%} to {math.expm1(line['upper']):+.0%})"


def _robustness() -> str:
    path = KEPT / _ROBUSTNESS
    if not path.is_file():
        return ""
    table = pd.read_csv(path)
    table["part"] = table["part"].astype(str).str.replace("_", " ")
    table["interval"] = [f"{low:.2f} to {high:.2f}" for low, high in zip(table["lower"], table["upper"], strict=True)]
    shown = table[["variant", "part", "effect", "interval", "seeds", "verdict"]]
    return str(shown.to_markdown(index=False, floatfmt=".2f"))


def _controls(runs: Sequence[Mapping[str, Any]]) -> str:
    """Accuracies of each experiment, over its seeds."""
    lines = []
    for run in runs:
        experiment = run["keys"].get("experiment", "")
        lines += [{"experiment": experiment, "metric": name, "value": value} for name, value in run["metrics"].items()]
    if not lines:
        return ""
    table = pd.DataFrame(lines).pivot_table(
        index="experiment", columns="metric", values="value", aggfunc=["min", "max"]
    )
    shown = pd.DataFrame(
        {
            name: [
                f"{low:.1%} to {high:.1%}" if low == low else ""
                for low, high in zip(table["min"][name], table["max"][name], strict=True)
            ]
            for name in table["min"]
        },
        index=table.index,
    )
    return f"Accuracies, the lowest and the highest of the seeds:\n\n{shown.to_markdown()}\n"


def _commands() -> str:
    """What the script that makes everything runs."""
    script = (Path(__file__).parent / "make_finding.sh").read_text()
    lines = [line for line in script.splitlines() if re.match(r"(pdtrain-|python |\.venv/bin/)", line)]
    return "\n".join(line.replace(".venv/bin/", "") for line in lines)


def _made(runs: Sequence[Mapping[str, Any]]) -> str:
    made = json.loads((KEPT / _MADE).read_text())
    seconds = [run["seconds"] for run in runs if run["seconds"]]
    versions = ", ".join(f"{name} {number}" for name, number in made.items())
    took = ""
    if seconds:
        hours, median = sum(seconds) / 3600, np.median(seconds)
        took = f"The trainings took {hours:.1f} hours together, {median:.0f} s each in the median. "
    return f"{took}Versions: {versions}."


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    keeping = commands.add_parser("keep", help="keep rows in docs/finding")
    keeping.add_argument("runs", nargs="+", help="runs, or sweeps of runs")
    keeping.add_argument("--table", type=Path, help="what scripts/robustness.py wrote")
    commands.add_parser("write", help="write docs/finding.md")
    arguments = parser.parse_args()
    if arguments.command == "keep":
        keep_all(arguments.runs, arguments.table)
    print(write())
