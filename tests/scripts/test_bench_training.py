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


@pytest.mark.parametrize(
    ("ratio", "before", "said"),
    [
        (0.89, 0.8, []),
        (0.91, 0.8, ["promised 0.9"]),
        (0.65, 0.53, ["0.53 in docs/scale.md"]),  # promised, and yet it got worse
        (0.97, 0.53, ["promised 0.9", "0.53 in docs/scale.md"]),
    ],
)
def test_a_check_fails_where_it_is_slower_than_promised_or_than_before(
    bench: ModuleType,
    ratio: float,
    before: float,
    said: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(bench, "trainings", lambda *arguments: iter([("default", ratio, 0.9)]))
    monkeypatch.setattr(bench, "reading", lambda *arguments, **options: ("JPEG", 0.9, 1.0))
    monkeypatch.setattr(bench, "measured_before", lambda: {"default": before, "JPEG": 0.8})
    monkeypatch.setattr(sys, "argv", ["bench_training.py", "--check"])

    assert bench.main() == int(bool(said))
    told = [line for line in capsys.readouterr().out.splitlines() if line.startswith(("default", "JPEG"))]
    assert told == [f"default: {ratio}, {what}" for what in said]


def test_what_was_measured_before_stands_in_the_tables_that_are_printed(bench: ModuleType) -> None:
    before = bench.measured_before()

    promised = {name: task.promised for name, task in bench.TASKS.items()}
    promised |= {f"{n}, with default probes": t.with_probes for n, t in bench.TASKS.items() if t.with_probes}
    promised |= {bench._JPEG: bench.PROMISED_JPEG}
    assert before.keys() == promised.keys()
    assert all(0.3 < before[name] <= promised[name] for name in promised)


def test_reading_prints_the_table_of_the_docs(
    bench: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name, ratio, _ = bench.reading(tmp_path, files=80, rounds=1)

    header, rule, row = capsys.readouterr().out.strip().splitlines()
    assert f"{header}\n{rule}\n| {name} | " in (Path(__file__).parents[2] / "docs" / "scale.md").read_text()
    assert row == f"| {name} | 80 | {ratio:.2f} |"
