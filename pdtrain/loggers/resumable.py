"""What lets a logger go on where it was: it counts its lines, checkpoints keep the count, and no line comes twice."""

from typing import Protocol, runtime_checkable


@runtime_checkable
class Resumable(Protocol):
    """A logger that can go on after a given number of lines."""

    @property
    def logged(self) -> int:
        """Lines so far."""

    def go_on(self, logged: int) -> None:
        """Go on after the first `logged` lines, which its `save` has put on the disk."""
