"""Where everything of a run lies in its folder, and what the files of a probe point are called."""

from collections.abc import Iterator
from pathlib import Path

from pdtrain.results.rows import ProbePoint

TRAINING = "training"  # the probe set that training writes
_CONFIGURATION = "run.yaml"
_RESULTS = "results"


class RunFolder:
    """The folder of a run.

    Parameters
    ----------
    path
        The folder; nothing need be there yet.

    Attributes
    ----------
    configuration, hydra_configuration
        What the run was made from: as the run keeps it, and as Hydra does.
    status
        Whether it is running, finished, failed or preempted.
    stimuli
        Images and properties that a report shows.
    checkpoints
        Folder of what is probed and of what is gone on from.
    metrics, wandb_lines
        Lines of the CSV logger, and of W&B's.
    wandb_id, wandb_files
        The run's id at W&B, and the folder of its offline files.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.configuration = self.path / _CONFIGURATION
        self.hydra_configuration = self.path / ".hydra" / "config.yaml"
        self.status = self.path / "status.json"
        self.stimuli = self.path / "stimuli.npz"
        self.checkpoints = self.path / "checkpoints"
        self.metrics = self.path / "csv" / "metrics.csv"
        self.wandb_lines = self.path / "wandb_lines.jsonl"
        self.wandb_id = self.path / "wandb_id"
        self.wandb_files = self.path / "wandb"

    def results(self, probe_set: str = TRAINING) -> Path:
        """Folder of the rows of a probe set; that of training holds those of the others."""
        return self._of_set(_RESULTS, probe_set)

    def report(self, probe_set: str = TRAINING) -> Path:
        """Folder of the report of a probe set."""
        return self._of_set("report", probe_set)

    def page(self, probe_set: str = TRAINING) -> Path:
        """The report itself."""
        return self.report(probe_set) / "report.html"

    def _of_set(self, name: str, probe_set: str) -> Path:
        folder = self.path / name
        return folder if probe_set == TRAINING else folder / probe_set


def point_name(point: ProbePoint) -> str:
    """How the files of a probe point begin: its rows, and the checkpoint it was measured on."""
    return f"epoch={point.epoch:04d}-step={point.step:08d}"


def epoch_of(file: Path) -> int:
    """Epochs completed at the probe point that a file is of, as its name says."""
    return int(file.name.partition("-")[0].removeprefix("epoch="))


def files_of_rows(root: str | Path, kind: str, probe_set: str = TRAINING) -> Iterator[tuple[Path, Path]]:
    """Every file of "rows" or "units" of a probe set at `root` or below, with the folder of its run."""
    below = RunFolder("").results(probe_set)
    for file in sorted(Path(root).glob(f"**/{below}/[!.]*.{kind}.parquet")):
        yield file, file.parents[len(below.parts)]


def folders_below(root: str | Path) -> list[Path]:
    """Folders of the runs at `root` or below."""
    return sorted({found.parent for found in Path(root).glob(f"**/{_CONFIGURATION}")})
