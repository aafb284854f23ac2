"""W&B's run of this process, if there is one: what it keeps, what is said there, and its end."""

import logging
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from pdtrain.results.caveats import Caveat
from pdtrain.results.run_folder import RunFolder

_log = logging.getLogger(__name__)


def save_at_wandb(run_dir: str | Path) -> None:
    """Keep results and report with W&B's run of this process, if there is one, as an artifact."""
    import wandb

    if wandb.run is None:
        return
    try:
        artifact = wandb.Artifact(f"results-{wandb.run.id}", type="results", description="rows, and the report")
        folder = RunFolder(run_dir)
        artifact.add_dir(str(folder.results()), name=folder.results().name)
        for path in (folder.page(), folder.configuration):
            if path.exists():
                artifact.add_file(str(path), name=str(path.relative_to(folder.path)))
        wandb.run.log_artifact(artifact)
    except Exception as error:
        abandon_wandb(error)


def say_caveats_at_wandb(caveats: Sequence[Caveat]) -> None:
    """Say them in W&B's run of this process, if there is one."""
    import wandb

    if wandb.run is None:
        return
    try:
        say_at_wandb(wandb.run, caveats)
    except Exception as error:
        abandon_wandb(error)


def close_wandb(state: str) -> None:
    """End W&B's run of this process, if there is one, as "finished", "failed" or "preempted"."""
    import wandb

    if wandb.run is None:
        return
    try:
        if state == "preempted":
            wandb.run.mark_preempting()
        wandb.finish(exit_code=0 if state == "finished" else 1)
    except Exception as error:
        abandon_wandb(error)


def say_at_wandb(run: Any, caveats: Sequence[Caveat], *, key: str = "caveats") -> None:
    """Put sentences into the summary of a `wandb.Run`, and their kinds among its tags; the first of a kind alerts.

    Nothing is done where there is nothing to say.
    """
    if not caveats:
        return
    run.summary[key] = [caveat.sentence for caveat in caveats]
    for caveat in caveats:
        if caveat.kind not in (run.tags or ()):
            run.tags = (*(run.tags or ()), caveat.kind)
            run.alert(title=caveat.kind, text=caveat.sentence, level="WARN")


def abandon_wandb(error: Exception) -> None:
    """Say once that W&B died, and keep its own attempts to end well from failing at the exit of the process."""
    import wandb

    _log.warning("logger=wandb: W&B died (%s); nothing more is sent there", first_line(error))
    with suppress(Exception):
        wandb.teardown(1)
    wandb.run = None


def first_line(error: Exception) -> str:
    """What an error says, without what it goes on to explain."""
    return (str(error).splitlines() or [type(error).__name__])[0]
