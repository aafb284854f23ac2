import pytest
import torch

from pdtrain.estimators.discretization import discretize
from pdtrain.probes.cut import Cut, cut_from
from pdtrain.stimuli.stimulus_set import PropertyValues


def test_columns_beside_each_other_keep_their_bins_and_stretches() -> None:
    values = torch.rand(200, 3, generator=torch.Generator().manual_seed(0))
    few = Cut.of(torch.arange(200)[:, None] % 2, torch.arange(200.0)[:, None] % 2)
    many = Cut.of((values * 5).long(), values)

    together = Cut.beside([few, many])

    assert torch.equal(together.codes, torch.cat([few.codes, many.codes], 1))
    assert together.stretches[:, 0, :2].tolist() == few.stretches[:, 0].tolist()
    assert torch.equal(together.stretches[:, 1:], many.stretches)
    assert torch.equal(few.repeated(3).codes, few.codes.expand(-1, 3)) and few.repeated(1) is few


@pytest.mark.parametrize(("add", "times"), [(1.7e9, 1.0), (0.0, 1e-60)])
def test_stretches_are_those_of_the_values_that_were_cut_in_their_precision(add: float, times: float) -> None:
    values = torch.linspace(0, 1, 200, dtype=torch.float64)[:, None]
    of_time = values * times + add  # as seconds since 1970, which single precision does not tell apart

    cut = Cut.of(discretize(of_time), cut_from(PropertyValues(of_time[:, 0]), discretize(of_time)))

    assert cut.stretches.tolist() == [[[0] * 8]]
