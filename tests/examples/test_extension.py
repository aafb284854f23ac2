"""An extension outside the package: its probe, property, network and data are used with no edit of pdtrain."""

import contextlib
import doctest
import importlib
import io
import math
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType

import matplotlib.pyplot as plt
import pandas as pd
import pytest
import torch
from hydra import compose, initialize_config_module
from omegaconf import DictConfig

from pdtrain.activations.layers import Layer
from pdtrain.activations.recorder import LayerResponse
from pdtrain.commands.probe import probe, with_stored
from pdtrain.commands.train import train
from pdtrain.errors import InputError
from pdtrain.loggers.wandb_files import records
from pdtrain.report.comparison import write_comparison
from pdtrain.report.page import write_report
from pdtrain.report.profiles import panels_of
from pdtrain.results.catalogue import catalogue_of
from pdtrain.results.reader import epoch_ends, load
from pdtrain.stimuli.properties import PROPERTIES
from pdtrain.stimuli.stimulus_set import StimulusSet

_ROOT = Path(__file__).parents[2]
_EXTENSION = _ROOT / "examples" / "extension"
_CONF = _EXTENSION / "conf"
_MODULES = sorted(path.stem for path in (_EXTENSION / "sparse_vision").glob("[a-z]*.py"))
_TINY = [
    "experiment=sparse",
    "data.training_images=120",
    "data.validation_images=100",
    "data.pixels=12",
    "model.network.width=4",
    "stimuli.count=100",
    "trainer.max_epochs=2",
    "layers.names=[input,relu1,relu2,relu3]",
    # what is pdtrain's own has tests of its own
    "probes.intrinsic_dimension=null",
    "probes.object_information=null",
    "probes.unit_information.properties=[light_from_above]",
    "report=false",
]
_KEY = "sparseness/relu2/mean"


class _NotThere:
    """A finder that makes the extension impossible to import."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        if name.partition(".")[0] == "sparse_vision":
            raise ModuleNotFoundError(name)


def _forget() -> None:
    """As in a process that has imported nothing of the extension."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "sparse_vision"]:
        del sys.modules[name]
    PROPERTIES.pop("light_from_above", None)


