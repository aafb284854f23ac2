"""Which of a network's layers are probed: by names and patterns, or by a recipe that suits any network.

A recipe is a pure function of the layers as they were traced, so that one word chooses in each network of a sweep what
answers to it there.
"""

import logging
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from fnmatch import fnmatchcase
from functools import cache

from pdtrain.activations.layers import INPUT, Layer
from pdtrain.errors import NothingMatches, unknown_name
from pdtrain.limits import check_value

DEFAULT = "default"
_log = logging.getLogger(__name__)
_LISTS = "trainer.fast_dev_run=true layers=all"  # every layer
_WEIGHTED = ("convolution", "linear")
_FEWEST_ACTIVATIONS = 0.2  # per convolution and linear operation; fewer, and activations are not to be heard
_LARGEST_BLOCK = 0.25  # share of those operations; a module of more is most of the network, not a block of it
_FEWEST_RESOLUTIONS = 3  # with fewer, resolution tells no stages apart


def select_layers(layers: Sequence[Layer], patterns: Sequence[str] | None, recipe: str = DEFAULT) -> list[Layer]:
    """Choose layers by names or glob patterns, or by a recipe where there are none.

    The name of a module that is called several times chooses all its calls, and that of a module that contains others
    the layer that gives its output. A glob may match nothing as long as another matches more than the input: networks
    differ.

    Raises
    ------
    NothingMatches
        If globs match nothing, and nothing but the input is left; the message lists the names.
    InputError
        If a name matches no layer. For an unknown recipe.
    """
    check_value("layers.recipe", recipe)
    if patterns is None:
        return RECIPES[recipe](layers)
    check_value("layers.names", list(patterns))
    missing = [pattern for pattern in patterns if not any(_matches(layer, pattern) for layer in layers)]
    names = [layer.name for layer in layers]
    for pattern in missing:
        if not _is_glob(pattern):
            raise unknown_name("layers.names", pattern, names, of="layer", rest=_LISTS)
    chosen = [layer for layer in layers if any(_matches(layer, pattern) for pattern in patterns)]
    if missing and not any(layer.name != INPUT for layer in chosen):
        raise NothingMatches(str(unknown_name("layers.names", ", ".join(missing), names, of="layer", rest=_LISTS)))
    for pattern in missing:
        _say_once(f"layers.names={pattern}: no such layer in this network, whose others are probed")
    return chosen


def default(layers: Sequence[Layer]) -> list[Layer]:
    """Input, activations and poolings, the last hidden stage whatever it is, and the output.

    A layer that is pooled, and goes nowhere else, is the same stage as its pooling, which stands for it. Layers of a
    gate, which scales maps by their averages, are no stages. Where activations cannot be heard, as in scripted code,
    other stages take their place, and that is said.
    """
    hidden = [layer for layer in _before_other_outputs(layers)[1:] if not _of_a_gate(layer, layers)]
    stages = [layer for layer in hidden if layer.kind in ("activation", "pooling")]
    weighted = sum(layer.kind in _WEIGHTED for layer in layers[:-1])
    activations = sum(layer.kind == "activation" for layer in stages)
    if activations < _FEWEST_ACTIVATIONS * weighted:
        stages = _last_of_each_depth(_outside_blocks(hidden))
        _say_once(
            f"layers.names=null: {activations} activations heard for {weighted} convolutions and linear layers; "
            f"probing in place of others {', '.join(la.name for la in stages)} (convolutions, normalizations and "
            "linear layers before their activation); choose others with layers.names"
        )
    elif (last := _last_hidden(hidden)) is not None and all(layer.depth < last.depth for layer in stages):
        stages.append(last)
        _say_once(
            "layers.names=null: no activation or pooling after the last hidden convolution or linear layer; "
            f"probing {last.name}, before its activation if there is one; choose others with layers.names"
        )
    users = Counter(layer.source for layer in layers if layer.kind not in ("block", "other"))
    pooled = {layer.source for layer in stages if layer.kind == "pooling" and users[layer.source] == 1}
    return _in_order(layers, [layer for layer in stages if layer.name not in pooled])


