import logging
import math

import pytest
import torch
from torch import Tensor

from pdtrain.activations.layers import Layer
from pdtrain.activations.recorder import LayerResponse
from pdtrain.errors import InputError
from pdtrain.probes.information_probe import InformationProbe
from pdtrain.results.rows import Row
from pdtrain.stimuli.receptive_field import ReceptiveFields
from pdtrain.stimuli.stimulus_set import StimulusSet


def _images(count: int, seed: int, pixels: int = 6) -> Tensor:
    return torch.rand(count, 1, pixels, pixels, generator=torch.Generator().manual_seed(seed))


def _stimuli(count: int = 400, seed: int = 0, classes: int = 4, label_kind: str = "true") -> StimulusSet:
    images = _images(count, seed)
    return StimulusSet(images, torch.arange(count) % classes, label_kind=label_kind)


def _response(responses: Tensor, fields: ReceptiveFields | None = None) -> LayerResponse:
    units = responses.shape[1]
    layer = Layer("relu1", "relu1", 1, 0.5, (units,), "activation")
    return LayerResponse(layer, responses, False, torch.arange(units), responses, torch.device("cpu"), fields)


def _by_quantity(rows: list[Row]) -> dict[str, Row]:
    return {row.quantity: row for row in rows}


def _whole_image(units: int) -> ReceptiveFields:
    zeros, ends = torch.zeros(units, dtype=torch.long), torch.full((units,), 6)
    return ReceptiveFields(zeros, ends, zeros, ends)


def test_means_are_given_with_and_without_silent_units() -> None:
    stimuli = _stimuli()
    luminance = stimuli.values("luminance")
    responses = torch.stack([luminance, torch.zeros(400), torch.zeros(400), luminance], 1)

    rows = _by_quantity(InformationProbe(["luminance"]).measure([_response(responses)], stimuli).rows)

    assert rows["mean"].value == pytest.approx(1.5, abs=0.01) and rows["mean"].n == 4
    assert rows["mean_of_active"].value == pytest.approx(3.0, abs=0.02) and rows["mean_of_active"].n == 2
    assert rows["silent_fraction"].value == 0.5


def test_rows_say_in_how_many_stimuli_a_property_is_known_also_at_fixed_identity() -> None:
    given = _stimuli()
    tilt = given.values("luminance").clone()
    tilt[:50] = torch.nan
    stimuli = StimulusSet(given.pixels, given.labels, {"tilt": tilt})
    responses = torch.randn(400, 3, generator=torch.Generator().manual_seed(0))

    rows = InformationProbe(["tilt"]).measure([_response(responses)], stimuli).rows

    assert {row.note.partition(";")[0] for row in rows} == {"350 of 400 stimuli"}
    assert any(row.quantity.endswith("at_fixed_identity") for row in rows)


def test_rows_of_each_layer_say_in_how_many_stimuli_its_units_know_a_property_of_their_own() -> None:
    images = _images(400, 0)
    images[:100, :, :3] = 0.5  # nothing has a direction in the upper half, nor in the lower one of some of these
    images[:40] = 0.5
    stimuli = StimulusSet(images, torch.arange(400) % 4)
    units = torch.randn(400, 3, generator=torch.Generator().manual_seed(0))
    corners = [torch.tensor(edge) for edge in ([0, 3, 0], [3, 6, 3], [0, 0, 0], [6, 6, 6])]
    mixed, whole = _response(units, ReceptiveFields(*corners)), _response(units, _whole_image(3))

    rows = InformationProbe(["orientation@receptive_field"]).measure([mixed, whole], stimuli).rows

    said = {(row.layer_index, row.note.partition(";")[0]) for row in rows}
    assert said == {(0, "300 to 360 of 400 stimuli"), (1, "360 of 400 stimuli")}


def test_every_row_says_what_made_it() -> None:
    stimuli = _stimuli()
    responses = torch.randn(400, 3, generator=torch.Generator().manual_seed(0))

    found = InformationProbe(["luminance", "identity"], correction="miller_madow").measure(
        [_response(responses)], stimuli
    )

    of_all = [*found.rows, *found.unit_rows]
    made_by = {row.estimator: {r.quantity for r in of_all if r.estimator == row.estimator} for row in of_all}
    assert set(made_by) == {
        "unit_information 2 miller_madow, 8 bins", "unit_information 2 miller_madow, 8 bins, 4 within classes"
    }  # fmt: skip
    assert all(
        name.endswith("at_fixed_identity")
        for name in made_by["unit_information 2 miller_madow, 8 bins, 4 within classes"]
    )


@pytest.mark.parametrize("kind", ["true", "shuffled"])
def test_rows_about_identity_say_which_labels_they_refer_to(kind: str) -> None:
    stimuli = _stimuli(label_kind=kind)
    responses = torch.randn(400, 3, generator=torch.Generator().manual_seed(0))

    rows = InformationProbe(["identity", "luminance"]).measure([_response(responses)], stimuli).rows

    of_labels = [row for row in rows if row.property == "identity" or row.quantity.endswith("at_fixed_identity")]
    assert of_labels and all((f"{kind} labels" in row.note) == (row in of_labels) for row in rows)


def test_a_second_set_of_stimuli_is_measured_with_its_own_property_values() -> None:
    probe = InformationProbe(["luminance@receptive_field"])
    found = []
    for seed in (0, 1):
        stimuli = _stimuli(seed=seed)
        responses = stimuli.values("luminance")[:, None].expand(-1, 3).contiguous()
        found.append(_by_quantity(probe.measure([_response(responses, _whole_image(3))], stimuli).rows)["mean"].value)

    assert found[0] == pytest.approx(3, abs=0.02) and found[1] == pytest.approx(3, abs=0.02)


