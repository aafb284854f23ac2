import logging
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hydra.core.global_hydra import GlobalHydra

from pdtrain.commands import shell


@pytest.fixture(autouse=True)
def signals_are_the_tests(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands in this process leave them as they are."""
    monkeypatch.setattr(shell, "leave_when_asked", lambda: None)
    monkeypatch.setattr(shell, "handled_by", lambda handler: None)


@pytest.fixture
def refuse(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Run a command in this process that must fail with one line; return the line."""

    def run(name: str, main: Callable[[], None], arguments: list[str], *, codes: tuple[int, ...] = (1, 2)) -> str:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "argv", [name, *arguments])
        GlobalHydra.instance().clear()
        with pytest.raises(SystemExit) as ended:
            main()
        for handler in [h for h in logging.root.handlers if isinstance(h, logging.FileHandler)]:
            logging.root.removeHandler(handler)  # it would make its file anew, in a folder that is gone
            handler.close()
        assert ended.value.code in codes
        shown = [line for line in capfd.readouterr().err.splitlines() if line.strip()]
        assert len(shown) == 1 and shown[0].startswith(f"{name}: "), shown
        return shown[0]

    return run
