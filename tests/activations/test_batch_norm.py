import pytest
import torch
from torch import nn

from pdtrain.activations.batch_norm import calibrated


@pytest.fixture
def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 2, 3), nn.BatchNorm2d(2))


def test_each_layer_is_normalized_by_the_statistics_of_the_images(network: nn.Sequential) -> None:
    images = 3 + torch.randn(256, 1, 12, 12, generator=torch.Generator().manual_seed(1))

    with calibrated(network, images), torch.no_grad():
        given = network.eval()(images)

    means, deviations = given.mean((0, 2, 3)), given.std((0, 2, 3))
    assert torch.allclose(means, torch.zeros(2), atol=0.03) and torch.allclose(deviations, torch.ones(2), atol=0.03)
    with torch.no_grad():
        assert not torch.allclose(network(images).mean((0, 2, 3)), torch.zeros(2), atol=0.1), "as initialised"


def test_sorted_images_give_the_statistics_of_mixed_ones_and_all_count() -> None:
    norm, last = nn.BatchNorm2d(1), nn.BatchNorm2d(1)
    dark_and_bright = torch.tensor([0.0, 1.0]).repeat_interleave(128).view(256, 1, 1, 1).expand(-1, 1, 2, 2)
    one_bright = torch.zeros(127, 1, 2, 2).index_fill(0, torch.tensor(126), 127.0)

    with calibrated(norm, dark_and_bright), calibrated(last, one_bright):
        mean, variance = float(norm.running_mean), float(norm.running_var)
        mean_of_last = float(last.running_mean)

    assert mean == pytest.approx(0.5) and variance == pytest.approx(0.25, rel=0.05)
    assert mean_of_last == pytest.approx(1.0, rel=0.02)


def test_everything_is_as_before_afterwards(network: nn.Sequential) -> None:
    network.train()
    network(torch.randn(8, 1, 12, 12))
    before = {name: value.clone() for name, value in network.state_dict().items()}

    with pytest.raises(RuntimeError, match="within"), calibrated(network, torch.randn(70, 1, 12, 12)):
        raise RuntimeError("within")

    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert all(module.training for module in network.modules()) and network[1].momentum == 0.1


def test_a_network_without_batch_norm_is_not_run() -> None:
    def refuse(module: nn.Module, images: object) -> None:
        raise AssertionError

    network = nn.Conv2d(1, 2, 3)
    network.register_forward_pre_hook(refuse)
    with calibrated(network, torch.randn(4, 1, 8, 8)):
        pass
