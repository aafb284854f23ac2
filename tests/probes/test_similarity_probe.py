import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from jaxtyping import Float
from torch import Tensor, nn

from pdtrain.activations.layers import Layer
from pdtrain.activations.recorder import LayerResponse, Recorder
from pdtrain.errors import InputError
from pdtrain.estimators.similarity import linear_cka, rsa
from pdtrain.probes.prober import LooksBack, Probe, Prober
from pdtrain.probes.similarity_probe import SimilarityProbe
from pdtrain.results.catalogue import Catalogue
from pdtrain.results.rows import ProbePoint, Row
from pdtrain.results.store import ResultsStore
from pdtrain.stimuli.stimulus_set import StimulusSet
from pdtrain.training.models import small_vgg

_POINTS = [ProbePoint(0, 0), ProbePoint(1, 10), ProbePoint(2, 20)]


def _stimuli(count: int = 60) -> StimulusSet:
    generator = torch.Generator().manual_seed(0)
    return StimulusSet(torch.rand(count, 1, 12, 12, generator=generator), torch.arange(count) % 4)


def _network(seed: int) -> nn.Module:
    torch.manual_seed(seed)
    return small_vgg(4, 1, widths=(4, 8), hidden=16)


def _response(name: str, values: Float[Tensor, "stimuli units"], place: int = 0) -> LayerResponse:
    layer = Layer(name, name, 1, place / 10, (values.shape[1],), "activation")
    return LayerResponse(layer, values, False, torch.arange(values.shape[1]), values, torch.device("cpu"))


def _random(units: int, *, seed: int, stimuli: int = 60) -> Float[Tensor, "stimuli units"]:
    return torch.randn(stimuli, units, generator=torch.Generator().manual_seed(seed))


def _by_place(rows: list[Row]) -> dict[tuple[str, str, str], Row]:
    return {(row.layer, row.quantity, row.property): row for row in rows if row.probe == "similarity"}


def _probed(folder: Path, points: list[ProbePoint], layers: list[str] | None = None) -> list[list[Row]]:
    """Measure networks that differ from point to point, each as if it had been trained meanwhile."""
    prober = Prober(_stimuli(), ResultsStore(folder), layers=layers, index_property="luminance")
    return [prober.measure(_network(point.epoch), [SimilarityProbe()], point) for point in points]


@pytest.fixture(scope="module")
def probed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[list[Row]]]:
    folder = tmp_path_factory.mktemp("probed")
    return folder, _probed(folder, _POINTS)


def test_it_is_a_probe_that_looks_back() -> None:
    assert isinstance(SimilarityProbe(), Probe) and isinstance(SimilarityProbe(), LooksBack)


def test_layers_are_compared_as_their_responses_are() -> None:
    first, second = _random(20, seed=0), _random(30, seed=1)
    second[:, :10] += first[:, :10]
    stimuli = _stimuli()
    probe = SimilarityProbe(distance="squared_euclidean", comparison="pearson")

    rows = _by_place(probe.measure([_response("a", first), _response("b", second, 1)], stimuli).rows)

    cka, of_rsa = rows["a", "cka", "b"], rows["a", "rsa", "b"]
    expected = linear_cka(first, second, halves=stimuli.halves)
    assert cka.value == pytest.approx(expected.value, abs=1e-5)  # kept to three digits
    assert (cka.lower, cka.upper) == pytest.approx((expected.lower, expected.upper), abs=1e-4)
    assert of_rsa.value == pytest.approx(
        rsa(first, second, distance="squared_euclidean", comparison="pearson").value, abs=1e-5
    )
    assert cka.n == 60 and cka.estimator == "similarity 1 unbiased, 500 stimuli"
    assert of_rsa.estimator == "similarity 1 squared_euclidean, pearson, 500 stimuli"


def test_results_do_not_depend_on_the_other_layers(probed: tuple[Path, list[list[Row]]], tmp_path: Path) -> None:
    of_all = _by_place(probed[1][-1])
    of_two = _by_place(_probed(tmp_path, _POINTS, ["relu1", "relu3"])[-1])

    assert of_two and of_two.keys() < of_all.keys()
    for place, row in of_two.items():
        assert (row.value, row.lower, row.note) == (
            pytest.approx(of_all[place].value, abs=1e-9),
            pytest.approx(of_all[place].lower, abs=1e-9),
            of_all[place].note,
        )


def test_each_layer_is_compared_with_its_past(probed: tuple[Path, list[list[Row]]]) -> None:
    first, _, last = map(_by_place, probed[1])

    assert first["relu1", "cka_untrained", ""].value == pytest.approx(1, abs=1e-9)
    assert (
        first["relu1", "cka_untrained", ""].half_differences,
        first["relu1", "cka_untrained", ""].standard_deviation,
    ) == ((), 0)
    assert not any(quantity.endswith("previous") for _, quantity, _ in first)
    assert last["relu1", "cka_untrained", ""].value < 0.99
    assert last["relu1", "cka_previous", ""].note == "with epoch 1, step 10"
    assert last["input", "rsa_previous", ""].value == pytest.approx(1, abs=1e-9)  # it is not trained


def test_a_run_that_was_cut_off_gives_the_same_rows(probed: tuple[Path, list[list[Row]]], tmp_path: Path) -> None:
    left_alone, rows = probed
    _probed(tmp_path, _POINTS[:2])

    resumed = _probed(tmp_path, _POINTS[2:])  # another process: all that it knows of the past is on the disk

    assert _by_place(resumed[0]) == _by_place(rows[2])
    for kept in (left_alone / "results").glob("*.npz"):
        assert kept.read_bytes() == (tmp_path / "results" / kept.name).read_bytes()


