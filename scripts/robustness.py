"""Judges claims again with one factor changed at a time, as conf/robustness.yaml says, and prints one table.

python scripts/robustness.py runs/prune_and_distill runs/prune_and_distill_controls --table robustness.csv

What a variant measures otherwise is measured by pdtrain-probe on the kept checkpoints, untrained and trained, and kept
in a probe set of its own, so that a second call prints at once.
"""

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd
from hydra import compose, initialize_config_module

from pdtrain.claims.declared import MAIN, Claims, read_claims
from pdtrain.claims.groups import groups_of
from pdtrain.claims.variants import Variant, read_robustness, varied
from pdtrain.claims.verdicts import judge
from pdtrain.commands.probe import probe
from pdtrain.report.csv_tables import write_csv
from pdtrain.results.run_folder import TRAINING, RunFolder, point_name
from pdtrain.results.store import ResultsStore


def main(folders: Sequence[str], table: Path | None, variants: Path | None) -> pd.DataFrame:
    """Measure what is missing, judge every variant, and print the table."""
    claims, robustness = read_claims(), read_robustness(variants)
    lines = []
    for name, variant in robustness.variants.items():
        changed = varied(claims, robustness, name)
        measure(folders, changed, variant)
        lines += [{"variant": name, **line} for line in judged(folders, changed, variant)]
    found = pd.DataFrame(lines)
    print(found.to_markdown(index=False, floatfmt=".3f"))
    if table is not None:
        write_csv(found, table)
    return found


def measure(folders: Sequence[str], claims: Claims, variant: Variant) -> None:
    """Probe the first and the last point of each run of a variant."""
    if not variant.probe:
        return
    (groups,) = claims.data_sets.values()
    for run in groups_of(folders, {MAIN: groups[MAIN]})[MAIN].runs.values():
        points = ResultsStore(run.folder).points()
        for point in (points[0], points[-1]):
            checkpoint = RunFolder(run.folder).checkpoints / f"{point_name(point)}.ckpt"
            given = [f"run_dir={run.folder}", f"ckpt_path='{checkpoint.name}'", f"probe_set={variant.probe_set}"]
            overrides = [*given, *variant.probe]
            with initialize_config_module("pdtrain.conf", version_base="1.3"):
                config = compose("probe", overrides)
            probe(config, overrides)


def judged(folders: Sequence[str], claims: Claims, variant: Variant) -> Iterator[dict[str, object]]:
    """A line for each part of each claim."""
    (groups,) = claims.data_sets.values()
    if not groups_of(folders, {MAIN: groups[MAIN]}, probe_set=TRAINING)[MAIN].runs:
        yield {"claim": "", "part": "", "verdict": "no such runs", "why": ""}
        return
    (of,) = judge(folders, claims, probe_set=variant.probe_set)
    for verdict in of.verdicts:
        for part, found in verdict.measured():
            effect = found.effect
            yield {
                "claim": verdict.name, "part": part, "verdict": verdict.verdict, "effect": effect.value,
                "lower": effect.lower, "upper": effect.upper, "seeds": effect.seeds, "why": verdict.why,
            }  # fmt: skip


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", help="runs, or sweeps of runs")
    parser.add_argument("--table", type=Path, help="also write it here, as CSV")
    parser.add_argument("--variants", type=Path, help="a file like conf/robustness.yaml")
    arguments = parser.parse_args()
    main(arguments.runs, arguments.table, arguments.variants)