def ansuini(layers: Sequence[Layer]) -> list[Layer]:
    """The places of Ansuini et al. (2019): input, poolings, residual stages, linear layers after their activation.

    In AlexNet and VGGs these are input, pool1 to pool5 (or pool3), fc1, fc2 and output; in ResNets input, maxpool,
    layer1 to layer4, avgpool and fc. Poolings inside a block, as of an Inception module, are none of them; stages are
    those of `stages` that end with a block. The authors' code counts depth one further from the first linear layer on
    (VGG-16: 0, 2, 4, 7, 10, 13, 15, 16, 17 of 17; here 0, 2, 4, 7, 10, 13, 14, 15, 16 of 16) and in ResNets leaves out
    the convolutions of shortcuts and counts the average pooling.
    """
    outer = _outside_parts(layers)
    poolings = [layer for layer in outer if layer.kind == "pooling"]
    ends = [layer for layer in _stage_ends(layers) if _ends_block(layer)]
    return _in_order(layers, [*poolings, *ends, *_head(layers)])


def stages(layers: Sequence[Layer]) -> list[Layer]:
    """Input, the last layer of each resolution, what the last maps are pooled to, the hidden layers after it, output.

    The last is the output of the last block before maps shrink, or of the last layer where there are no blocks. Of a
    network that keeps its resolution, as vision transformers do, every block is a stage.
    """
    return _in_order(layers, [*_stage_ends(layers), *_head(layers)])


def all_relu(layers: Sequence[Layer]) -> list[Layer]:
    """Input, every activation, rectified or other, but for those of gates, and the output."""
    return _in_order(layers, [layer for layer in layers if layer.kind == "activation"])


def convolutions(layers: Sequence[Layer]) -> list[Layer]:
    """Input and every convolution and linear layer as it is given, before normalization and activation; no gates."""
    return _in_order(layers, [layer for layer in _before_other_outputs(layers) if layer.kind in _WEIGHTED])


RECIPES: dict[str, Callable[[Sequence[Layer]], list[Layer]]] = {
    DEFAULT: default,
    "ansuini": ansuini,
    "stages": stages,
    "all_relu": all_relu,
    "convolutions": convolutions,
}


def _in_order(layers: Sequence[Layer], chosen: Sequence[Layer]) -> list[Layer]:
    """The input, the chosen ones and the output, as they come in the network."""
    wanted = {layers[0], *chosen, layers[-1]}
    return [layer for layer in layers if layer in wanted]


def _before_other_outputs(layers: Sequence[Layer]) -> Sequence[Layer]:
    """All layers; of a network of two heads, as distilled ones are, those before the outputs that are not the last.

    These are the linear layers at the end that give as much as the network does, to nothing that follows.
    """
    used = {layer.source for layer in layers}
    others = len(layers)
    for index, layer in reversed(list(enumerate(layers[:-1]))):
        if layer.kind in _WEIGHTED:
            if layer.place_dimensions or layer.shape != layers[-1].shape or layer.name in used:
                break
            others = index
    return layers[:others]


@cache
def _say_once(message: str) -> None:
    """Layers are chosen again for each run of a sweep, and more than once in a run."""
    _log.warning(message)


def _stage_ends(layers: Sequence[Layer]) -> list[Layer]:
    """The last of the blocks, or layers that are in none, of each resolution; all of one that has few resolutions."""
    maps = [layer for layer in _outside_parts(layers) if layer.place_dimensions]
    maps = [layer for layer in maps if layer.kind != "other" or _ends_block(layer)]
    if len({layer.places - layer.prefix_tokens for layer in maps}) < _FEWEST_RESOLUTIONS:
        return [layer for layer in maps if _ends_block(layer) or layer is maps[-1]]
    last = {layer.places: layer for layer in maps}  # branches that meet again are inside a block
    return list(last.values())


