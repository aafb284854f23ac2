"""Where everything of a run lies in its folder, and what the files of a probe point are called."""

import re
from collections.abc import Iterator
from pathlib import Path

from pdtrain.errors import InputError
from pdtrain.results.rows import ProbePoint

TRAINING = "training"  # the probe set that training writes
PROBED = "probe"  # that which pdtrain-probe writes where none is named
SWEEP = "sweep.yaml"  # in the folder of a sweep: the command that made it
_CONFIGURATION = "run.yaml"
_RESULTS = "results"
# no way out of its folder, no pattern, no name that a file of ours has
_PLAIN = re.compile(r"\w(?:[\w+=-]|\.(?=\d)| (?=\w))*")
_LONGEST = 100  # bytes
_POINT = re.compile(r"epoch=(\d+)-step=(\d+)")


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

    def lock(self, probe_set: str = TRAINING) -> Path:
        """What the process holds that writes a probe set; that of training writes the whole run."""
        return (self.path if probe_set == TRAINING else self.results(probe_set)) / ".lock"

    def report(self, probe_set: str = TRAINING) -> Path:
        """Folder of the report of a probe set."""
        return self._of_set("report", probe_set)

    def page(self, probe_set: str = TRAINING) -> Path:
        """The report itself."""
        return self.report(probe_set) / "report.html"

    def _of_set(self, name: str, probe_set: str) -> Path:
        folder = self.path / name
        return folder if probe_set == TRAINING else folder / plain_name(probe_set)


def plain_name(probe_set: str) -> str:
    """The name of a probe set itself, which becomes that of a folder.

    Raises
    ------
    InputError
        If it is none.

    Examples
    --------
    >>> plain_name("fraction=0.9")
    'fraction=0.9'
    >>> plain_name("../results")
    Traceback (most recent call last):
    ...
    pdtrain.errors.InputError: probe_set='../results': give a plain name, of letters, digits, _, -, + and =
    """
    if not (isinstance(probe_set, str) and _PLAIN.fullmatch(probe_set)):
        raise InputError(f"probe_set={probe_set!r:.60}: give a plain name, of letters, digits, _, -, + and =")
    if len(probe_set.encode()) > _LONGEST:
        raise InputError(f"probe_set={probe_set:.60}...: too long; give at most {_LONGEST} letters")
    if probe_set.lower() == _RESULTS:
        raise InputError(f"probe_set={probe_set}: the folder of all sets has that name; choose another")
    return probe_set


def point_name(point: ProbePoint) -> str:
    """How the files of a probe point begin: its rows, and the checkpoint it was measured on."""
    return f"epoch={point.epoch:04d}-step={point.step:08d}"


def point_of_name(path: str | Path) -> ProbePoint:
    """The probe point of a file whose name begins as `point_name` says.

    Examples
    --------
    >>> point_of_name("epoch=0002-step=00000006.rows.parquet")
    ProbePoint(epoch=2, step=6)

    Raises
    ------
    ValueError
        If it does not.
    """
    found = _POINT.match(Path(path).name)
    if found is None:
        raise ValueError(f"{path}: not named after a probe point")
    return ProbePoint(int(found[1]), int(found[2]))


def files_of_rows(root: str | Path, kind: str, probe_set: str = TRAINING) -> Iterator[tuple[Path, Path]]:
    """Every file of "rows" or "units" of a probe set at `root` or below, with the folder of its run."""
    below = RunFolder("").results(probe_set)
    for file in sorted(Path(root).glob(f"**/{below}/[!.]*.{kind}.parquet")):
        yield file, file.parents[len(below.parts)]


def usual_set(root: str | Path) -> str:
    """What training wrote at `root` or below, or where it wrote nothing what `pdtrain-probe` did."""
    by_probe = not any(files_of_rows(root, "rows")) and any(files_of_rows(root, "rows", PROBED))
    return PROBED if by_probe else TRAINING


def folders_below(root: str | Path) -> list[Path]:
    """Folders of the runs at `root` or below."""
    return sorted({found.parent for found in Path(root).glob(f"**/{_CONFIGURATION}")})
