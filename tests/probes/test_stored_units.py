"""A run of pdtrain 0.1.0 goes on with the units that it stored."""

from pathlib import Path

import pandas as pd
import pytest
import torch

from pdtrain.activations.layers import trace_layers
from pdtrain.activations.recorder import LayerResponse
from pdtrain.errors import InputError
from pdtrain.probes.prober import Prober
from pdtrain.probes.stored_units import units_of_first_version
from pdtrain.results.rows import Measurement, ProbePoint
from pdtrain.results.store import ResultsStore
from pdtrain.stimuli.stimulus_set import StimulusSet
from pdtrain.training.models import small_vgg

_POINT = "epoch=0001-step=00000005"
_OLD = {"relu1": [3, 50, 77], "output": [0, 1, 2, 3]}


def _store_units(folder: Path, units: dict[str, list[int]], *, point: str = _POINT, **more: str) -> None:
    """Per-unit values of two properties as pdtrain 0.1.0 wrote them; `more` columns are those of later versions."""
    folder.mkdir(parents=True, exist_ok=True)
    values = (0.1, 0.2, 0.3, 0.04, True, False)
    rows = [(0, 0, la, unit, of, *values) for of in ("luminance", "identity") for la in units for unit in units[la]]
    columns = [
        "epoch", "step", "layer", "unit", "property",
        "information_bits", "plugin_bits", "normalized", "p_value", "informative", "silent",
    ]  # fmt: skip
    pd.DataFrame(rows, columns=columns).assign(**more).to_parquet(folder / f"{point}.units.parquet")


class _Listener:
    """A probe that keeps which units it was shown."""

    name = "listener"
    measures = ()
    needs_fields = False

    def __init__(self) -> None:
        self.units: dict[str, list[int]] = {}

    def check(self, stimuli: StimulusSet) -> None: ...

    def measure(self, responses: list[LayerResponse], stimuli: StimulusSet) -> Measurement:
        self.units = {response.layer.name: response.units.tolist() for response in responses}
        return Measurement([], [])


def _shown(store: ResultsStore, *, max_units: int = 3) -> dict[str, list[int]]:
    images = torch.rand(8, 1, 16, 16)
    stimuli = StimulusSet(images, torch.arange(8) % 2)
    listener = _Listener()
    prober = Prober(stimuli, store, layers=["relu1", "pool1", "output"], max_units=max_units)
    prober.measure(small_vgg(4, 1, widths=(4,), hidden=8), [listener], ProbePoint(1, 10))
    return listener.units


@pytest.mark.parametrize("probe_set", ["training", "mine"])
def test_training_and_later_probes_take_the_units_that_the_first_version_stored(tmp_path: Path, probe_set: str) -> None:
    fresh = _shown(ResultsStore(tmp_path / "fresh"))
    _store_units(tmp_path / "old" / "results", {"relu1": _OLD["relu1"]})

    found = _shown(ResultsStore(tmp_path / "old", probe_set=probe_set))

    assert found["relu1"] == _OLD["relu1"] != fresh["relu1"]
    assert found["pool1"] == fresh["pool1"] and found["output"] == fresh["output"], "of these nothing is stored"


def _given(store: ResultsStore, max_units: int = 3) -> dict[str, list[int]]:
    layers = trace_layers(small_vgg(4, 1, widths=(4,), hidden=8), torch.rand(1, 1, 16, 16))
    return {name: units.tolist() for name, units in units_of_first_version(store, layers, max_units).items()}


def test_what_a_resumed_run_has_written_since_does_not_hide_the_first_units(tmp_path: Path) -> None:
    _store_units(tmp_path / "results", {"relu1": [1, 2, 4]}, point="epoch=0000-step=00000001", estimator="plug-in")
    _store_units(tmp_path / "results", {"relu1": _OLD["relu1"]}, point="epoch=0001-step=00000010")

    assert _given(ResultsStore(tmp_path)) == {"relu1": _OLD["relu1"]}


def test_units_of_later_versions_are_those_of_the_name_and_not_read(tmp_path: Path) -> None:
    _store_units(tmp_path / "results", _OLD, estimator="plug-in")

    assert _given(ResultsStore(tmp_path)) == {}


def test_a_probe_set_of_the_first_version_keeps_its_own(tmp_path: Path) -> None:
    _store_units(tmp_path / "results", _OLD)
    _store_units(tmp_path / "results" / "mine", {"relu1": [5, 6, 7]})

    assert _given(ResultsStore(tmp_path, probe_set="mine"))["relu1"] == [5, 6, 7]
    assert _given(ResultsStore(tmp_path, probe_set="other"))["relu1"] == _OLD["relu1"]


def test_other_numbers_of_units_and_other_sizes_of_layers_have_units_of_their_own(tmp_path: Path) -> None:
    _store_units(tmp_path / "results", {"relu1": _OLD["relu1"], "output": [0, 1, 9]})

    assert _given(ResultsStore(tmp_path), max_units=4) == {}
    assert "output" not in _given(ResultsStore(tmp_path)), "it has four units now"


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / f"{_POINT}.units.parquet").write_bytes(b"half a file")

    with pytest.raises(InputError, match=r"units\.parquet: damaged"):
        _given(ResultsStore(tmp_path))
