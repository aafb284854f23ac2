import torch

from pdtrain.activations.layers import Layer
from pdtrain.activations.recorder import LayerResponse
from pdtrain.probes.activity import silent_unit_rows
from pdtrain.results.caveats import silent_layers


def test_a_dead_layer_is_known_whichever_probes_are_on() -> None:
    responses = torch.rand(50, 10, generator=torch.Generator().manual_seed(0))
    responses[:, 1:] = torch.arange(9.0)
    layer = Layer("relu1", "relu1", 1, 0.5, (10,), "activation")
    response = LayerResponse(layer, responses, False, torch.arange(10), responses, torch.device("cpu"), None)

    (row,) = silent_unit_rows([response])

    assert (row.value, row.n, row.quantity) == (0.9, 10, "silent_fraction") and row.units_lower < 0.9 < row.units_upper
    assert silent_layers([row]) == {"relu1": 0.9}