def test_a_point_whose_dissimilarities_are_damaged_is_measured_again(
    probed: tuple[Path, list[list[Row]]], tmp_path: Path
) -> None:
    shutil.copytree(probed[0] / "results", tmp_path / "results")
    store = ResultsStore(tmp_path)
    path = next((tmp_path / "results").glob("epoch=0001*.npz"))
    path.write_bytes(path.read_bytes()[:-1] + b"!")

    assert not store.has(_POINTS[1]) and store.has(_POINTS[2])
    assert store.set_damaged_aside() == [path]
    assert not store.has(_POINTS[1])  # others have some
    assert _by_place(_probed(tmp_path, _POINTS[1:2])[0]) == _by_place(probed[1][1])


def test_without_an_untrained_network_there_is_no_value(tmp_path: Path) -> None:
    rows = _by_place(_probed(tmp_path, _POINTS[1:])[0])

    row = rows["relu1", "cka_untrained", ""]
    assert np.isnan(row.value) and row.note == "untrained: nothing was kept of it"


def test_other_stimuli_are_not_compared(tmp_path: Path) -> None:
    _probed(tmp_path, _POINTS[:1])
    prober = Prober(_stimuli(50), ResultsStore(tmp_path), index_property="luminance")

    rows = _by_place(prober.measure(_network(1), [SimilarityProbe()], _POINTS[1]))

    assert rows["relu1", "rsa_untrained", ""].note == "untrained: was shown other stimuli"


def test_of_many_stimuli_a_sample_is_compared() -> None:
    values, stimuli = _random(20, seed=0), _stimuli()

    found = SimilarityProbe(most_stimuli=40).measure([_response("a", values), _response("b", values)], stimuli)

    assert found.rows[0].n == 40 and found.dissimilarities is not None
    assert len(found.dissimilarities.chosen) == 40 and found.dissimilarities.halves.shape == (19, 40)


def test_an_image_that_is_there_twice_is_compared_once(caplog: pytest.LogCaptureFixture) -> None:
    once = _stimuli(40)
    again = StimulusSet(torch.cat([once.pixels, once.pixels[:20]]), torch.arange(60) % 4)
    layers = [_random(200, seed=seed, stimuli=40) for seed in (0, 1)]  # that have nothing in common
    probe, shown = SimilarityProbe(), [torch.cat([values, values[:20]]) for values in layers]

    rows = _by_place(probe.measure([_response("a", shown[0]), _response("b", shown[1], 1)], again).rows)

    row = rows["a", "cka", "b"]
    assert row.n == 40 and abs(row.value) < 0.15 < linear_cka(*shown).value
    assert "20 of 60 stimuli show an image again" in caplog.text


@pytest.mark.parametrize("distance", ["squared_euclidean", "correlation"])
def test_a_projected_layer_is_nearly_as_the_exact_one_and_says_so(distance: str) -> None:
    torch.manual_seed(0)
    network, stimuli = small_vgg(4, 1, widths=(64, 8), hidden=16), _stimuli()
    layers = [
        Layer("input", "input", 1, 0.0, (1, 12, 12), "input"),
        Layer("relu1", "relu1", 1, 0.5, (64, 12, 12), "activation"),
    ]
    probe = SimilarityProbe(distance=distance, comparison="pearson")

    exact, projected = (
        _by_place(probe.measure(Recorder(layers, 60, max_units=10, memory_bytes=size).record(network, stimuli.images),
                                stimuli).rows)
        for size in (2**30, 60 * 4 * (20 + 144 + 4000))
    )  # fmt: skip

    for quantity in ("cka", "rsa"):
        one, other = exact["input", quantity, "relu1"], projected["input", quantity, "relu1"]
        assert (one.method, other.method) == ("exact", "projected")
        # the error of distances takes some 0.017 off their correlation, 0.024 in the worst of twelve networks
        assert other.value == pytest.approx(one.value, abs=0.03) and other.value != one.value
        assert "relu1 projected from 9216 to" in other.note


def test_a_dead_layer_has_a_reason_in_place_of_a_value() -> None:
    dead = _response("dead", torch.zeros(60, 10), 1)

    rows = _by_place(SimilarityProbe().measure([_response("a", _random(5, seed=0)), dead], _stimuli()).rows)

    assert (
        np.isnan(rows["a", "cka", "dead"].value) and rows["a", "cka", "dead"].note == "all stimuli are answered alike"
    )
    assert rows["a", "rsa", "dead"].note == "60 of 60 stimuli are answered alike by all units, or not finitely"


def test_pairs_go_to_no_logger_and_the_past_does(probed: tuple[Path, list[list[Row]]]) -> None:
    metrics = Catalogue(SimilarityProbe().measures).metrics([row for row in probed[1][-1] if row.probe == "similarity"])

    assert {"similarity/relu1/cka_untrained", "similarity/relu1/rsa_previous", "similarity/relu1/cka_untrained_std"} < (
        metrics.keys()
    )
    assert not any(key.endswith(("/cka", "/rsa")) for key in metrics)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"most_stimuli": 3}, "probes.similarity.most_stimuli=3: at least 4 stimuli are needed"),
        ({"distance": "cosine"}, "probes.similarity.distance=cosine: no such distance"),
        ({"comparison": "cka"}, "probes.similarity.comparison=cka: no such comparison"),
    ],
)
def test_wrong_options_are_named(options: dict, said: str) -> None:
    with pytest.raises(InputError) as error:
        SimilarityProbe(**options)
    assert str(error.value).startswith(said)


def test_three_stimuli_are_refused() -> None:
    with pytest.raises(InputError, match="3 stimuli, and similarity needs at least 4"):
        SimilarityProbe().check(_stimuli(3))
