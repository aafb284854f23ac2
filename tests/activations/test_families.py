"""Every family of torchvision and some of timm, built at its smallest, traced, recorded and probed."""

import logging
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torchvision.models.maxvit import MaxVit

from pdtrain.activations.layers import Layer, reduce_layers, trace_layers
from pdtrain.activations.recipes import select_layers
from pdtrain.activations.recorder import Recorder
from pdtrain.probes.dimension_probe import DimensionProbe
from pdtrain.probes.information_probe import InformationProbe
from pdtrain.probes.prober import Prober
from pdtrain.results.rows import ProbePoint
from pdtrain.results.store import ResultsStore
from pdtrain.stimuli.stimulus_set import StimulusSet
from pdtrain.training.models import timm_model, torchvision_model

_STIMULI = 24


def _small_maxvit(num_classes: int, channels: int, *, name: str) -> nn.Module:
    """As `maxvit_t`, which takes 224 pixels alone, but narrower and with windows of two places."""
    return MaxVit((64, 64), 16, 2, [16, 16, 32, 32], [1, 1, 2, 1], 8, 0.0, num_classes=num_classes)


# pixels, how many activations there are, and options
_TORCHVISION: dict[str, tuple[int, int, dict[str, Any]]] = {
    "alexnet": (64, 7, {}),
    "vgg11": (32, 10, {}),
    "resnet18": (32, 17, {}),
    "resnext50_32x4d": (32, 49, {}),
    "wide_resnet50_2": (32, 49, {}),
    "densenet121": (32, 121, {}),
    "googlenet": (32, 57, {}),
    "inception_v3": (75, 94, {}),
    "squeezenet1_1": (32, 26, {}),
    "mobilenet_v2": (32, 35, {}),
    "mobilenet_v3_small": (32, 24, {}),
    "mnasnet0_5": (32, 35, {}),
    "shufflenet_v2_x0_5": (32, 37, {}),
    "efficientnet_b0": (32, 33, {}),
    "efficientnet_v2_s": (32, 72, {}),
    "regnet_y_400mf": (32, 49, {}),
    "convnext_tiny": (32, 18, {}),
    "vit_b_16": (32, 12, {"image_size": 32}),
    "swin_t": (32, 12, {}),
    "swin_v2_t": (32, 12, {}),
}
_TIMM: dict[str, tuple[int, int, dict[str, Any]]] = {
    "test_resnet": (32, 12, {}),
    "test_efficientnet": (32, 9, {}),
    "test_convnext": (32, 9, {}),
    "test_nfnet": (32, 20, {}),
    "test_mambaout": (32, 8, {}),
    "test_maxvit": (64, 17, {"img_size": 64}),
    "test_vit": (32, 6, {"img_size": 32}),
    "deit_tiny_distilled_patch16_224": (32, 12, {"img_size": 32}),
    "xcit_nano_12_p16_224": (32, 29, {"img_size": 32}),
    "levit_128s": (64, 25, {"img_size": 64}),
    "mixer_s32_224": (64, 16, {"img_size": 64}),
    "poolformer_s12": (32, 12, {}),
    "ghostnet_100": (32, 35, {}),
    "mobilevit_xxs": (64, 25, {}),
    "edgenext_xx_small": (64, 12, {}),
}
_FAMILIES: dict[str, tuple[Callable[..., nn.Module], int, int]] = {
    **{n: (partial(torchvision_model, name=n, **options), *facts) for n, (*facts, options) in _TORCHVISION.items()},
    "maxvit_t": (partial(_small_maxvit, name="maxvit_t"), 64, 22),
    **{f"timm {n}": (partial(timm_model, name=n, **options), *facts) for n, (*facts, options) in _TIMM.items()},
}


def _stimuli(pixels: int) -> StimulusSet:
    images = torch.rand(_STIMULI, 3, pixels, pixels, generator=torch.Generator().manual_seed(0))
    images *= torch.linspace(0.2, 1, _STIMULI)[:, None, None, None]
    return StimulusSet(images, images, torch.arange(_STIMULI) % 2)


