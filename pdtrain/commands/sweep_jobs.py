"""The jobs of a sweep, all known before the first begins: the values of each are checked then."""

from collections.abc import Iterator

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

from pdtrain.commands.configuration_check import check_values
from pdtrain.commands.own_modules import find_own_modules
from pdtrain.errors import InputError
from pdtrain.results.configuration import leaves


def check_jobs(config: DictConfig) -> None:
    """Check every job of a sweep as it is checked when it begins.

    Of another sweeper than Hydra's own nothing is checked: it chooses the values of a job when it has seen the results
    of those before.

    Parameters
    ----------
    config
        Of the sweep, with what Hydra has in it.

    Raises
    ------
    InputError
        For the first value that cannot be; it says in how many of the jobs, and in which first, unless it is in all.
    """
    try:
        jobs = list(_jobs(config))
    except (HydraException, OmegaConfBaseException):  # which Hydra says itself, before the first job too
        return
    refused = {number: error for number, job in enumerate(jobs) if (error := _error(job)) is not None}
    if not refused:
        return
    first, error = next(iter(refused.items()))
    where = "" if len(refused) == len(jobs) else f" (job {first} of the sweep, {len(refused)} of {len(jobs)} refused)"
    raise InputError(f"{error}{where}") from error


def _jobs(config: DictConfig) -> Iterator[DictConfig]:
    """Configurations of the jobs, as Hydra's own sweeper makes them."""
    sweeper = config.hydra.sweeper
    if str(sweeper.get("_target_")).rpartition(".")[2] != BasicSweeper.__name__:
        return
    loader = GlobalHydra.instance().config_loader()
    given = [*(f"{key}={value}" for key, value in (sweeper.get("params") or {}).items()), *config.hydra.overrides.task]
    overrides = OverridesParser.create(config_loader=loader).parse_overrides(given)
    (jobs,) = BasicSweeper.split_arguments(overrides, None)
    for job in jobs:
        yield loader.load_sweep_config(config, job)


def _error(job: DictConfig) -> InputError | None:
    hydra = job.hydra
    with open_dict(job):
        del job["hydra"]
    try:
        find_own_modules(job)
        check_values(job, hydra)
        for key, value in leaves(OmegaConf.to_container(job, resolve=False)):
            if value == "???":
                raise InputError(f"{key}: a value is needed; give {key}=...")
    except InputError as error:
        return error
    return None
