import torch
import torchvision
from torch import nn

from pdtrain.training.controls import shuffle_weights


def test_weights_are_permuted_within_each_layer_and_all_else_stays() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(
        torchvision.models.squeezenet1_1(num_classes=3),
        nn.BatchNorm2d(4),
        nn.MultiheadAttention(8, 2),
        nn.Conv1d(3, 4, 3),
    )
    nn.init.normal_(network[1].weight)
    before = {name: value.clone() for name, value in network.state_dict().items()}

    shuffle_weights(network, seed=0)

    after = network.state_dict()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed == {name for name in before if before[name].dim() > 1}
    assert all(
        torch.equal(before[name].flatten().sort().values, after[name].flatten().sort().values) for name in changed
    )
    again = {name: value.clone() for name, value in after.items()}
    network.load_state_dict(before)
    shuffle_weights(network, seed=0)
    assert all(torch.equal(again[name], value) for name, value in network.state_dict().items())
