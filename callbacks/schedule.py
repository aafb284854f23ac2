"""When to probe: at which completed epochs, and after which optimiser steps."""

from dataclasses import dataclass

from pdtrain.limits import check_value


@dataclass(frozen=True)
class Schedule:
    """Probe times.

    Attributes
    ----------
    untrained
        Probe epoch 0, before the first step.
    every_epochs
        Probe after every so many epochs; None for none.
    log_spaced_steps
        Probe after this many steps, and at each power of two times it: 1 gives 1, 2, 4, 8 ...; None for none.
    last
        Probe after the last epoch in any case.
    """

    untrained: bool = True
    every_epochs: int | None = 1
    log_spaced_steps: int | None = None
    last: bool = True

    def __post_init__(self) -> None:
        for key in ("every_epochs", "log_spaced_steps"):
            check_value(f"callbacks.probing.schedule.{key}", getattr(self, key))

    def at_epoch(self, completed: int, total: int | None) -> bool:
        """Tell whether to probe after `completed` epochs of `total`."""
        if self.last and completed == total:
            return True
        return self.every_epochs is not None and completed % self.every_epochs == 0

    def at_step(self, step: int) -> bool:
        """Tell whether to probe after `step` optimiser steps."""
        if self.log_spaced_steps is None or step % self.log_spaced_steps:
            return False
        multiple = step // self.log_spaced_steps
        return multiple > 0 and multiple & (multiple - 1) == 0
