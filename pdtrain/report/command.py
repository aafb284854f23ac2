"""`pdtrain-report run_dir=...`: write the report of a run, or the comparison of several, and print its table."""

from pathlib import Path

import hydra
from omegaconf import DictConfig
from rich.console import Console

from pdtrain.command import run_command, run_job
from pdtrain.report.comparison import write_comparison
from pdtrain.report.page import write_report
from pdtrain.report.summary import print_summary
from pdtrain.results.configuration import runs_below


def report(config: DictConfig) -> Path:
    """Write the page of one run, or the comparison of several runs or of a sweep; return its path."""
    given = [config.run_dir] if isinstance(config.run_dir, str) else list(config.run_dir)
    console = Console()
    if len(given) == 1 and len(runs_below(given[0])) < 2:
        page = write_report(given[0])
        print_summary(given[0], console)
        return page
    out = Path(config.out or Path(given[0]) / "report")
    page = write_comparison(given, out, by=config.by)
    console.print(f"comparison: {page}, table: {out}/indices.csv and indices.tex", soft_wrap=True)
    return page


@hydra.main(version_base="1.3", config_path="pkg://pdtrain.conf", config_name="report")
def _launch(config: DictConfig) -> None:
    run_job("pdtrain-report", config, report)


def main() -> None:
    """Run `pdtrain-report`."""
    run_command("pdtrain-report", "report", _launch)


if __name__ == "__main__":
    main()
