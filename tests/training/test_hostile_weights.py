"""Files of weights that fit by name and shape and are none: refused in one line, never loaded with a loss."""

import warnings
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from pdtrain.errors import InputError
from pdtrain.training.checkpoints import load_network
from pdtrain.training.state_dicts import outputs_of

_WEIGHT = torch.arange(12.0).view(3, 4) / 7


def _quantized(weight: Tensor) -> Tensor:
    return torch.quantize_per_tensor(weight, 0.1, 0, torch.qint8)


_REFUSED: dict[str, tuple[Callable[[Tensor], object], str]] = {
    "complex": (lambda w: w * (1 + 1j), "complex numbers .complex64., whose imaginary part would be lost"),
    "complex double": (lambda w: w.to(torch.complex128), "complex128"),
    "complex half": (lambda w: w.to(torch.complex32), "complex32"),
    "complex, real alone": (lambda w: torch.complex(w, torch.zeros_like(w)), "complex64"),
    "imaginary alone": (lambda w: 1j * w, "complex64"),
    "whole numbers": (lambda w: w.long(), "whole numbers .int64., perhaps quantized"),
    "bytes": (lambda w: w.to(torch.uint8), "uint8"),
    "short": (lambda w: w.to(torch.int16), "int16"),
    "8 bits": (lambda w: w.to(torch.int8), "int8"),
    "bool": (lambda w: w > 0, "bool"),
    "sparse": (lambda w: w.to_sparse(), "quantized or sparse"),
    "a list": (lambda w: w.tolist(), "is a list, no tensor"),
    "a number": (lambda w: 0.5, "is a float, no tensor"),
    "nothing": (lambda w: None, "is a NoneType, no tensor"),
    "text": (lambda w: "weights", "is a str, no tensor"),
    "a dictionary": (lambda w: {"weight": w}, "is a dict, no tensor"),
    "a pair": (lambda w: (w, w), "is a tuple, no tensor"),
    "turned round": (lambda w: w.T.contiguous(), "another architecture"),
    "flat": (lambda w: w.flatten(), "another architecture"),
    "one more dimension": (lambda w: w[None], "another architecture"),
    "a single number": (lambda w: w.sum(), "another architecture"),
    "empty": (lambda w: w[:0], "0 outputs there and 3 here"),
}
_TAKEN: dict[str, Callable[[Tensor], Tensor]] = {
    "double": lambda w: w.double(),
    "half": lambda w: w.half(),
    "bfloat16": lambda w: w.bfloat16(),
    "not contiguous": lambda w: w.T.contiguous().T,
    "a parameter": lambda w: nn.Parameter(w),
}


@pytest.mark.parametrize("level", ["", "state_dict", "model", "module.", "network."])
@pytest.mark.filterwarnings("ignore:.*quantization|.*complex32|.*ComplexHalf|.*[Ss]parse")
def test_weights_that_would_be_changed_are_refused_and_the_network_stays(level: str, tmp_path: Path) -> None:
    for name, (made, said) in _REFUSED.items():
        path, network = tmp_path / "weights.pth", nn.Linear(4, 3, bias=False)
        before = network.weight.detach().clone()
        weights = {f"{level if level.endswith('.') else ''}weight": made(_WEIGHT)}
        torch.save({level: weights} if level in ("state_dict", "model") else weights, path)

        with pytest.raises(InputError, match=said) as caught:
            load_network(network, path, key="state_dict")

        assert str(caught.value).startswith(f"state_dict={path}: ") and "\n" not in str(caught.value), name
        assert torch.equal(network.weight, before), name


def test_other_precisions_are_taken(tmp_path: Path) -> None:
    for name, made in _TAKEN.items():
        network = nn.Linear(4, 3, bias=False)
        torch.save({"weight": made(_WEIGHT)}, tmp_path / "weights.pth")

        with warnings.catch_warnings():
            warnings.simplefilter("error")
            load_network(network, tmp_path / "weights.pth")

        torch.testing.assert_close(network.weight.detach(), _WEIGHT, rtol=1e-2, atol=1e-2, msg=name)


@pytest.mark.parametrize("content", [{1: _WEIGHT}, {"state_dict": {1: _WEIGHT}}, {"model": {("a",): _WEIGHT}}])
def test_names_that_are_no_text(content: dict, tmp_path: Path) -> None:
    torch.save(content, tmp_path / "weights.pth")

    with pytest.raises(InputError, match="names its tensors by something else than text"):
        load_network(nn.Linear(4, 3, bias=False), tmp_path / "weights.pth")


@pytest.mark.parametrize("value", [3, None, "text", [1, 2], torch.tensor(1.0)])
def test_the_number_of_outputs_is_not_told_by_what_is_no_matrix(value: object) -> None:
    assert outputs_of({"weight": value}, lambda outputs: nn.Linear(4, outputs, bias=False)) is None  # type: ignore[dict-item]
