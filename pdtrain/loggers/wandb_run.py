"""W&B's run of this process, if there is one: what it keeps, what is said there, and its end."""

import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Concatenate, ParamSpec

from pdtrain.errors import first_line
from pdtrain.results.caveats import Caveat
from pdtrain.results.run_folder import RunFolder

_log = logging.getLogger(__name__)
GLOBAL_STEP = "trainer/global_step"  # Lightning's name of the steps completed
_Options = ParamSpec("_Options")


def at_wandb(do: Callable[Concatenate[Any, _Options], None], *args: _Options.args, **kwargs: _Options.kwargs) -> None:
    """Do something with W&B's `wandb.Run` of this process, if there is one; if W&B dies of it, that is said."""
    import wandb

    if wandb.run is None:
        return
    try:
        do(wandb.run, *args, **kwargs)
    except Exception as error:
        abandon_wandb(error)


def save_results(run: Any, run_dir: str | Path) -> None:
    """Keep results and report with a `wandb.Run`, as an artifact."""
    import wandb

    artifact = wandb.Artifact(f"results-{run.id}", type="results", description="rows, and the report")
    folder = RunFolder(run_dir)
    artifact.add_dir(str(folder.results()), name=folder.results().name)
    for path in (folder.page(), folder.configuration):
        if path.exists():
            artifact.add_file(str(path), name=str(path.relative_to(folder.path)))
    run.log_artifact(artifact)


def say_offline(run: Any, say: Callable[[str], None]) -> None:
    """Say how to send a `wandb.Run` that is kept here alone, with what earlier processes logged to it."""
    if run.offline:
        say(f"W&B:     offline; wandb sync {_kept_in(run)} sends it")


def _kept_in(run: Any) -> Path:
    """What `wandb sync` is to be given of a `wandb.Run`: its folder, or those of all processes that logged to it."""
    own = Path(run.settings.sync_dir)
    of_run = own.parent / f"offline-run-*-{run.id}"
    return of_run if len(list(own.parent.glob(of_run.name))) > 1 else own


def close_run(run: Any, state: str) -> None:
    """End a `wandb.Run`, as "finished", "failed" or "preempted"."""
    if state == "preempted":
        run.mark_preempting()
    run.finish(exit_code=0 if state == "finished" else 1)


def say_caveats(run: Any, caveats: Sequence[Caveat], *, key: str = "caveats") -> None:
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

    kept = ""
    with suppress(Exception):
        kept = f"; wandb sync {_kept_in(wandb.run)} sends what it had kept"
    _log.warning("logger=wandb: W&B died (%s); nothing more is sent there%s", first_line(error), kept)
    with suppress(Exception):
        wandb.run._restore()  # type: ignore[union-attr]  # or all that is printed later fails at W&B, as its log says
    with suppress(Exception):
        wandb.teardown(1)
    wandb.run = None
