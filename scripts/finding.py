"""Keeps the rows of the finding, and writes docs/finding.md, its figures and the opening of the README from them.

python scripts/finding.py keep runs/prune_and_distill runs/prune_and_distill_controls ...   # to docs/finding
python scripts/finding.py write                                                             # docs/finding.md
"""

import argparse
import json
import os
import platform
import re
import tempfile
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

import finding_tables as tables
from pdtrain.claims.declared import MAIN, Claims, read_claims
from pdtrain.claims.kept_rows import ROWS, RUNS, keep, restore
from pdtrain.claims.variants import read_robustness
from pdtrain.claims.verdicts import DataSetVerdicts, judge
from pdtrain.report.claims_figures import by_property, course, has_course, profiles
from pdtrain.report.figure_files import save_figure

_ROOT = Path(__file__).resolve().parents[1]
KEPT = _ROOT / "docs" / "finding"
PAGE = _ROOT / "docs" / "finding.md"
README = _ROOT / "README.md"
_OPENING = re.compile(r"(?<=<!-- made by scripts/finding.py -->\n).*?(?=<!-- /made -->)", re.DOTALL)
_ROBUSTNESS, _MADE = "robustness.csv", "made.json"
_PACKAGES = ("pdtrain", "torch", "torchvision", "pytorch-lightning", "hydra-core", "numpy", "scipy", "pandas")


def keep_all(folders: Sequence[str], table: Path | None) -> None:
    """Keep rows, the table of robustness, and with what they were made."""
    keep(folders, read_claims(), KEPT)
    if table is not None:
        (KEPT / _ROBUSTNESS).write_text(table.read_text())
    made = {"python": platform.python_version(), **{name: version(name) for name in _PACKAGES}}
    (KEPT / _MADE).write_text(json.dumps({"cores": os.cpu_count(), "versions": made}, indent=1) + "\n")


def write(page: Path = PAGE) -> Path:
    """Write the page and its figures, in a folder beside it with its name, from what was kept."""
    claims = read_claims()
    figures = page.with_suffix("")
    with tempfile.TemporaryDirectory() as folder:
        judged = judge(restore(KEPT, folder), claims)
        data_sets = [_data_set(of, claims, figures) for of in judged]
        left_out = {str(Path(run).relative_to(folder)): why for of in judged for run, why in of.left_out().items()}
    if judged[0].groups[MAIN].runs:
        _save(profiles(judged[0].groups[MAIN], claims, judged[0].data_set), figures, "opening")
    runs = json.loads((KEPT / RUNS).read_text())
    templates = jinja2.Environment(loader=jinja2.FileSystemLoader(Path(__file__).parent), trim_blocks=False)
    text = templates.get_template("finding.md.jinja").render(
        runs=runs,
        figures=figures.name,
        sentences=tables.sentences(judged[0], claims),
        verdicts=tables.verdicts(judged),
        data_sets=data_sets,
        robustness=_robustness(),
        robust_of=read_robustness().data_set,
        controls=tables.accuracies(runs),
        left_out=left_out,
        commands=_commands(),
        made=_made(runs),
        estimators=_estimators(),
    )
    page.write_text(re.sub(r"\n{3,}", "\n\n", text).rstrip() + "\n")
    return page


def open_readme(page: Path = PAGE, readme: Path = README) -> None:
    """Put the figure and the sentences that the page begins with into the README."""
    readme.write_text(_OPENING.sub(lambda _: opening(page.read_text()), readme.read_text()))


def opening(page: str) -> str:
    """The first figure of a page, and what stands below it, as the README shows them.

    Examples
    --------
    >>> opening("# Title\\n\\n![Figure](finding/opening.png)\\n\\n- **Shown**: it.\\n\\n## Verdicts\\n")
    '![Figure](docs/finding/opening.png)\\n\\n- **Shown**: it.\\n'
    """
    begins = page.index("![")
    return page[begins : page.index("\n## ")].rstrip().replace("](", "](docs/") + "\n"


def _data_set(of: DataSetVerdicts, claims: Claims, figures: Path) -> dict[str, Any]:
    slug = re.sub(r"\W+", "_", of.data_set.lower()).strip("_")
    main = of.groups[MAIN]
    drawn = {"profiles": profiles, "properties": by_property} if main.runs else {}
    if main.runs and has_course(main, claims):
        drawn |= {"course": course}
    for name, draw in drawn.items():
        _save(draw(main, claims, of.data_set), figures, f"{name}_{slug}")
    groups = [f"{len(group.runs)} of {name.replace('_', ' ')}" for name, group in of.groups.items() if group.runs]
    several = len(main.runs) > 1
    return {
        "name": of.data_set,
        "slug": slug,
        "figures": list(drawn),
        "said": f"Runs: {', '.join(groups)}.",
        "parts": tables.parts(of),
        "notes": tables.notes(of),
        "numbers": tables.values(main, claims) if main.runs else "",
        "changes": tables.changes(main, claims) if several else "",
        "course": tables.course(main, claims) if several else "",
        "when": tables.when(main, claims) if several else [],
    }


def _save(figure: Figure, folder: Path, name: str) -> None:
    """As PNG alone: the page has no use for more."""
    save_figure(figure, folder, name)
    (folder / f"{name}.svg").unlink()


def _robustness() -> str:
    path = KEPT / _ROBUSTNESS
    return tables.robustness(pd.read_csv(path)) if path.is_file() else ""


def _commands() -> str:
    """What the script that makes everything runs."""
    script = (Path(__file__).parent / "make_finding.sh").read_text()
    lines = [line for line in script.splitlines() if re.match(r"(export |\w+=|\.venv/bin/)", line)]
    return "\n".join(line.replace(".venv/bin/", "") for line in lines)


def _made(runs: Sequence[Mapping[str, Any]]) -> str:
    made = json.loads((KEPT / _MADE).read_text())
    seconds = [run["seconds"] for run in runs if run["seconds"]]
    versions = ", ".join(f"{name} {number}" for name, number in made["versions"].items())
    took = ""
    if seconds:
        hours, median = sum(seconds) / 3600, np.median(seconds)
        took = (
            f"The {len(seconds)} trainings took {hours:.1f} hours with their probes, all times added up, and "
            f"{median:.0f} s each in the median. "
        )
    return f"{took}Rows were kept on {made['cores']} cores, with {versions}."


def _estimators() -> str:
    """What made the values, as their rows say."""
    names = pd.read_parquet(KEPT / ROWS, columns=["estimator"])["estimator"]
    return "; ".join(sorted(set(names) - {""}))


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
    open_readme()
