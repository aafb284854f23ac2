"""Which process of a data-parallel run this is, known before it trains."""

import os
import sys

_RANKS = ("RANK", "LOCAL_RANK", "SLURM_PROCID", "JSM_NAMESPACE_RANK")  # what Lightning knows a rank from


def process_rank() -> int:
    """Rank of this process; 0 is the first, which keeps the books."""
    if "pytorch_lightning" not in sys.modules and os.environ.keys().isdisjoint(_RANKS):
        return 0  # as Lightning would say, which takes seconds to import

    from pytorch_lightning.utilities import rank_zero_only

    return int(rank_zero_only.rank)  # type: ignore[attr-defined]


def started_together() -> bool:
    """Whether torchrun or srun started this process with others; those that Lightning starts, it starts later."""
    return int(os.environ.get("WORLD_SIZE") or os.environ.get("SLURM_STEP_NUM_TASKS") or 1) > 1
