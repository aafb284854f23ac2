"""Optuna studies that go on: finished trials count towards the total, a trial that was cut off is asked for again."""

from typing import Any

from omegaconf import DictConfig, OmegaConf, open_dict, read_write

_ADD = "pdtrain_add"


def go_on_with_study(config: DictConfig) -> None:
    """Change the configuration of an Optuna sweep so that it does what is left of its study; leave others alone.

    Jobs of the new process are numbered after the finished trials, so that a trial that was cut off finds its folder.
    """
    sweeper = config.hydra.sweeper
    if "n_trials" not in sweeper or sweeper.get("storage") is None:
        return
    study = _load(sweeper)
    if study is None:
        return
    from optuna.trial import TrialState

    finished = [trial for trial in study.trials if trial.state in (TrialState.COMPLETE, TrialState.FAIL)]
    complete = sum(trial.state == TrialState.COMPLETE for trial in finished)
    for trial in study.trials:
        if trial.state == TrialState.RUNNING:
            _ask_again(study, trial)
    with read_write(config), open_dict(config):
        sweeper.n_trials = max(sweeper.n_trials - complete, 0)
        if not OmegaConf.has_resolver(_ADD):
            OmegaConf.register_new_resolver(_ADD, lambda number, offset: int(number) + int(offset))
        subdir = f"${{{_ADD}:${{hydra.job.num}},{len(finished)}}}"
        config.hydra.sweep.subdir = subdir
        config.hydra.overrides.hydra.append(f"hydra.sweep.subdir='{subdir}'")


def _load(sweeper: DictConfig) -> Any | None:
    import optuna

    try:
        return optuna.load_study(study_name=sweeper.study_name, storage=sweeper.storage)
    except KeyError:
        return None


def _ask_again(study: Any, trial: Any) -> None:
    """Drop a trial whose process died, and queue its parameters."""
    from optuna.trial import TrialState

    study._storage.set_trial_state(trial._trial_id, TrialState.PRUNED)
    if trial.params:
        study.enqueue_trial(trial.params)
