"""Networks of a sweep that have nothing to be probed: each is named in one line and left out, and the rest goes on."""

import sys
from dataclasses import dataclass, field

from hydra.conf import HydraConf
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from pdtrain.errors import NothingMatches, one_line
from pdtrain.results.configuration import choices_of


@dataclass
class _Jobs:
    """Those of the sweep that this process runs."""

    begun: int = 0
    left_out: list[str] = field(default_factory=list)


_jobs = _Jobs()


def count_job(hydra: HydraConf) -> None:
    """Count a job that begins, should it be one of a sweep."""
    _jobs.begun += hydra.mode == RunMode.MULTIRUN


def may_be_left_out(config: DictConfig, hydra: HydraConf) -> bool:
    """Whether a job may end without a run: one of a sweep that asks for no metric of each."""
    return hydra.mode == RunMode.MULTIRUN and OmegaConf.select(config, "sweep.metric") is None


def leave_out(name: str, config: DictConfig, hydra: HydraConf, why: NothingMatches) -> None:
    """Say in one line which network is left out by the command `name`."""
    network = filter(None, [choices_of(config).get("model"), OmegaConf.select(config, "model.network.name")])
    named = f"job {hydra.job.num} ({', '.join(dict.fromkeys(network))})"
    print(one_line(f"{name}: {named} is left out: {why}"), file=sys.stderr)
    _jobs.left_out.append(str(why))


def all_left_out() -> str | None:
    """Why nothing is left of a sweep that this process ran; None if something is. The count begins anew."""
    begun, left_out = _jobs.begun, list(_jobs.left_out)
    _jobs.begun = 0
    _jobs.left_out.clear()
    return left_out[-1] if left_out and len(left_out) == begun else None