@pytest.mark.parametrize("name", _FAMILIES)
def test_a_family_is_probed_at_its_smallest(name: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR)
    build, pixels, activations = _FAMILIES[name]
    torch.manual_seed(0)
    model, stimuli = build(10, 3).eval(), _stimuli(pixels)

    layers = trace_layers(model, stimuli.images[:1])
    prober = Prober(stimuli, ResultsStore(tmp_path), recipe="stages", max_units=8, index_property="luminance")
    probes = [DimensionProbe(resamplings=0), InformationProbe(["luminance"], bins=2)]
    rows = prober.measure(model, probes, ProbePoint(0, 0))

    assert sum(layer.kind == "activation" for layer in layers) == activations
    chosen = select_layers(layers, None)
    assert sum(layer.kind in ("activation", "pooling") for layer in chosen) > 0.5 * activations
    for some in (layers, chosen):
        depths = [layer.depth for layer in some]
        assert some[0].name == "input" and depths == sorted(depths) and depths[-1] == 1
    stages = select_layers(layers, None, "stages")
    assert 4 <= len(stages) <= 20 and stages[-1] == chosen[-1] == layers[-1] and layers[-1].units == 10
    found = {(row.layer, row.probe, row.quantity): row for row in rows}
    for layer in stages:
        dimension = found[layer.name, "intrinsic_dimension", "two_nn"]
        assert dimension.depth == layer.depth and (dimension.value > 0 or dimension.note)
        assert (layer.name, "unit_information", "mean") in found
    assert found["input", "intrinsic_dimension", "two_nn"].value > 1


def _reduced(name: str, how: str) -> dict[str, Layer]:
    build, pixels, _ = _FAMILIES[name]
    layers = reduce_layers(trace_layers(build(10, 3), torch.rand(1, 3, pixels, pixels)), how)
    return {layer.name: layer for layer in layers}


@pytest.mark.parametrize(
    ("name", "layer", "features", "places"),
    [
        ("resnet18", "layer2.1.relu#2", 128, ((0, 4), (0, 4))),
        ("swin_t", "features.1.1", 96, ((0, 8), (0, 8))),  # rows, columns, channels
        ("vit_b_16", "encoder.layers.encoder_layer_3", 768, ((1, 5),)),  # after the class token
        ("timm deit_tiny_distilled_patch16_224", "blocks.3", 192, ((2, 6),)),  # and that of distillation
        ("timm xcit_nano_12_p16_224", "blocks.3", 128, ((0, 4),)),  # which has its class token later
        ("timm xcit_nano_12_p16_224", "cls_attn_blocks.0", 128, ((1, 5),)),
        ("timm mixer_s32_224", "blocks.3", 512, ((0, 4),)),
    ],
)
def test_places_and_tokens_of_a_family_are_known(
    name: str, layer: str, features: int, places: tuple[tuple[int, int], ...]
) -> None:
    mean = _reduced(name, "mean")[layer]

    assert mean.shape == (features,) and mean.reduction is not None
    assert tuple(mean.reduction.window[dimension] for dimension in mean.reduction.dimensions) == places


def test_the_class_token_is_the_one_that_the_head_of_a_vision_transformer_reads() -> None:
    build, pixels, _ = _FAMILIES["vit_b_16"]
    torch.manual_seed(0)
    model, stimuli = build(10, 3).eval(), _stimuli(pixels)
    nn.init.normal_(model.heads.head.weight)
    layers = reduce_layers(trace_layers(model, stimuli.images[:1]), "class_token")
    recorder = Recorder([la for la in layers if la.name in ("encoder.ln", "heads.head")], len(stimuli))

    token, logits = recorder.record(model, stimuli.images)

    torch.testing.assert_close(model.heads(token.representation).detach(), logits.representation, atol=1e-4, rtol=1e-4)
    assert torch.equal(token.unit_responses, token.representation[:, token.units])