@pytest.fixture(autouse=True)
def importable(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The extension can be imported, as where it is installed; nothing of it stays for other tests."""
    monkeypatch.syspath_prepend(_EXTENSION)
    _forget()
    yield
    _forget()


@pytest.fixture
def absent(importable: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """The extension is not there, as on the machine of somebody who is sent the rows."""
    monkeypatch.setattr(sys, "meta_path", [_NotThere(), *sys.meta_path])
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("sparse_vision")


def _module(name: str) -> ModuleType:
    return importlib.import_module(f"sparse_vision.{name}")


def _config(name: str, *overrides: str) -> DictConfig:
    with initialize_config_module("pdtrain.conf", version_base="1.3"):
        return compose(name, [f"hydra.searchpath=[file://{_CONF}]", *overrides])


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A sweep of two seeds, the first by the command as a user types it; and what that printed."""
    folder = tmp_path_factory.mktemp("sparse")
    command = [sys.executable, "-m", "pdtrain.commands.train", "--config-dir", str(_CONF), *_TINY]
    command += [f"hydra.run.dir={folder / '0'}", "seed=0"]
    environment = os.environ | {"PYTHONPATH": str(_EXTENSION), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setenv("WANDB_MODE", "offline")
        monkeypatch.syspath_prepend(_EXTENSION)
        options = ["logger=csv_wandb", "callbacks.wandb_media.every_epochs=2", "+trainer.enable_progress_bar=false"]
        with contextlib.redirect_stdout(io.StringIO()):
            train(_config("train", *_TINY, f"paths.run_dir={folder / '1'}", "seed=1", *options))
    return folder, done.stdout


def test_its_values_are_among_the_rows(runs: tuple[Path, str]) -> None:
    rows = load(runs[0] / "0")

    of_probe = rows[rows.probe == "sparseness"]
    assert sorted(of_probe.epoch.unique()) == [0, 1, 2]
    assert set(of_probe.layer) == {"input", "relu1", "relu2", "relu3"}
    means = of_probe[of_probe.quantity == "mean"]
    assert means.value.between(0.01, 0.99).all() and (means.lower < means.value).all()
    assert (means.upper - means.lower < 0.2).all() and set(means.estimator) == {"sparseness 1"}
    assert set(rows[rows.probe == "unit_information"].property) == {"light_from_above"}
    assert len(load(runs[0], keys=["seed"]).seed.unique()) == 2


def test_loggers_and_the_terminal_have_it(runs: tuple[Path, str]) -> None:
    folder, printed = runs

    metrics = pd.read_csv(folder / "0" / "csv" / "metrics.csv")
    rows = load(folder / "0")
    rows = rows[(rows.layer == "relu2") & (rows.probe == "sparseness") & (rows.quantity == "mean")]
    logged = metrics.dropna(subset=[_KEY])
    assert logged[_KEY].tolist() == pytest.approx(rows.sort_values("epoch").value.tolist())
    assert logged[f"{_KEY}_std"].tolist() == pytest.approx(rows.sort_values("epoch").standard_deviation.tolist())
    assert "info/relu2/light_from_above/mean" in metrics and "sparseness/relu2/silent_stimuli_std" not in metrics
    point, end = printed.index("epoch 2, step"), printed.index("untrained → epoch 2")
    assert re.search(r"light from *\n +above +sparse *\n", printed[point:end])
    first, last = rows.sort_values("epoch").value.iloc[[0, -1]]
    assert f"{last:.2f}" in printed[point:end] and f"{first:.2f}→{last:.2f}" in printed[end:]


def test_the_report_draws_it_without_the_extension(runs: tuple[Path, str], absent: None) -> None:
    run_dir = runs[0] / "0"

    page = write_report(run_dir).read_text()

    headings = re.findall(r'<section id="([^"]*)"([^>]*)>\n<h2>(.*)</h2>', page)
    titles = {name: title for name, _, title in headings}
    assert titles["sparseness"] == "Population sparseness along depth"
    order = list(titles)
    assert order.index("information") < order.index("sparseness") < order.index("paths")
    (panel,) = re.findall(r'<section id="sparseness">.*?</section>', page, re.S)
    assert 'data-chart="sparseness"' in panel
    assert "a single one answers" in panel and "Bars and bands: 95% interval over stimuli." in panel
    assert {"paths", "heat_maps"} <= titles.keys() and (run_dir / "report" / "sparseness.png").stat().st_size > 5000
    rows = epoch_ends(load(run_dir))
    drawn = catalogue_of(run_dir / "results", rows).drawn(rows)
    assert [(m.probe, about) for m, about, _ in panels_of(rows, drawn)] == [
        ("unit_information", "light_from_above"),
        ("sparseness", ""),
    ]
    assert not plt.get_fignums()


def test_a_comparison_of_seeds_draws_and_tabulates_it_without_the_extension(
    runs: tuple[Path, str], tmp_path: Path, absent: None
) -> None:
    page = write_comparison([runs[0]], tmp_path).read_text()

    table = pd.read_csv(tmp_path / "layers.csv", keep_default_na=False).query("layer == 'relu2'").set_index("quantity")
    assert {"mean", "silent_stimuli"} <= set(table.index), "drawn, and tabulated though it is not drawn"
    values = [
        rows[(rows.layer == "relu2") & (rows.probe == "sparseness") & (rows.quantity == "mean")].value.iloc[-1]
        for rows in (load(runs[0] / seed) for seed in "01")
    ]
    mean = table[table.property == ""].loc["mean"]
    assert float(mean["mean"]) == pytest.approx(sum(values) / 2) and mean.runs == 2 and mean.setting == "all runs"
    assert (tmp_path / "comparison_sparseness.png").stat().st_size > 5000
    assert "<h2>Population sparseness along depth, after training</h2>" in page
    assert "a single one answers" in page and "Student" in page


def test_wandb_has_it(runs: tuple[Path, str]) -> None:
    (file,) = (runs[0] / "1").glob("wandb/offline-run-*/*.wandb")
    found = list(records(file))

    steps = [(record.metric.glob_name, record.metric.step_metric) for record in found if record.HasField("metric")]
    keys = {"/".join(i.nested_key) or i.key for r in found if r.HasField("history") for i in r.history.item}
    assert ("sparseness/*", "epoch") in steps
    assert {"sparseness/relu2", "depth/sparseness_table/_type", "figures/sparseness/_type"} <= keys, (
        "headline, as it says"
    )
    assert _KEY not in keys, "all else is in the table"
    assert list(file.parent.glob("files/media/images/figures/sparseness_*.png"))


def _probe(run_dir: Path, *overrides: str) -> None:
    given = [f"run_dir={run_dir}", *overrides]
    probe(_config("probe", *given), given)


def test_a_stored_target_is_built_where_the_user_trusts_it(runs: tuple[Path, str]) -> None:
    run_dir = runs[0] / "0"

    with pytest.raises(InputError) as refused:
        _probe(run_dir)

    assert str(refused.value).startswith("data._target_=sparse_vision.data.Gratings: ")
    assert "'trust=[sparse_vision]'" in str(refused.value) and "sparse_vision" not in sys.modules
    _probe(run_dir, "trust=[sparse_vision]", "probe_set=again", "ckpt_path='epoch=0002*'")
    keys = ["layer", "probe", "quantity", "property"]
    of_point = "epoch == 2 and probe != 'index'"  # indices need the untrained network, which was not probed again
    online, later = (load(run_dir, probe_set=name).query(of_point) for name in ("training", "again"))
    assert "sparseness" in set(later.probe)
    online, later = (frame.set_index(keys).value.sort_index() for frame in (online, later))
    assert later.index.equals(online.index) and later.tolist() == pytest.approx(online.tolist(), nan_ok=True)


def test_an_installed_extension_is_trusted(
    runs: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What `pip install` leaves behind of the extension's pyproject.toml, without the installing."""
    project = tomllib.loads((_EXTENSION / "pyproject.toml").read_text())["project"]
    information = tmp_path / f"sparse_vision-{project['version']}.dist-info"
    information.mkdir()
    (information / "METADATA").write_text(f"Name: {project['name']}\nVersion: {project['version']}\n")
    lines = [
        f"[{group}]\n" + "".join(f"{name} = {module}\n" for name, module in points.items())
        for group, points in project["entry-points"].items()
    ]
    (information / "entry_points.txt").write_text("\n".join(lines))
    run_dir = runs[0] / "0"
    given = [f"run_dir={run_dir}"]
    assert not entry_points(group="pdtrain.extensions")
    monkeypatch.syspath_prepend(tmp_path)

    merged = with_stored(_config("probe", *given), run_dir, given)

    assert merged.model.network._target_ == "sparse_vision.network.small_net"


@pytest.mark.parametrize("name", _MODULES)
def test_its_property_is_known_whatever_is_imported_first(name: str) -> None:
    assert "light_from_above" not in PROPERTIES

    importlib.import_module("sparse_vision" if name == "__init__" else f"sparse_vision.{name}")

    image = torch.zeros(1, 1, 8, 8)
    image[..., :4, :] = 0.75
    stimuli = StimulusSet(image, torch.zeros(1, dtype=torch.long))
    stimuli.check_properties(["light_from_above"])
    assert stimuli.values("light_from_above").tolist() == [0.75]


@pytest.mark.parametrize("name", ["estimator", "property"])
def test_its_examples_hold(name: str) -> None:
    found = doctest.testmod(_module(name))

    assert found.attempted and not found.failed


def test_its_estimator_is_right_where_the_truth_is_known() -> None:
    estimator = _module("estimator")
    generator = torch.Generator().manual_seed(0)
    exponential = -torch.rand(400, 5000, generator=generator).log()  # <r>^2 / <r^2> = 1 / 2
    one_in_ten = torch.zeros(3, 1000)
    one_in_ten[:, ::10] = 1e-30  # also where squares are below the smallest number

    assert estimator.population_sparseness(exponential).mean == pytest.approx(0.5, abs=0.002)
    assert estimator.population_sparseness(one_in_ten).mean == pytest.approx(0.9 / 0.999)
    assert estimator.sparseness_of_each(-one_in_ten).tolist() == estimator.sparseness_of_each(one_in_ten).tolist()
    covered = [
        found.lower < 0.5 < found.upper
        for sample in (-torch.rand(200, 20, 2000, generator=generator).log())
        if (found := estimator.population_sparseness(sample))
    ]
    assert 0.9 < sum(covered) / len(covered) < 0.99, "95% intervals"


def test_its_probe_says_why_there_is_no_value() -> None:
    probe_of = _module("probe").SparsenessProbe()
    half = torch.rand(20, 6, generator=torch.Generator().manual_seed(0))
    half[:5] = 0
    responses = [_response(torch.zeros(20, 6)), _response(torch.ones(20, 1)), _response(half)]
    stimuli = StimulusSet(torch.zeros(20, 1, 4, 4), torch.zeros(20, dtype=torch.long))

    rows = probe_of.measure(responses, stimuli).rows

    silent, none_silent, single, mean, share = rows
    assert math.isnan(silent.value) and silent.note == "no unit answers to any stimulus" and none_silent.value == 1
    assert math.isnan(single.value) and single.note == "1 units are too few"
    assert mean.n == 15 and mean.note == "without 5 stimuli that no unit answers to" and share.value == 0.25
    with pytest.raises(InputError, match="layer relu: activation of stimulus 0, unit 0 is nan"):
        probe_of.measure([_response(torch.full((20, 6), torch.nan))], stimuli)


def _response(answers: torch.Tensor) -> LayerResponse:
    layer = Layer("relu", "relu", 1, 0.5, (answers.shape[1],), "activation")
    return LayerResponse(layer, answers, False, torch.arange(answers.shape[1]), answers, torch.device("cpu"))


def test_its_gratings_show_what_their_labels_say() -> None:
    gratings = _module("data").Gratings

    def drawn(seed: int) -> StimulusSet:
        data = gratings(orientations=4, training_images=10, validation_images=60, noise=0.0, split_seed=seed)
        data.setup()
        return data.held_out(60, seed=0)

    stimuli = drawn(0)
    assert set(stimuli.labels.tolist()) == {0, 1, 2, 3}
    beside = stimuli.values("orientation") - stimuli.labels * math.pi / 4  # of what has a period of half a turn
    assert torch.cos(2 * beside).min() > 0.9
    assert torch.equal(drawn(0).pixels, stimuli.pixels) and not torch.equal(drawn(1).pixels, stimuli.pixels)
    with pytest.raises(InputError, match=r"data\.orientations=1"):
        gratings(orientations=1)


def test_the_page_extend_shows_its_files() -> None:
    shown = re.findall(r'^--8<-- "examples/(.*)"$', (_ROOT / "docs" / "extend.md").read_text(), re.M)

    files = [path for path in _EXTENSION.rglob("*") if path.suffix in (".py", ".yaml", ".toml")]
    assert len(files) > 8 and {str(path.relative_to(_ROOT / "examples")) for path in files} <= set(shown)
    assert "pymdownx.snippets" in (_ROOT / "mkdocs.yml").read_text()
