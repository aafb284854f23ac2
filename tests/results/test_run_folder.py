"""Names of probe sets: plain ones are folders of their own, and no other is written or read under."""

from collections.abc import Callable
from pathlib import Path

import pytest
from hydra import compose, initialize_config_module
from omegaconf import DictConfig, OmegaConf

from pdtrain.commands.probe import probe
from pdtrain.commands.report import report
from pdtrain.errors import InputError
from pdtrain.report.page import write_report
from pdtrain.results.reader import load
from pdtrain.results.rows import UNTRAINED, Row
from pdtrain.results.run_folder import RunFolder, plain_name
from pdtrain.results.store import ResultsStore

_OUTSIDE = [
    "..", "../..", "../../x", "../results", "a/..", "a/../..", "./a", "a/", "/", "/tmp/x", "//x", "~", "~/x", "$HOME",
    "a/b", "a\\b", "C:\\x", "file:///x", "a\x00b", "\x00",
]  # fmt: skip
_OVER_TRAININGS = [
    "", ".", " ", "results", "Results", "RESULTS", "./", "././.", "measures.json", "probe.yaml", "report.html",
    "dimension.svg", "epoch=0000-step=00000000.rows.parquet", "epoch=0001-step=00000003.units.parquet", ".hidden",
    ".epoch=0000-step=00000000.rows.1.parquet", "differences.csv",
]  # fmt: skip
_PATTERNS = ["*", "**", "?", "[ab]", "[!a]", "a*", "*.parquet", "{a,b}", "pro?e", "[", "]", "a|b", "^a$"]
_LINES = [
    "a\nb", "\n", "a\n", "\ta", "a\r", "\x1b[2J", "a\x07", "a\x7fb", "a\xa0b", "a\u2028b", "\u202eabc", "-rf", "--help",
    "=1+1", "+a", "@a", "a;b", "a&b", "a'b", 'a"b', "`a`", "$(a)", "a,b", "<b>", "a:b", "a  b", "a ", "#a", "%00",
    "\ud800",
]  # fmt: skip
_LONG = ["a" * 101, "a" * 300, "é" * 60, "界" * 40, "a" * 10**6]
HOSTILE = [*_OUTSIDE, *_OVER_TRAININGS, *_PATTERNS, *_LINES, *_LONG]
_PLAIN = [
    "probe", "full", "a", "A_b-2", "fraction=0.9", "lr1e-3", "v1.2.3", "two words", "größe", "条件", "training_2",
    "relu1+relu2", "9", "_", "a" * 100, "results2", "epoch=0000-step=00000000", "con",
]  # fmt: skip
_ROW = Row("relu1", 1, 0.5, "intrinsic_dimension", "two_nn", "", 3.0)


@pytest.fixture(scope="module")
def run_dir(configure_shared: Callable[..., DictConfig], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run with rows of training and of another set."""
    folder = tmp_path_factory.mktemp("runs") / "run"
    for probe_set in ("training", "probe"):
        ResultsStore(folder, probe_set=probe_set).write(UNTRAINED, [_ROW], [])
    OmegaConf.save(configure_shared(), folder / "run.yaml")
    return folder


def _content(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() if path.is_file() else b"" for path in folder.rglob("*")}


def _command(name: str, *overrides: str) -> DictConfig:
    with initialize_config_module("pdtrain.conf", version_base="1.3"):
        return compose(name, list(overrides))


def test_no_command_reads_or_writes_under_a_name_that_is_not_plain(
    run_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(run_dir)
    before = _content(run_dir.parent)
    built: list[object] = []
    # build last: a module that is first imported meanwhile would keep what stands in its place
    for builder in ("probe_weights.built", "probe_job.build_probes", "build.built"):
        monkeypatch.setattr(f"pdtrain.commands.{builder}", built.append)
    of_run, of_weights = (
        _command("probe", f"run_dir={run_dir}"),
        _command("probe", f"out={run_dir}/o", "state_dict=x.pth"),
    )
    of_neurons = _command("probe", f"out={run_dir}", "responses=r.csv", "stimuli_table=s.csv")
    shown = _command("report", f"run_dir={run_dir}")
    for name in HOSTILE:
        tried: list[Callable[[], object]] = [
            lambda name=name: load(run_dir, probe_set=name),
            lambda name=name: load(run_dir, units=True, probe_set=name),
            lambda name=name: ResultsStore(run_dir, probe_set=name),
            lambda name=name: RunFolder(run_dir).page(name),
            lambda name=name: write_report(run_dir, probe_set=name),
        ]
        for command, config in ((probe, of_run), (probe, of_weights), (probe, of_neurons), (report, shown)):
            for force in (False, True) if command is probe else (False,):
                changed = OmegaConf.merge(config, {"probe_set": name} | ({"force": force} if command is probe else {}))
                if name or command is probe:  # none is given to the report
                    tried.append(lambda command=command, changed=changed: command(changed))
        for attempt in tried:
            with pytest.raises(InputError, match=r"^probe_set=") as refused:
                attempt()
            assert str(refused.value).isprintable() and len(str(refused.value)) < 200

    assert built == [] and _content(run_dir.parent) == before


def test_trainings_rows_are_no_set_that_can_be_probed(run_dir: Path) -> None:
    before = _content(run_dir.parent)

    for overrides in ([f"run_dir={run_dir}"], [f"out={run_dir}", "responses=r.csv", "stimuli_table=s.csv"]):
        for force in ("true", "false"):
            with pytest.raises(InputError, match="probe_set=training: that name is for what training wrote"):
                probe(_command("probe", *overrides, "probe_set=training", f"force={force}"))

    assert _content(run_dir.parent) == before


@pytest.mark.parametrize("target", [".", "..", "../results", "../../other/results", "/tmp", "probe", "nowhere"])
def test_a_set_whose_folder_is_a_link_is_not_written(target: str, tmp_path: Path) -> None:
    for run in ("run", "other"):
        ResultsStore(tmp_path / run).write(UNTRAINED, [_ROW], [])
    (tmp_path / "run" / "results" / "linked").symlink_to(target)
    before = _content(tmp_path / "run" / "results"), _content(tmp_path / "other")

    with pytest.raises(InputError, match=r"^probe_set=linked: .*results/linked is a link; remove it"):
        ResultsStore(tmp_path / "run", probe_set="linked").write(UNTRAINED, [], [])

    assert (_content(tmp_path / "run" / "results"), _content(tmp_path / "other")) == before


@pytest.mark.parametrize("name", _PLAIN)
def test_a_plain_name_is_a_folder_of_its_own(name: str, tmp_path: Path) -> None:
    ResultsStore(tmp_path).write(UNTRAINED, [_ROW], [])
    path = ResultsStore(tmp_path, probe_set=plain_name(name)).write(UNTRAINED, [_ROW, _ROW], [])

    assert path.parent == tmp_path / "results" / name
    assert (len(load(tmp_path, probe_set=name)), len(load(tmp_path))) == (2, 1)
    assert RunFolder(tmp_path).page(name) == tmp_path / "report" / name / "report.html"
