"""`pdtrain-report run_dir=...`: write the report of a run, or the comparison of several, and print its table.

What takes long to import is imported when there is something to draw, so that help and wrong input answer at once.
"""

import gc
from collections.abc import Iterable
from pathlib import Path

import hydra
from omegaconf import DictConfig
from rich.console import Console

from pdtrain.commands.shell import run_command, run_job
from pdtrain.errors import InputError
from pdtrain.report.console import plain_console
from pdtrain.results.configuration import holds_neurons, runs_below
from pdtrain.results.run_folder import PROBED, TRAINING, RunFolder, files_of_rows, usual_set


def report(config: DictConfig) -> Path:
    """Write the page of a run, of recorded neurons, or the comparison of several runs; return its path."""
    given = [config.run_dir] if isinstance(config.run_dir, str) else list(config.run_dir)
    console = plain_console()
    neurons = [folder for folder in given if holds_neurons(folder, probe_set=config.probe_set or PROBED)]
    if neurons:
        return _neurons(config, neurons, [folder for folder in given if folder not in neurons], console)
    probe_set = config.probe_set or usual_set(given[0])
    if config.claims:
        return _claims(config, given, probe_set, console)
    if len(given) == 1 and (run := _only_run(given[0], probe_set)) is not None:
        _refuse(config, ("out", "by"), "one run, whose page lies in its own folder; several are compared")
        from pdtrain.report.page import report_of
        from pdtrain.report.side_by_side import usable_processes
        from pdtrain.report.summary import print_summary

        made = report_of(run, probe_set=probe_set, processes=usable_processes())
        print_summary(run, console, probe_set=probe_set, rows=made.rows, whole=made.whole)
        return made.page
    import pandas as pd

    from pdtrain.report.comparison import CAVEATS, write_comparison

    out = Path(config.out or RunFolder(given[0]).report(probe_set))
    by = config.by if config.by is None or isinstance(config.by, str) else list(config.by)
    page = write_comparison(given, out, by=by, probe_set=probe_set)
    for caveat in pd.read_csv(out / CAVEATS).itertuples():
        console.print(f"{caveat.run}: {caveat.sentence}", style="bold red", highlight=False, markup=False)
    console.print(f"comparison: {page}, tables: {out}/*.csv and *.tex", soft_wrap=True)
    return page


def _refuse(config: DictConfig, keys: Iterable[str], of: str) -> None:
    """Raise InputError for a key that is given and not used of what is reported."""
    for key in keys:
        if config[key] not in (None, False):
            raise InputError(f"{key}={config[key]}: not used of {of}; leave it out")


def _claims(config: DictConfig, given: list[str], probe_set: str, console: Console) -> Path:
    """Judge claims: pdtrain's own, or those of a file."""
    from pdtrain.claims.declared import read_claims
    from pdtrain.report.claims import CLAIMS, write_claims

    _refuse(config, ("by",), "claims, which say themselves what they compare")
    claims = read_claims(None if config.claims is True else config.claims)
    out = Path(config.out or RunFolder(given[0]).report(probe_set))
    page, judged = write_claims(given, out, claims, probe_set=config.probe_set or TRAINING)
    for of in judged:
        console.print(of.data_set, highlight=False, markup=False)
        for run, why in of.left_out().items():
            console.print(f"  {run}: left out. {why}", style="bold red", highlight=False, markup=False)
        for verdict in of.verdicts:
            why = f" ({verdict.why})" if verdict.why else ""
            console.print(f"  {verdict.verdict}: {verdict.claim.title}{why}", highlight=False, markup=False)
    console.print(f"claims: {page}, table: {out / CLAIMS}", soft_wrap=True)
    return page


def _only_run(folder: str, probe_set: str) -> Path | None:
    """The run that a folder is, or the only one it holds; those of scripts of one's own have rows, no configuration."""
    configured = runs_below(folder)
    if configured == [Path(folder)]:
        return configured[0]
    runs = {*configured, *(run for _, run in files_of_rows(folder, "rows", probe_set))} or {Path(folder)}
    return runs.pop() if len(runs) == 1 else None


def _neurons(config: DictConfig, neurons: list[str], runs: list[str], console: Console) -> Path:
    if len(neurons) > 1 or len(runs) > 1:
        raise InputError("run_dir: give one folder of recorded neurons, and at most one run to stand beside them")
    _refuse(config, ("out", "by", "claims"), "recorded neurons, whose page lies in their own folder")
    from pdtrain.report.areas import write_areas

    page = write_areas(neurons[0], probe_set=config.probe_set or PROBED, beside=next(iter(runs), None))
    console.print(f"areas: {page}, table: {page.with_suffix('.csv')}", soft_wrap=True)
    return page


@hydra.main(version_base="1.3", config_path="pkg://pdtrain.conf", config_name="report")
def _launch(config: DictConfig) -> None:
    gc.disable()  # figures are very many objects, and this ends with them
    run_job("pdtrain-report", config, report)


def main() -> None:
    """Run `pdtrain-report`."""
    run_command("pdtrain-report", "report", _launch)


if __name__ == "__main__":
    main()
