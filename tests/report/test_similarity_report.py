from pathlib import Path

import pandas as pd
import pytest
import torch
from hydra import compose, initialize_config_module

from pdtrain.activations.layers import Layer
from pdtrain.activations.recorder import LayerResponse
from pdtrain.probes.similarity_probe import PREVIOUS, UNTRAINED_NETWORK, SimilarityProbe
from pdtrain.report.comparison import write_comparison
from pdtrain.report.figure_files import save_figure
from pdtrain.report.measured_charts import MeasuredCharts
from pdtrain.report.page import write_report
from pdtrain.report.similarity import TABLE
from pdtrain.report.similarity_figures import layer_maps
from pdtrain.report.summary import print_summary
from pdtrain.results.catalogue import Catalogue, catalogue_of
from pdtrain.results.configuration import save_configuration
from pdtrain.results.reader import load
from pdtrain.results.rows import ProbePoint
from pdtrain.results.store import ResultsStore
from pdtrain.stimuli.stimulus_set import StimulusSet

_POINTS = [ProbePoint(0, 0), ProbePoint(1, 10), ProbePoint(2, 20)]
_LAYERS = ("input", "relu1", "output")


def _stimuli(seed: int) -> StimulusSet:
    pixels = torch.rand(40, 1, 4, 4, generator=torch.Generator().manual_seed(seed))
    return StimulusSet(pixels, torch.arange(40) % 4)


def _responses(seed: int, epoch: int) -> list[LayerResponse]:
    """Layers of known likeness: each holds the one before, and as much noise again as there are epochs."""
    values = torch.randn(40, 12, generator=torch.Generator().manual_seed(0))
    made = []
    for place, name in enumerate(_LAYERS):
        noise = torch.randn(40, 12, generator=torch.Generator().manual_seed(100 * seed + 10 * epoch + place))
        values = values + place * (0.3 + 0.3 * epoch) * noise
        layer = Layer(name, name, 1, place / 2, (12,), "activation")
        made.append(LayerResponse(layer, values, False, torch.arange(12), values, torch.device("cpu")))
    return made


def _run(folder: Path, seed: int, *, stimuli: int = 0, probe: SimilarityProbe | None = None, keep: bool = True) -> Path:
    """A run's folder with the similarity of three points, made as the prober does."""
    with initialize_config_module("pdtrain.conf", version_base="1.3"):
        save_configuration(folder, compose("train", [f"seed={seed}", f"paths.run_dir={folder}"]))
    store, shown, probe = ResultsStore(folder), _stimuli(stimuli), probe or SimilarityProbe()
    store.keep(Catalogue(probe.measures))
    past: dict = {}
    for point in _POINTS:
        responses = _responses(seed, point.epoch)
        found = probe.measure(responses, shown)
        now = found.dissimilarities
        assert now is not None
        past.setdefault(UNTRAINED_NETWORK, (point, now))
        rows = [*found.rows, *probe.compare(responses, now, past)]
        store.write(point, rows, [], now if keep else None)
        past[PREVIOUS] = (point, now)
    return folder


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _run(tmp_path_factory.mktemp("similarity") / "one", 1)


@pytest.mark.usefixtures("undrawn")
def test_the_page_has_maps_of_layers_and_of_epochs(run: Path) -> None:
    page = write_report(run).read_text()

    for panel in (
        "layer_similarity",
        "similarity",
        "similarity_epochs",
    ):
        assert f'<section id="{panel}"' in page
    assert "Every layer against every other" in page
    assert "not estimated" not in page.lower()


def test_the_figure_has_the_first_and_the_last_epoch_and_the_chart_all(run: Path, tmp_path: Path) -> None:
    rows = load(run)
    measures = catalogue_of(run / "results", rows).maps(rows)["layer_similarity"]

    drawn = save_figure(layer_maps(rows, measures), tmp_path, "map").decode()
    tables = {view.table.title: view.table for view in MeasuredCharts(rows, []).between_layers(measures).views}

    titles = ["CKA of layers, untrained", "CKA of layers, epoch 1", "CKA of layers, epoch 2"]
    assert [title in drawn for title in titles] == [True, False, True] and set(titles) <= set(tables)
    value = rows[(rows.quantity == "cka") & (rows.epoch == 1) & (rows.layer == "relu1")].iloc[0]
    of_epoch = tables[titles[1]]
    place = of_epoch.lines.items.index(value.layer), of_epoch.columns.items.index(value.property)
    assert of_epoch.values[place] == of_epoch.values.T[place] == value.value


def test_the_terminal_has_columns_of_it(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from rich.console import Console

    print_summary(run, Console(width=120))

    assert "CKA" in (out := capsys.readouterr().out) and "1.00→" in out


@pytest.mark.usefixtures("undrawn")
def test_two_runs_are_compared(run: Path, tmp_path: Path) -> None:
    other = _run(tmp_path / "two", 2)

    page = write_comparison([run, other], tmp_path / "out").read_text()

    table = pd.read_csv(tmp_path / "out" / TABLE)
    of_input = table[(table.layer == "input") & (table.other_layer == "input")]
    assert of_input["mean"].tolist() == pytest.approx([1, 1]) and set(table.interval) == {"stimuli"}
    assert len(table) == 2 * len(_LAYERS) ** 2
    assert '<section id="similarity_runs"' in page and '<section id="similarity_same_layers"' in page


@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"stimuli": 1}, "was shown other stimuli than"),
        ({"probe": SimilarityProbe(comparison="pearson")}, "was measured with other values of probes.similarity than"),
        ({"keep": False}, "not given, as nothing was kept of"),
    ],
)
def test_runs_that_cannot_be_compared_are_said_to_be(run: Path, tmp_path: Path, options: dict, said: str) -> None:
    other = _run(tmp_path / "two", 2, **options)

    page = write_comparison([run, other], tmp_path / "out").read_text()

    assert said in page
    if "probe" in options:  # CKA is made alike
        assert set(pd.read_csv(tmp_path / "out" / TABLE).quantity) == {"cka"}
    else:
        assert not (tmp_path / "out" / TABLE).exists() and 'id="similarity_runs"' not in page
