"""Kills a small run again and again, at random and at chosen moments, and resumes it with `resume=auto`.

In the end the metrics, the results store, the weights and W&B's history must equal those of a run that was left alone,
bit for bit (but for times: series named `time/`). What is asked to leave must do so within 30 s and with the exit code
that says so; nothing of it may be there 8 s after its end. `python scripts/kill_and_resume.py --kills 60` prints one
line per kill, and a table of the moments.
"""

import argparse
import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import pandas as pd
import torch

from pdtrain.loggers.wandb_files import records
from pdtrain.training.checkpoints import resumable_checkpoints

SMALL_RUN = [
    "data.training_images=192",
    "data.validation_images=100",
    "data.pixels=16",
    "data.geometric=1",
    "data.workers=1",
    "stimuli.count=100",
    "trainer.max_epochs=4",
    "model.network.widths=[4,8]",
    "model.network.hidden=16",
    "model.network.dropout=0.3",
    "callbacks.probing.schedule.log_spaced_steps=1",
    "+trainer.enable_progress_bar=false",
    "logger=csv_wandb",
    "report=false",
]
_TIMES = "time/"
# times; and figures, histograms, charts and tables, which are not sent again with a line that was lost
_NOT_COMPARED = re.compile(rf"_|figures/|depth/|table/|[^/]+_units/|{_TIMES}")
MOMENTS = (
    "any time", "training", "probing", "writing a checkpoint", "writing results",
    "group", "worker", "stopped worker", "while resuming",
)  # fmt: skip
# exit codes of those that are asked to leave
_ASKING = {signal.SIGTERM: 75, signal.SIGHUP: 75, signal.SIGINT: 130}


def command(run_dir: Path, *overrides: str, small: Sequence[str] = SMALL_RUN) -> list[str]:
    """Command that begins the small run in `run_dir`, or goes on with it."""
    paths = [f"hydra.run.dir={run_dir}", f"paths.data={run_dir.parent}/data"]
    return [sys.executable, "-m", "pdtrain.commands.train", *small, *paths, "resume=auto", *overrides]


def start(run_dir: Path, *overrides: str, output: Path | None = None) -> subprocess.Popen:
    """Start the small run; what it prints goes to `output`, else beside its folder."""
    environment = os.environ | {"WANDB_MODE": "offline", "WANDB_SILENT": "true"}
    with (output or run_dir.parent / "output.txt").open("a") as file:
        return subprocess.Popen(
            command(run_dir, *overrides), stdout=file, stderr=file, env=environment, start_new_session=True
        )


def finish(run_dir: Path, *overrides: str) -> None:
    """Run to the end.

    Raises
    ------
    subprocess.CalledProcessError
        If the run fails.
    """
    process = start(run_dir, *overrides)
    if process.wait():
        raise subprocess.CalledProcessError(
            process.returncode, process.args, (run_dir.parent / "output.txt").read_text()
        )


def kill_at(process: subprocess.Popen, run_dir: Path, moment: str, *, rng: random.Random, seconds: float) -> bool:
    """End a run of about so many seconds at a moment, by SIGKILL where it says nothing else; False if it ended before.

    Raises
    ------
    RuntimeError
        If it does not end as it is to, or leaves processes behind.
    """
    if moment == "any time":
        _wait(process, lambda: False, seconds=rng.uniform(0, seconds))
    elif moment == "while resuming":
        _wait(process, (run_dir / ".lock").exists)
        _wait(process, lambda: False, seconds=rng.uniform(0, seconds / 4))
    elif moment in ("training", "group", "worker", "stopped worker"):
        _wait(process, _changed(run_dir, "checkpoints/resume-*.ckpt"))
        _wait(process, lambda: False, seconds=rng.uniform(0, 0.2 if moment == "training" else seconds / 8))
    elif moment == "probing":
        _wait(process, _changed(run_dir, "checkpoints/last.ckpt"))
        _wait(process, lambda: False, seconds=rng.uniform(0, 0.2))
    else:
        folder = "checkpoints" if moment == "writing a checkpoint" else "results"
        skipped = rng.randrange(4)
        for _ in range(skipped + 1):
            _wait(process, _changed(run_dir, f"{folder}/.*"))
    if process.poll() is not None:
        return False
    return _end(process, moment, rng)


def _end(process: subprocess.Popen, moment: str, rng: random.Random) -> bool:
    """End it; False if it came to its own end meanwhile."""
    number = signal.SIGKILL
    if moment == "group":
        number = rng.choice([*_ASKING, signal.SIGKILL])
        os.killpg(process.pid, number)
        if number == signal.SIGINT and rng.random() < 0.5:
            os.killpg(process.pid, number)
    elif "worker" in moment:
        number = signal.SIGTERM
        for worker in workers(process):
            os.kill(worker, signal.SIGSTOP if moment == "stopped worker" else signal.SIGKILL)
        time.sleep(rng.uniform(0, 1))
        process.send_signal(number)
    else:
        process.send_signal(number)
    code = process.wait(timeout=30)
    ended = time.monotonic()
    while left := _group(process.pid):
        if time.monotonic() > ended + 8:
            raise RuntimeError(f"{moment}: left behind: {left}")
        time.sleep(0.1)
    if code not in (0, _ASKING.get(number, -number)):
        raise RuntimeError(f"{moment}: exit code {code} after {signal.Signals(number).name}")
    return code != 0


def workers(process: subprocess.Popen) -> list[int]:
    """Loading processes of a run: those that it forked."""

    def command_of(number: int | str) -> bytes:
        with suppress(OSError):
            return Path(f"/proc/{number}/cmdline").read_bytes()
        return b""

    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    return [int(child) for child in children if command_of(child) == command_of(process.pid)]


