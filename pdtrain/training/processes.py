"""Which process of a data-parallel run this is, known before it trains."""

from pytorch_lightning.utilities import rank_zero_only


def process_rank() -> int:
    """Rank of this process; 0 is the first, which keeps the books."""
    return int(rank_zero_only.rank)  # type: ignore[attr-defined]
