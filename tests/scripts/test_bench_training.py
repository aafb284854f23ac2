import importlib
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch

_TINY = [
    "data.validation_images=100", "stimuli.count=100", "trainer.max_epochs=2", "model.network.widths=[4]",
    "model.network.hidden=8", "callbacks=no_probes",
]  # fmt: skip


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(Path(__file__).parents[2] / "scripts")
    return importlib.import_module("bench_training")


def test_all_loops_train_as_many_batches_of_a_network_of_their_own(
    bench: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Colour images, augmented; a turn ends within the epoch, and an epoch within a turn."""
    monkeypatch.setattr(bench, "_TURN", 2)

    seconds = bench.training(list(bench.TASKS)[2], tmp_path, 160, *_TINY)

    assert bench.Beside.batches == {"plain": 6, "tuned": 6}
    assert set(seconds) == {"plain", "tuned", "ours"} and min(seconds.values()) > 0

    monkeypatch.setattr(bench, "LOOPS", {})
    bench.training(list(bench.TASKS)[2], tmp_path, 160, *_TINY)

    beside, alone = (torch.load(path)["state_dict"] for path in tmp_path.glob("*/checkpoints/last.ckpt"))
    torch.testing.assert_close(beside, alone, rtol=0, atol=0)  # each loop trains weights of its own


@pytest.mark.parametrize(("ratio", "code"), [(0.89, 0), (0.91, 1)])
def test_a_check_fails_where_it_is_slower_than_promised(
    bench: ModuleType, ratio: float, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(bench, "trainings", lambda *arguments: iter([("default", ratio, 0.9)]))
    monkeypatch.setattr(bench, "reading", lambda *arguments, **options: ("JPEG", 1.0, 1.0))
    monkeypatch.setattr(sys, "argv", ["bench_training.py", "--check"])

    assert bench.main() == code
    assert ("default: 0.91, promised 0.9" in capsys.readouterr().out) == bool(code)
