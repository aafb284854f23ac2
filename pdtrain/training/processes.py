"""Which process of a data-parallel run this is, known before it trains."""

import ctypes
import os
import signal
import sys
from multiprocessing import parent_process

_RANKS = ("RANK", "LOCAL_RANK", "SLURM_PROCID", "JSM_NAMESPACE_RANK")  # what Lightning knows a rank from

_KILL_WITH_PARENT = 1  # PR_SET_PDEATHSIG of prctl(2)


def process_rank() -> int:
    """Rank of this process; 0 is the first, which keeps the books."""
    if "pytorch_lightning" not in sys.modules and os.environ.keys().isdisjoint(_RANKS):
        return 0  # as Lightning would say, which takes seconds to import

    from pytorch_lightning.utilities import rank_zero_only

    return int(rank_zero_only.rank)  # type: ignore[attr-defined]


def started_together() -> bool:
    """Whether torchrun or srun started this process with others; those that Lightning starts, it starts later."""
    return int(os.environ.get("WORLD_SIZE") or os.environ.get("SLURM_STEP_NUM_TASKS") or 1) > 1


def die_with_parent() -> None:
    """Have the kernel kill this process when the one that started it dies, however that dies (on Linux)."""
    if sys.platform != "linux":
        return
    ctypes.CDLL(None).prctl(_KILL_WITH_PARENT, signal.SIGKILL)
    parent = parent_process()
    if parent is not None and parent.pid != os.getppid():  # it died before
        os.kill(os.getpid(), signal.SIGKILL)
