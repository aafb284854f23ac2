import pytest

from pdtrain.callbacks import Schedule
from pdtrain.errors import InputError


def test_every_third_epoch_and_the_last() -> None:
    schedule = Schedule(every_epochs=3)

    assert [e for e in range(1, 9) if schedule.at_epoch(e, 8)] == [3, 6, 8]


def test_log_spaced_steps_double() -> None:
    schedule = Schedule(every_epochs=None, log_spaced_steps=5)

    assert [s for s in range(1, 100) if schedule.at_step(s)] == [5, 10, 20, 40, 80]


def test_zero_is_refused() -> None:
    with pytest.raises(InputError, match="every_epochs=0"):
        Schedule(every_epochs=0)
