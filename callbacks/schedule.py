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

    def at_step(self, step: int, before: int | None = None) -> bool:
        """Tell whether to probe after `step` optimiser steps; those since `before` count too, which no batch ends at.

        Examples
        --------
        >>> schedule = Schedule(log_spaced_steps=1)
        >>> [step for step in range(10) if schedule.at_step(step)]
        [1, 2, 4, 8]
        >>> [step for step in range(3, 28, 3) if schedule.at_step(step, step - 3)]  # three optimisers step at a batch
        [3, 6, 9, 18]
        """
        if self.log_spaced_steps is None:
            return False
        passed = step // self.log_spaced_steps
        passed_before = (step - 1 if before is None else before) // self.log_spaced_steps
        return passed.bit_length() > max(passed_before, 0).bit_length()
