import math

import pytest
import torch
from torch import Tensor

from pdtrain.activations.layers import Layer
from pdtrain.activations.recorder import LayerResponse
from pdtrain.errors import InputError
from pdtrain.probes.object_probe import ObjectInformationProbe
from pdtrain.results.rows import Row
from pdtrain.stimuli.stimulus_set import StimulusSet


def _stimuli(labels: Tensor, label_kind: str = "true") -> StimulusSet:
    blank = torch.zeros(len(labels), 1, 1, 1)
    return StimulusSet(blank, labels, label_kind=label_kind)


def _response(responses: Tensor) -> LayerResponse:
    units = responses.shape[1]
    layer = Layer("relu1", "relu1", 1, 0.5, (units,), "activation")
    return LayerResponse(layer, responses, False, torch.arange(units), responses, torch.device("cpu"))


def _measure(responses: Tensor, stimuli: StimulusSet, **options: int) -> dict[str, Row]:
    rows = ObjectInformationProbe(**options).measure([_response(responses)], stimuli).rows
    return {row.quantity: row for row in rows}


def test_means_are_given_with_and_without_silent_units() -> None:
    labels = torch.arange(400) % 2
    responses = torch.stack([labels.float(), torch.zeros(400)], 1)

    rows = _measure(responses, _stimuli(labels))

    assert rows["view_invariant"].value == pytest.approx(0.5, abs=0.01)
    assert rows["view_invariant_of_active"].value == pytest.approx(1, abs=0.01)
    assert (
        rows["view_invariant_of_active"].n == 1
        and rows["view_invariant"].estimator == "object_information 2 permutation, 8 bins"
    )


def test_many_pairs_are_sampled_and_their_number_is_said() -> None:
    labels = torch.arange(2000) % 40
    responses = torch.randn(2000, 2, generator=torch.Generator().manual_seed(0))

    sampled = _measure(responses, _stimuli(labels), most_pairs=50)
    again = _measure(responses, _stimuli(labels), most_pairs=50)
    every = _measure(responses, _stimuli(labels), most_pairs=1000)

    assert "50 of 780 pairs" in sampled["view_invariant"].note and "pairs" not in every["view_invariant"].note
    assert sampled == again
    assert sampled["total"].value == pytest.approx(every["total"].value, abs=0.05)


def test_objects_of_few_views_have_no_view_invariant_value_and_it_is_said() -> None:
    labels = torch.cat([torch.arange(200) % 2, torch.full((11,), 2)])
    responses = torch.randn(211, 3, generator=torch.Generator().manual_seed(0))

    some = _measure(responses, _stimuli(labels))
    none = _measure(responses[:30], _stimuli(torch.arange(30) % 3))

    assert "2 pairs have an object of too few views" in some["view_invariant"].note
    assert abs(some["view_invariant"].value) < 0.05
    assert math.isnan(none["view_invariant"].value) and "too few views" in none["view_invariant"].note


@pytest.mark.parametrize("kind", ["true", "shuffled"])
def test_rows_say_which_labels_they_refer_to(kind: str) -> None:
    labels = torch.arange(100) % 2

    rows = _measure(torch.rand(100, 2), _stimuli(labels, kind))

    assert all(f"{kind} labels" in row.note for row in rows.values())


def test_wrong_options_and_responses_are_named() -> None:
    with pytest.raises(InputError, match="most_pairs=0"):
        ObjectInformationProbe(most_pairs=0)
    with pytest.raises(InputError, match="layer relu1: activation of stimulus 5, unit 0 is nan"):
        responses = torch.rand(100, 2)
        responses[5, 0] = torch.nan
        _measure(responses, _stimuli(torch.arange(100) % 2))
