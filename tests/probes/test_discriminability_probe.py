import pytest
import torch
from torch import Tensor

from pdtrain.errors import InputError
from pdtrain.probes.object_probe import DiscriminabilityProbe
from pdtrain.stimuli.stimulus_set import StimulusSet


def _stimuli(size: Tensor, labels: Tensor | None = None) -> StimulusSet:
    blank = torch.zeros(len(size), 1, 1, 1)
    return StimulusSet(blank, torch.arange(len(size)) % 2 if labels is None else labels, {"size": size})


def test_a_parameter_that_does_not_vary_is_refused_before_training() -> None:
    with pytest.raises(InputError, match=r"probes.discriminability.held_out=size: the same in all stimuli"):
        DiscriminabilityProbe(held_out="size").check(_stimuli(torch.ones(100)))


def test_a_parameter_that_is_not_known_of_all_stimuli_is_refused() -> None:
    size = torch.linspace(0, 1, 100)
    size[3] = torch.nan

    with pytest.raises(InputError, match="held_out=size: not known of every stimulus"):
        DiscriminabilityProbe(held_out="size").check(_stimuli(size))


def test_parts_that_leave_one_object_to_learn_from_are_refused() -> None:
    size = torch.arange(100) // 50

    with pytest.raises(InputError, match="fewer than two objects to learn from"):
        DiscriminabilityProbe(held_out="size", folds=2).check(_stimuli(size.float(), labels=size))


def test_a_parameter_of_fewer_values_than_folds_has_a_part_for_each() -> None:
    probe, stimuli = DiscriminabilityProbe(held_out="size", folds=5), _stimuli((torch.arange(100) // 2 % 3).float())

    probe.check(stimuli)

    assert probe._parts(stimuli)[1] == "3 ranges of size"
