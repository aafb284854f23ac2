"""`pdtrain-report run_dir=...`: write the report of a run, and print its table."""

import hydra
from omegaconf import DictConfig
from rich.console import Console

from pdtrain.command import run_command, run_job
from pdtrain.report.page import write_report
from pdtrain.report.summary import print_summary


def report(config: DictConfig) -> None:
    """Write the page of `config.run_dir` and print its table."""
    write_report(config.run_dir)
    print_summary(config.run_dir, Console())


@hydra.main(version_base="1.3", config_path="pkg://pdtrain.conf", config_name="report")
def _launch(config: DictConfig) -> None:
    run_job("pdtrain-report", config, report)


def main() -> None:
    """Run `pdtrain-report`."""
    run_command("pdtrain-report", "report", _launch)


if __name__ == "__main__":
    main()
