"""`pdtrain-report run_dir=...`: write the report of a run, and print its table."""

import sys

import hydra
from omegaconf import DictConfig
from rich.console import Console

from pdtrain.errors import InputError
from pdtrain.report.page import write_report
from pdtrain.report.summary import print_summary


@hydra.main(version_base="1.3", config_path="pkg://pdtrain.conf", config_name="report")
def main(config: DictConfig) -> None:
    """Write the page; input errors become one line and exit code 2."""
    try:
        write_report(config.run_dir)
        print_summary(config.run_dir, Console())
    except InputError as error:
        if config.debug:
            raise
        print(f"pdtrain-report: {error}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
