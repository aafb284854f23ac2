import torch

from pdtrain.probes.cut import Cut


def test_columns_beside_each_other_keep_their_bins_and_stretches() -> None:
    values = torch.rand(200, 3, generator=torch.Generator().manual_seed(0))
    few = Cut.of(torch.arange(200)[:, None] % 2, torch.arange(200.0)[:, None] % 2)
    many = Cut.of((values * 5).long(), values)

    together = Cut.beside([few, many])

    assert torch.equal(together.codes, torch.cat([few.codes, many.codes], 1))
    assert together.stretches[:, 0, :2].tolist() == few.stretches[:, 0].tolist()
    assert torch.equal(together.stretches[:, 1:], many.stretches)
    assert torch.equal(few.repeated(3).codes, few.codes.expand(-1, 3)) and few.repeated(1) is few
