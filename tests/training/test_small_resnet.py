import pytest
import torch
from torch import nn

from pdtrain.errors import InputError
from pdtrain.training.small_resnet import small_resnet


@pytest.mark.parametrize("blocks", [1, 3])
def test_it_has_the_layers_of_he_et_al(blocks: int) -> None:
    network = small_resnet(10, 3, blocks=blocks)

    weighted = [m for m in network.modules() if isinstance(m, nn.Linear | nn.Conv2d) and m.weight.shape[-1] != 1]
    assert len(weighted) == 6 * blocks + 2
    assert isinstance(network, nn.Sequential)
    assert network[:-3](torch.zeros(1, 3, 32, 32)).shape == (1, 64, 8, 8)


def test_around_a_block_goes_what_came_in() -> None:
    block = small_resnet(10, 1).stage1[0]
    nn.init.zeros_(block.bn2.weight)
    images = torch.rand(2, 16, 8, 8)

    assert torch.equal(block.eval()(images), images)


def test_a_stage_has_a_block_at_least() -> None:
    with pytest.raises(InputError, match=r"model\.network\.blocks=0"):
        small_resnet(10, 1, blocks=0)
