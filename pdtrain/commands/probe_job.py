"""What every probing after the fact shares: one network's stimuli, probes and rows, and what is said of them."""

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from omegaconf import DictConfig
from rich.console import Console
from torch import nn

from pdtrain.commands.build import build_prober, build_probes
from pdtrain.commands.stored_targets import FROM_RUN
from pdtrain.locks import only_writer
from pdtrain.loggers.probed_at_wandb import WandbResults
from pdtrain.report.summary import print_caveats
from pdtrain.results.caveats import DEAD_NETWORK, UNSTEADY, caveats_at, caveats_of_run, label_note_of_run
from pdtrain.results.configuration import check_measured_alike, keep_configuration
from pdtrain.results.reader import epoch_ends, load
from pdtrain.results.rows import ProbePoint
from pdtrain.results.run_folder import RunFolder
from pdtrain.results.store import ResultsStore
from pdtrain.training.freed_memory import keep_freed_memory

FINGERPRINT = "fingerprint"  # of weights from elsewhere: added, no key to be given
_MEASURED_WITH = (*FROM_RUN, "match", "preprocessing", "untrained")  # what rows depend on


def sole_prober(config: DictConfig, folder: str | Path) -> AbstractContextManager[None]:
    """Keep other processes from writing the same probe set of a folder; to be held before anything is built."""
    lock = RunFolder(folder).lock(config.probe_set)
    return only_writer(lock, of=f"probe_set={config.probe_set}", does=f"is writing it in {folder}")


class ProbeJob:
    """Probes networks of one architecture into one folder; stimuli are made once.

    Parameters
    ----------
    config
        `conf/probe.yaml`, composed.
    folder
        Of the rows.
    data
        A data set, or what stands for one.
    network
        Of the architecture.
    """

    def __init__(self, config: DictConfig, folder: Path, data: Any, network: nn.Module, console: Console) -> None:
        keep_freed_memory()
        self._config, self._folder, self._console = config, folder, console
        self._probes = build_probes(config)
        self._store = ResultsStore(folder, probe_set=config.probe_set)
        for path in self._store.set_damaged_aside():
            console.print(f"{path}: damaged; kept as {path.name}.damaged, and measured again", soft_wrap=True)
        self._prober = build_prober(config, data, self._store)
        self._prober.prepare(network, self._probes)
        check_measured_alike(self._store.folder, config, (*_MEASURED_WITH, FINGERPRINT), probe_set=config.probe_set)
        self._wandb = WandbResults(folder, config.probe_set, to=config.wandb) if config.wandb is not None else None
        self.written: list[Path] = []

    def __enter__(self) -> "ProbeJob":
        return self

    def __exit__(self, *exception: object) -> None:
        if self._wandb is not None:
            self._wandb.close()

    def is_done(self, point: ProbePoint) -> bool:
        """Whether it has rows, which are to be kept."""
        return not self._config.force and self._store.has(point)

    def measure(self, network: nn.Module, point: ProbePoint, *, of: str) -> None:
        """Probe a network, named `of` where its rows are announced."""
        keep_configuration(self._store.folder, self._config, (*_MEASURED_WITH, FINGERPRINT))
        rows = self._prober.measure(network, self._probes, point)
        print_caveats(caveats_at(point, rows), self._console)
        if self._wandb is not None:
            self._wandb.send(point, rows)
        self.written.append(self._store.path(point))
        self._console.print(f"{of} -> {self.written[-1]}", soft_wrap=True)

    def say_what_must_be_known(self) -> None:
        """What the points do not say one by one: whether a control has memorised, which labels are meant, mixes."""
        folder, probe_set = self._folder, self._config.probe_set
        rows = epoch_ends(load(folder, probe_set=probe_set))
        if (note := label_note_of_run(folder, rows, probe_set=probe_set)) is not None:
            self._console.print(note, highlight=False)
        caveats = caveats_of_run(folder, rows, probe_set=probe_set)
        print_caveats([caveat for caveat in caveats if caveat.kind not in (DEAD_NETWORK, UNSTEADY)], self._console)
