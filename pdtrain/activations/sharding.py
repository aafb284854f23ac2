"""Shares the stimuli among the processes of a data-parallel run, and brings their responses together in the first."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch.distributed as dist
from torch import Tensor, nn


@dataclass(frozen=True)
class Shards:
    """Which of `count` processes this is; process 0 is the one that measures."""

    rank: int = 0
    count: int = 1

    def block(self, stimuli: int, rank: int | None = None) -> range:
        """Stimuli of a process, this one if none is named: consecutive, and as many as the others' or one more."""
        rank = self.rank if rank is None else rank
        return range(stimuli * rank // self.count, stimuli * (rank + 1) // self.count)

    def collect(self, rows: Tensor) -> None:
        """Complete process 0's `rows`, shape (stimuli, features), by the blocks of the others.

        Everywhere else `rows` holds the block of that process only.
        """
        if self.rank:
            dist.send(rows, dst=0, group=_group(dist.group.WORLD))
            return
        for rank in range(1, self.count):
            block = self.block(len(rows), rank)
            dist.recv(rows[block.start : block.stop], src=rank, group=_group(dist.group.WORLD))

    @contextmanager
    def same_buffers(self, model: nn.Module) -> Iterator[None]:
        """Give every process the first one's buffers for a while, such as the running statistics of batch norm.

        Each process updates them from its own share of a batch, and a checkpoint holds those of the first.
        """
        if self.count == 1:
            yield
            return
        buffers = list(model.buffers())
        own = [buffer.clone() for buffer in buffers]
        try:
            for buffer in buffers:
                shared = buffer.cpu()
                dist.broadcast(shared, src=0, group=_group(dist.group.WORLD))
                buffer.copy_(shared)
            yield
        finally:
            for buffer, before in zip(buffers, own, strict=True):
                buffer.copy_(before)


def current_shards() -> Shards:
    """The processes that train together now; one, if training is not distributed."""
    if not dist.is_available() or not dist.is_initialized():
        return Shards()
    return Shards(dist.get_rank(), dist.get_world_size())


@lru_cache(maxsize=1)
def _group(world: Any) -> Any:
    """A group that can send CPU tensors, whatever the gradients of the processes of `world` travel by."""
    return dist.new_group(backend="gloo")