def test_other_units_of_a_layer_are_measured_with_their_own_fields() -> None:
    stimuli, probe = _stimuli(), InformationProbe(["luminance@receptive_field"])
    corner = ReceptiveFields(*(torch.tensor([edge]) for edge in (0, 2, 0, 2)))
    of_corner = stimuli.pixels[:, 0, :2, :2].mean((1, 2))[:, None]
    whole = stimuli.values("luminance")[:, None]

    first = probe.measure([_response(whole, _whole_image(1))], stimuli).rows
    moved = _response(of_corner, corner)
    moved = LayerResponse(moved.layer, of_corner, False, torch.tensor([5]), of_corner, moved.device, corner)
    second = probe.measure([moved], stimuli).rows

    assert _by_quantity(first)["mean"].value == pytest.approx(3, abs=0.02)
    assert _by_quantity(second)["mean"].value == pytest.approx(3, abs=0.02)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_response_that_is_not_finite_names_layer_stimulus_and_unit(bad: float) -> None:
    responses = torch.randn(400, 3, generator=torch.Generator().manual_seed(0))
    responses[11, 2] = bad

    with pytest.raises(InputError, match="layer relu1: activation of stimulus 11, unit 2 is"):
        InformationProbe(["luminance"]).measure([_response(responses)], _stimuli())


def test_identity_with_few_stimuli_per_class_is_nan_and_said_once_before(caplog: pytest.LogCaptureFixture) -> None:
    stimuli, probe = _stimuli(classes=100), InformationProbe(["identity", "luminance"])
    responses = torch.randn(400, 3, generator=torch.Generator().manual_seed(0))

    with caplog.at_level(logging.WARNING):
        probe.check(stimuli)
        probe.check(stimuli)
    rows = probe.measure([_response(responses)], stimuli).rows

    assert caplog.text.count("100 values among 400 stimuli") == 1 and "at least 1000 (stimuli.count)" in caplog.text
    about = [row for row in rows if row.property == "identity" and row.quantity != "silent_fraction"]
    assert all(math.isnan(row.value) and "4.0 stimuli per value" in row.note for row in about)
    beyond = [row for row in rows if row.quantity.endswith("at_fixed_identity")]
    assert {row.property for row in beyond} == {"luminance"}
    assert all(math.isnan(row.value) and "of 100 classes, too few" in row.note for row in beyond)
    assert all(not math.isnan(row.value) for row in rows if row.property == "luminance" and row not in beyond)


def test_a_unit_that_tells_the_class_alone_tells_nothing_of_the_property_at_fixed_identity() -> None:
    labels = torch.arange(400) % 4
    within = torch.rand(400, generator=torch.Generator().manual_seed(0))
    images = (labels / 4 + within / 4)[:, None, None, None].expand(-1, 1, 8, 8)  # brighter by class
    stimuli = StimulusSet(images, labels)
    noisy = within + 0.1 * torch.randn(400, generator=torch.Generator().manual_seed(1))
    responses = torch.stack([labels.float(), noisy, torch.zeros(400)], 1)

    found = InformationProbe(["luminance"]).measure([_response(responses)], stimuli)

    overall, beyond = ({u.unit: u for u in found.unit_rows if u.quantity == q} for q in (
        "information", "information_at_fixed_identity"
    ))  # fmt: skip
    assert overall[0].value > 1.8 and beyond[0].value == pytest.approx(0, abs=0.01)
    assert overall[1].value < 1 and beyond[1].value > 0.7 and beyond[1].informative
    assert beyond[2].silent and not beyond[0].silent
    (mean,) = (row for row in found.rows if row.quantity == "mean_at_fixed_identity")
    assert mean.value == pytest.approx(beyond[1].value / 3, abs=0.01) and mean.lower < mean.value < mean.upper
    assert mean.units_lower < mean.value < mean.units_upper


def test_stimuli_of_one_class_have_no_information_at_fixed_identity() -> None:
    stimuli = _stimuli(classes=1)

    found = InformationProbe(["luminance"]).measure([_response(torch.randn(400, 3))], stimuli)

    assert not [row for row in found.rows if "identity" in row.quantity]


def test_a_recorded_property_is_not_taken_for_its_namesake_of_images() -> None:
    degrees = torch.rand(400, generator=torch.Generator().manual_seed(0)) * 360
    responses = (degrees.deg2rad().cos() - 0.7).relu()[:, None]
    blank = torch.zeros(400, 1, 1, 1)
    found = []
    for kinds in ({"orientation": ("circular", 360.0)}, {}):
        stimuli = StimulusSet(blank, torch.arange(400) % 4, {"orientation": degrees}, parameter_kinds=kinds)
        rows = InformationProbe(["orientation"]).measure([_response(responses)], stimuli).rows
        found.append(_by_quantity(rows)["mean"].value)

    # as an angle of period pi it would be noise: below 0.1 bit
    assert found[0] > 0.7 and found[1] > 0.7


def test_local_properties_alone_are_measured_at_fixed_identity_too() -> None:
    stimuli = _stimuli()
    luminance = stimuli.values("luminance")[:, None]

    probe = InformationProbe(["identity", "luminance@receptive_field"])
    found = probe.measure([_response(luminance, _whole_image(1))], stimuli).rows

    within = [row for row in found if row.quantity == "mean_at_fixed_identity"]
    assert [row.property for row in within] == ["luminance@receptive_field"]
    assert within[0].value == pytest.approx(2, abs=0.02)
