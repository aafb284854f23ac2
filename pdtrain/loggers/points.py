"""What lets a logger choose what it takes of a probe point; one that does not gets all metrics."""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from pdtrain.results.catalogue import Catalogue
from pdtrain.results.rows import Row


@runtime_checkable
class ChoosesMetrics(Protocol):
    """A logger that takes some of the metrics of a probe point."""

    def chosen(self, rows: Sequence[Row], catalogue: Catalogue) -> dict[str, float]:
        """The metrics of the rows that it takes."""