def _ends_block(layer: Layer) -> bool:
    return layer.kind == "block" or any(layer.module.startswith(f"{module}.") for module in layer.closes)


def _outside_parts(layers: Sequence[Layer]) -> list[Layer]:
    """Hidden layers but those inside a block that do not give its output, and those of gates."""
    weighted = [layer for layer in layers if layer.kind in _WEIGHTED]
    called = {module for layer in layers for module in (layer.module, *layer.closes)}

    def share(module: str) -> float:
        return sum(f"{layer.module}.".startswith(f"{module}.") for layer in weighted) / max(len(weighted), 1)

    blocks = {module for module in called if share(module) <= _LARGEST_BLOCK}

    def is_outer(layer: Layer) -> bool:
        block = next((module for module in _around(layer) if module in blocks), layer.module)
        return block == layer.module or block in layer.closes

    # the linear layers of the head are no block, though they may be a small part of the network
    return [la for la in layers[1:] if (not la.place_dimensions or is_outer(la)) and not _of_a_gate(la, layers)]


def _around(layer: Layer) -> Iterator[str]:
    """The modules that a layer is in, the outermost first, and itself."""
    parts = layer.module.split(".")
    return (".".join(parts[: end + 1]) for end in range(len(parts)))


def _head(layers: Sequence[Layer]) -> list[Layer]:
    """What the last maps are pooled to, and the linear layers after them, each after its activation."""
    known = [layer for layer in _before_other_outputs(layers) if not _of_a_gate(layer, layers)]
    end = max(index for index, layer in enumerate(known) if _is_of_maps(layer))
    head = known[end + 1 :]  # one module or several
    rectified = {layer.source: layer for layer in head if layer.kind == "activation"}
    return [rectified.get(layer.name, layer) for layer in head if layer.kind in ("pooling", *_WEIGHTED)]


def _is_of_maps(layer: Layer) -> bool:
    """Of a small image, maps of a single place too, which blocks still work on."""
    return layer.places > 1 or bool(layer.place_dimensions and layer.kind != "pooling" and _ends_block(layer))


def _of_a_gate(layer: Layer, layers: Sequence[Layer]) -> bool:
    """Whether it is inside one that is known, or has a single place while maps are still to come.

    Of a small image the pooling before a VGG's linear layers repeats the only place, which makes no maps.
    """
    if layer.kind == "gate":
        return True
    if layer.places > 1:
        return False
    single = {known.name for known in layers if known.places == 1}
    later = layers[layers.index(layer) :]
    return any(la.places > 1 and not (la.kind == "other" and la.source in single) for la in later)


def _outside_blocks(layers: Sequence[Layer]) -> list[Layer]:
    """The layers without what is inside a block, the outermost that holds at most a part of the network."""
    weighted = [layer for layer in layers if layer.kind in ("convolution", "linear")]

    def share(block: Layer) -> float:
        return sum(_inside(layer, block) for layer in weighted) / max(len(weighted), 1)

    blocks = [layer for layer in layers if layer.kind == "block" and share(layer) <= _LARGEST_BLOCK]
    return [layer for layer in layers if not any(_inside(layer, block) for block in blocks)]


def _inside(layer: Layer, block: Layer) -> bool:
    return layer.module.startswith(f"{block.module}.")


def _last_of_each_depth(layers: Sequence[Layer]) -> list[Layer]:
    """The last of the layers after each convolution or linear operation, those of the output left out."""
    last = {layer.depth: layer for layer in layers if layer.kind != "other" and 0 < layer.depth < 1}
    return list(last.values())


def _last_hidden(layers: Sequence[Layer]) -> Layer | None:
    stages = _last_of_each_depth(layers)
    return stages[-1] if stages else None


def _is_glob(pattern: str) -> bool:
    return any(sign in pattern for sign in "*?[")


def _matches(layer: Layer, pattern: str) -> bool:
    return any(fnmatchcase(name, pattern) for name in (layer.name, layer.module, *layer.closes))