def _group(number: int) -> list[str]:
    """What is alive of a group of processes."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            name, _, rest = path.read_text().rpartition(")")
            state, _, group = rest.split()[:3]
            if int(group) == number and state != "Z":
                found.append(f"{name}) {state}")
    return found


def _wait(process: subprocess.Popen, happened, seconds: float = 600) -> None:
    end = time.monotonic() + seconds
    while process.poll() is None and not happened() and time.monotonic() < end:
        time.sleep(0.0002)


def _changed(run_dir: Path, pattern: str):
    """Whether the files of a pattern are others than now, and some are there."""

    def state() -> set:
        found = set()
        for path in run_dir.glob(pattern):
            try:
                found.add((path.name, path.stat().st_mtime_ns))
            except FileNotFoundError:
                continue
        return found

    before = state()
    return lambda: bool(state() - before)


def left_half_written(run_dir: Path) -> list[str]:
    """Names of the temporary files that a killed process left."""
    return [path.name for folder in ("checkpoints", "results", "csv") for path in (run_dir / folder).glob(".*.*")]


def _same_content(path: Path, other: Path) -> bool:
    if path.suffix != ".parquet":
        return path.read_bytes() == other.read_bytes()
    return pd.read_parquet(path).equals(pd.read_parquet(other))


def _metrics(run_dir: Path) -> pd.DataFrame:
    """The lines of the CSV logger as text, without times."""
    metrics = pd.read_csv(run_dir / "csv/metrics.csv", dtype=str)
    return metrics[[name for name in metrics if not name.startswith(_TIMES)]]


def differences(run_dir: Path, reference: Path, *, wandb: bool = True) -> list[str]:
    """Name everything in which a run differs from the reference."""
    found = []
    if not _metrics(run_dir).equals(_metrics(reference)):
        found.append("csv/metrics.csv")
    names = {path.name for folder in (run_dir, reference) for path in (folder / "results").iterdir()}
    for name in sorted(names):
        paths = [folder / "results" / name for folder in (run_dir, reference)]
        if not all(path.exists() for path in paths):
            found.append(f"results/{name}: only in one")
        elif not _same_content(*paths):
            found.append(f"results/{name}")
    states = [torch.load(resumable_checkpoints(f / "checkpoints")[0], weights_only=True) for f in (run_dir, reference)]
    for key in ("state_dict", "optimizer_states", "lr_schedulers"):
        if not _equal(states[0][key], states[1][key]):
            found.append(f"checkpoint: {key}")
    histories = [wandb_history(folder) if wandb else [] for folder in (run_dir, reference)]
    if histories[0] != histories[1]:
        found.append(f"W&B history ({_first_difference(*histories)})")
    return found


def _first_difference(one: list[tuple[int, dict]], other: list[tuple[int, dict]]) -> str:
    """Where two histories part: the step, and what is logged otherwise there."""
    for (step, values), (other_step, other_values) in zip(one, other, strict=False):
        if step != other_step:
            return f"step {step} in place of {other_step}"
        apart = [key for key in values.keys() | other_values.keys() if values.get(key) != other_values.get(key)]
        if apart:
            name = min(apart)
            said = f"{values.get(name)} in place of {other_values.get(name)}"
            return f"step {step}: {len(apart)} values, {name} {said}"
    return f"{len(one)} steps in place of {len(other)}"


def _equal(one: object, other: object) -> bool:
    if isinstance(one, torch.Tensor) and isinstance(other, torch.Tensor):
        return torch.equal(one, other)
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_equal(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_equal, one, other))
    return one == other


def wandb_history(run_dir: Path) -> list[tuple[int, dict]]:
    """All steps in all offline files of a run, in the order in which they came: step and values but times and pictures.

    None comes twice or goes backwards if this equals the history of a run that was left alone.
    """
    run_id = (run_dir / "wandb_id").read_text()
    history = []
    for path in sorted(run_dir.glob(f"wandb/offline-run-*/run-{run_id}.wandb")):  # named after the time of their start
        for record in records(path):
            if record.HasField("history"):
                items = {"/".join(item.nested_key) or item.key: item.value_json for item in record.history.item}
                values = {key: json.loads(value) for key, value in items.items() if not _NOT_COMPARED.match(key)}
                history.append((record.history.step.num, values))
    return history


def main(kills: int, seed: int, folder: Path) -> bool:
    """Kill so many times, resume each time; tell whether every run came out equal."""
    reference, rng = folder / "reference", random.Random(seed)
    began = time.monotonic()
    finish(reference)
    seconds = time.monotonic() - began
    counts: Counter[str] = Counter()
    done, runs, equal = 0, 0, True
    while done < kills:
        run_dir = folder / f"run-{runs}"
        runs += 1
        ended = False
        while not ended and done < kills:
            moment = MOMENTS[done % len(MOMENTS)]
            process = start(run_dir)
            ended = not kill_at(process, run_dir, moment, rng=rng, seconds=seconds)
            if ended and process.returncode:
                raise RuntimeError((folder / "output.txt").read_text()[-3000:])
            if not ended:
                done += 1
                left = left_half_written(run_dir)
                counts[moment] += 1
                counts["left a file half-written"] += bool(left)
                print(f"kill {done}: {moment}; half-written: {', '.join(left) or 'nothing'}", flush=True)
        finish(run_dir)
        found = differences(run_dir, reference)
        print(
            f"{run_dir.name}: {'equal to the run left alone' if not found else 'DIFFERS: ' + ', '.join(found)}",
            flush=True,
        )
        equal &= not found
    print("\n| moment | kills |\n|---|---|")
    for moment, count in counts.items():
        print(f"| {moment} | {count} |")
    return equal


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        sys.exit(0 if main(arguments.kills, arguments.seed, Path(temporary)) else 1)
