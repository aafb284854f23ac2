import os
import pty
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import pytorch_lightning as lightning
import torch
from omegaconf import DictConfig, open_dict
from rich.table import Table
from torch.utils.data import DataLoader

from pdtrain.callbacks import TerminalProgress
from pdtrain.commands.train import train
from pdtrain.errors import InputError
from pdtrain.report.point_table import point_tables
from pdtrain.results.catalogue import Catalogue
from pdtrain.results.rows import ProbePoint, Row

_HEADINGS = ("luminance", "spatial\nfrequency", "edge\nenergy")
Configure = Callable[..., DictConfig]
_FEW_PROBES = ["probes.unit_information.properties=[luminance]", "probes.object_information=null"]


def _with_progress(config: DictConfig, mode: str) -> DictConfig:
    with open_dict(config):
        del config.trainer.enable_progress_bar
    config.callbacks.progress.mode = mode
    return config


def test_plain_mode_prints_a_line_per_epoch_and_a_table_per_point(
    configure: Configure, capsys: pytest.CaptureFixture[str]
) -> None:
    train(_with_progress(configure(*_FEW_PROBES, "trainer.val_check_interval=0.34"), "plain"))

    shown = capsys.readouterr().out
    assert re.findall(r"epoch (\d)/2, step (\d): val/loss", shown) == [("1", "1"), ("1", "2"), ("2", "4"), ("2", "5")]
    assert re.findall(r"epoch (\d), step (\d)", shown) == [("0", "0"), ("1", "3"), ("2", "6")]
    assert re.findall(r"epoch (\d)/2: val/loss", shown) == ["1", "2"]
    assert "\x1b" not in shown and "\r" not in shown, "nothing that a log file cannot hold"


def test_quiet_mode_prints_neither(configure: Configure, capsys: pytest.CaptureFixture[str]) -> None:
    train(_with_progress(configure(*_FEW_PROBES), "quiet"))

    shown = capsys.readouterr().out
    assert "step 3" not in shown and "val/loss" not in shown


@pytest.mark.parametrize("trainer", [[], ["trainer=ddp_sim", "trainer.devices=2"]], ids=["one process", "two"])
def test_a_terminal_shows_the_probe_as_a_task_of_its_own(tmp_path: Path, trainer: list[str]) -> None:
    tiny = ["data.training_images=160", "data.validation_images=100", "data.pixels=16", "stimuli.count=100"]
    tiny += ["trainer.max_epochs=1", "model.network.widths=[4]", "report=false", f"hydra.run.dir={tmp_path}/run"]
    command = [sys.executable, "-m", "pdtrain.commands.train", *tiny, *_FEW_PROBES, f"paths.data={tmp_path}", *trainer]
    leader, follower = pty.openpty()
    environment = os.environ | {"COLUMNS": "120", "TERM": "xterm-256color"}

    process = subprocess.Popen(command, stdout=follower, stderr=subprocess.DEVNULL, env=environment)
    os.close(follower)
    shown = b""
    while True:
        try:
            shown += os.read(leader, 4096)
        except OSError:  # the other end is closed
            break

    assert process.wait() == 0
    text = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", shown.decode(errors="replace"))
    assert re.search(r"probe: (stimuli|intrinsic dimension, relu1|unit information, \w+)", text)
    assert re.search(r"epoch 1/1 .*\d/\d", text)
    assert len(re.findall("epoch 1, step 3", text)) == 1, "the first process speaks for all"


def test_bars_serve_a_second_training() -> None:
    class Line(lightning.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.line = torch.nn.Linear(2, 1)

        def training_step(self, batch: torch.Tensor, index: int) -> torch.Tensor:
            return self.line(batch).sum()

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return torch.optim.SGD(self.parameters(), 0.1)

    loader, progress = DataLoader(torch.ones(4, 2), 2), TerminalProgress("bars")
    options: dict = {"logger": False, "enable_checkpointing": False, "enable_model_summary": False}
    for _ in range(2):
        trainer = lightning.Trainer(max_epochs=1, callbacks=[progress], **options)
        trainer.fit(Line(), loader)

    assert trainer.state.finished


def test_arrows_tell_what_changed() -> None:
    def rows(dimension: float, bits: float) -> list[Row]:
        return [
            Row("relu1", 0, 0.5, "intrinsic_dimension", "two_nn", "", dimension),
            Row("relu1", 0, 0.5, "unit_information", "mean", "luminance", bits),
        ]

    def table(now: list[Row], before: list[Row]) -> Table:
        (table,) = point_tables(ProbePoint(1, 5), now, Catalogue(), before, width=80)
        return table

    changed = table(rows(40, 0.010), rows(20, 0.030))

    assert [list(column.cells) for column in changed.columns] == [["relu1"], ["40 ↑"], ["10 ↓"]]
    assert list(table(rows(20.1, 0.03), rows(20, 0.03)).columns[1].cells) == ["20 →"]


def test_the_input_is_shown_once_with_units_in_every_table() -> None:
    def rows(shift: float) -> list[Row]:
        dimension = [Row("input", 0, 0.0, "intrinsic_dimension", "two_nn", "", 30.0)]
        dimension += [Row("relu1", 1, 0.5, "intrinsic_dimension", "two_nn", "", 20.0 + shift)]
        names = ["luminance", "spatial_frequency", "edge_energy"]
        return dimension + [Row("relu1", 1, 0.5, "unit_information", "mean", name, -0.0001) for name in names]

    first = point_tables(ProbePoint(0, 0), rows(0), Catalogue(), width=45)
    later = point_tables(ProbePoint(1, 5), rows(9), Catalogue(), rows(0), width=45)

    assert len(first) == 2 == len(later), "what finds no room stands below"
    assert list(first[0].columns[0].cells) == ["input", "relu1"] and list(later[0].columns[0].cells) == ["relu1"]
    headings = [column.header for table in first for column in table.columns if column.header != "layer"]
    assert headings == ["ID\ndimensions", *(f"{name}\nmillibit\nper unit" for name in _HEADINGS)]
    assert list(first[0].columns[2].cells) == ["", "0"], "what rounds to zero has no sign"


def test_an_unknown_mode_is_refused() -> None:
    with pytest.raises(InputError, match=r"callbacks.progress.mode=loud: choose auto, bars, plain or quiet"):
        TerminalProgress("loud")
