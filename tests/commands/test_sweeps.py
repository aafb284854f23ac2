"""Real sweeps in real processes, cut off and resumed."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType

import pandas as pd
import pytest
import yaml
from hydra import compose, initialize_config_module
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.types import RunMode
from omegaconf import OmegaConf

from pdtrain.commands.sweeps import SweepFolder, threads_per_job
from pdtrain.results.configuration import leaves
from pdtrain.results.reader import load
from pdtrain.results.run_folder import SWEEP

_TINY = [
    "data.training_images=64", "data.validation_images=80", "data.pixels=16", "stimuli.count=80",
    "trainer.max_epochs=2", "model.network.hidden=16", "model.network.widths=[4]", "probes.unit_information=null",
    "probes.object_information=null", "+trainer.enable_progress_bar=false", "report=false",
]  # fmt: skip


def _start(folder: Path, *overrides: str) -> subprocess.Popen:
    command = [sys.executable, "-m", "pdtrain.commands.train", "-m", *_TINY, *overrides]
    environment = os.environ | {"WANDB_MODE": "offline", "WANDB_SILENT": "true"}
    folder.mkdir(exist_ok=True)
    with (folder / "output.txt").open("a") as output:
        return subprocess.Popen(command, stdout=output, stderr=output, env=environment, cwd=folder)


def _run(folder: Path, *overrides: str) -> str:
    process = _start(folder, *overrides)
    assert process.wait() == 0, (folder / "output.txt").read_text()[-3000:]
    return (folder / "output.txt").read_text()


@pytest.mark.slow
def test_a_sweep_killed_at_three_moments_ends_as_one_left_alone(kill_and_resume: ModuleType, tmp_path: Path) -> None:
    sweep = ["seed=1,2,3", "optimizer.lr=0.001,0.003", "logger=csv_wandb", f"paths.data={tmp_path}/data"]
    _run(tmp_path / "alone", *sweep, "hydra.sweep.dir=sweep")
    alone, folder = tmp_path / "alone" / "sweep", tmp_path / "killed"

    for job, awaited in ((0, "checkpoints/resume-*.ckpt"), (2, "results/*.rows.parquet"), (5, "checkpoints/resume-*")):
        process = _start(folder, *sweep, "sweep.resume=true")
        while not list(folder.glob(f"runs/multirun/*/*/{job}/{awaited}")):
            assert process.poll() is None, (folder / "output.txt").read_text()[-3000:]
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
        process.wait()
    output = _run(folder, *sweep, "sweep.resume=true")

    (killed,) = folder.glob("runs/multirun/*/*")
    assert sorted(path.name for path in killed.iterdir() if path.is_dir()) == [str(job) for job in range(6)]
    assert "finished 5 of the 6 jobs that were begun" in output
    ids = set()
    for job in range(6):
        assert kill_and_resume.differences(killed / str(job), alone / str(job)) == []
        ids.add((killed / str(job) / "wandb_id").read_text())
    assert len(ids) == 6, "each job has its own W&B run"


def test_a_failed_job_is_run_again_and_the_others_are_left(tmp_path: Path) -> None:
    sweep = [f"data.root={tmp_path}/images,{tmp_path}/objects", "hydra.sweep.dir=sweep"]
    (tmp_path / "images").write_text("a file where a folder should be")

    process = _start(tmp_path / "sweep", *sweep)
    assert process.wait() == 1
    assert "images" in (tmp_path / "sweep" / "output.txt").read_text().splitlines()[-1]
    rows = tmp_path / "sweep" / "sweep" / "1" / "results" / "epoch=0002-step=00000002.rows.parquet"
    before = rows.stat().st_mtime_ns
    (tmp_path / "images").unlink()
    _run(tmp_path / "sweep", *sweep, "sweep.resume=true")

    assert rows.stat().st_mtime_ns == before
    assert sorted(load(tmp_path / "sweep" / "sweep").run.unique()) == ["0", "1"]


def test_another_command_or_another_start_is_refused_with_one_line(tmp_path: Path) -> None:
    _run(tmp_path / "sweep", "seed=1", "hydra.sweep.dir=sweep")

    for overrides, message in (
        (["seed=1,2", "sweep.resume=true"], "another sweep, where seed=1 was given"),
        (["seed=1"], "holds a sweep already; sweep.resume=true goes on"),
    ):
        process = _start(tmp_path / "sweep", *overrides, "hydra.sweep.dir=sweep")
        assert process.wait() == 2
        assert message in (tmp_path / "sweep" / "output.txt").read_text().splitlines()[-1]


@pytest.mark.parametrize(
    ("name", "jobs"),
    [("seeds", 5), ("depth", 12), ("width", 12), ("augmentation", 12), ("shuffled_labels", 6), ("data_size", 18)],
)
def test_ready_made_sweeps_have_their_jobs(name: str, jobs: int) -> None:
    with initialize_config_module("pdtrain.conf", version_base="1.3"):
        config = compose("train", [f"sweep={name}"], return_hydra_config=True)

    parameters = [f"{key}={value}" for key, value in config.hydra.sweeper.params.items()]
    overrides = OverridesParser.create().parse_overrides(parameters)
    (batch,) = BasicSweeper.split_arguments(overrides, None)
    assert len(batch) == jobs and config.hydra.mode == RunMode.MULTIRUN
    with initialize_config_module("pdtrain.conf", version_base="1.3"):
        for job in batch:
            compose("train", job)  # every key exists


def test_the_control_and_its_twin_share_their_recipe() -> None:
    def composed(*overrides: str) -> dict:
        with initialize_config_module("pdtrain.conf", version_base="1.3"):
            return dict(leaves(OmegaConf.to_container(compose("train", list(overrides)), resolve=False)))

    control = composed("experiment=shuffled_labels")
    twin = composed("experiment=shuffled_labels", "data.shuffled_labels=false")
    of_sweep = composed("sweep=shuffled_labels")
    fashion = composed("sweep=shuffled_labels", "experiment=shuffled_labels_fashion_mnist")

    assert [key for key in control if control[key] != twin[key]] == ["data.shuffled_labels"]
    assert of_sweep == control
    assert fashion["data.name"] == "FashionMNIST" and fashion["optimizer.lr"] == control["optimizer.lr"]
    assert control["optimizer.lr"] < composed()["optimizer.lr"]
    assert (control["data.geometric"], control["data.photometric"], control["data.flip"]) == (0, 0, False)


def test_a_ready_made_sweep_runs_without_the_multirun_flag(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "pdtrain.commands.train", "experiment=seeds", "callbacks=no_probes", *_TINY]
    options = ["hydra.sweeper.params={seed:'0,1'}", "hydra.sweep.dir=sweep", f"paths.data={tmp_path}/data"]

    done = subprocess.run([*command, *options], cwd=tmp_path, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr[-2000:]
    assert sorted(path.name for path in (tmp_path / "sweep").iterdir() if path.is_dir()) == ["0", "1"]


@pytest.mark.parametrize(
    ("launcher", "option"),
    [
        ("joblib", "hydra.launcher.n_jobs=2"),
        ("submitit_local", "hydra.launcher.timeout_min=10"),
        ("ray", "+hydra.launcher.ray.init.num_cpus=2"),
    ],
)
def test_other_launchers_run_every_job(launcher: str, option: str, tmp_path: Path) -> None:
    _run(tmp_path / "sweep", "seed=1,2", f"hydra/launcher={launcher}", option, "hydra.sweep.dir=sweep")

    assert sorted(load(tmp_path / "sweep" / "sweep").run.unique()) == ["0", "1"]


def test_the_command_of_wandbs_agents_trains_what_the_sweep_says(tmp_path: Path) -> None:
    from wandb.sdk.launch.sweeps.utils import create_sweep_command, create_sweep_command_args

    sweep = yaml.safe_load((Path(__file__).parents[2] / "conf" / "sweep" / "wandb_sweep.yml").read_text())
    assert set(sweep["parameters"]) == {"optimizer.lr", "model.network.hidden"}
    # what an agent does with its server's answer
    answer = {"args": {"optimizer.lr": {"value": 0.0123}, "model.network.hidden": {"value": 64}}}
    words = create_sweep_command(sweep["command"])
    place = words.index("${args_no_hyphens}")
    words[place : place + 1] = create_sweep_command_args(answer)["args_no_hyphens"]
    tiny = [option for option in _TINY if not option.startswith("model.network.hidden")]
    command = [sys.executable, "-m", "pdtrain.commands.train", *words[1:], *tiny, "hydra.run.dir=run"]
    of_agent = {"WANDB_RUN_ID": "abc12345", "WANDB_SWEEP_ID": "s1", "WANDB_MODE": "offline"}

    done = subprocess.run(command, cwd=tmp_path, env=os.environ | of_agent, capture_output=True, text=True, check=False)

    assert words[0] == "pdtrain-train"
    assert done.returncode == 0, done.stderr[-2000:]
    config = OmegaConf.load(tmp_path / "run" / "run.yaml")
    assert (config.optimizer.lr, config.model.network.hidden) == (0.0123, 64)
    assert (tmp_path / "run" / "wandb_id").read_text() == "abc12345", "the run that the agent waits for"
    metrics = pd.read_csv(tmp_path / "run" / "csv" / "metrics.csv")
    assert sweep["metric"]["name"] in metrics


def test_jobs_at_once_share_the_cores() -> None:
    assert [threads_per_job(16, jobs) for jobs in (1, 4, 16, 32)] == [16, 4, 1, 1]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # Optuna 2 with SQLAlchemy 1
def test_an_optuna_study_goes_on_towards_its_total(tmp_path: Path) -> None:
    search = ["sweep=optuna", "hydra.sweeper.n_trials=4", "hydra.sweep.dir=sweep", "sweep.resume=true"]
    folder = tmp_path / "search"
    process = _start(folder, *search)
    while not list(folder.glob("sweep/2/checkpoints/resume-*.ckpt")):
        assert process.poll() is None, (folder / "output.txt").read_text()[-3000:]
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    cut_off = (folder / "sweep" / "2" / "run.yaml").read_text()

    _run(folder, *search)

    import optuna

    study = optuna.load_study(study_name="pdtrain", storage=f"sqlite:///{folder}/sweep/optuna.db")
    complete = [trial for trial in study.trials if trial.state == optuna.trial.TrialState.COMPLETE]
    assert len(complete) == 4
    assert sorted(path.name for path in (folder / "sweep").iterdir() if path.is_dir()) == ["0", "1", "2", "3"]
    assert OmegaConf.create(cut_off).optimizer == OmegaConf.load(folder / "sweep" / "2" / "run.yaml").optimizer
    for job, trial in enumerate(complete):
        metrics = pd.read_csv(folder / "sweep" / str(job) / "csv" / "metrics.csv")
        assert trial.value == metrics["val/accuracy"].dropna().iloc[-1]


def test_a_damaged_record_of_a_sweep_ends_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder, given = tmp_path / "sweep", ["seed=1,2,3", "optimizer.lr=0.001"]
    config = OmegaConf.create(
        {
            "hydra": {
                "overrides": {"task": given, "hydra": [f"hydra.sweep.dir={folder}"]},
                "sweep": {"dir": str(folder)},
                "sweeper": {},
            },
            "sweep": {"resume": False},
            "paths": {"runs": str(tmp_path)},
        }
    )
    begun = SweepFolder()
    begun.on_multirun_start(config)
    begun.on_multirun_end(config)
    record = folder / SWEEP
    content = record.read_bytes()
    config.sweep.resume = True
    flipped = bytearray(content)
    flipped[content.index(b"1,2") + 2] ^= 1  # seed=1,3,3

    for damaged in (bytes(flipped), content[:-1], b"", b"words", b"\x89PNG\r\n", bytes(50)):
        record.write_bytes(damaged)
        with pytest.raises(SystemExit):
            SweepFolder().on_multirun_start(config)
        assert f"{record}: damaged" in capsys.readouterr().err
