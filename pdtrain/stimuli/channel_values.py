"""One value for all channels of an image, or one for each: mean and deviation that intensities are normalised by.

They are checked here, where nothing is computed, so that wrong ones are answered at once.
"""

from collections.abc import Sequence

from pdtrain.errors import InputError

ChannelValues = int | float | Sequence[float]


def channel_values(given: ChannelValues) -> tuple[float, ...]:
    """The values as a tuple.

    Examples
    --------
    >>> channel_values(1), channel_values([0.5, 0.25, 0.25])
    ((1.0,), (0.5, 0.25, 0.25))
    """
    return (float(given),) if isinstance(given, int | float) else tuple(map(float, given))


def check_alike(mean: ChannelValues, standard_deviation: ChannelValues) -> None:
    """Raise InputError if there are none of them, or of both several, and not as many."""
    counts = {len(channel_values(mean)), len(channel_values(standard_deviation))} - {1}
    if len(counts) > 1 or 0 in counts:
        raise InputError(
            f"data.mean={mean}, data.standard_deviation={standard_deviation}: give one of each, or one of each for "
            "every channel"
        )


def check_channels(mean: ChannelValues, standard_deviation: ChannelValues, channels: int) -> None:
    """Raise InputError if the values are neither one nor one for each of so many channels.

    Examples
    --------
    >>> check_channels(0.5, [0.2, 0.2, 0.3], channels=3)
    >>> check_channels([0.5, 0.5], 0.25, channels=1)
    Traceback (most recent call last):
        ...
    pdtrain.errors.InputError: data.mean=[0.5, 0.5]: give one value
    """
    for key, given in (("mean", mean), ("standard_deviation", standard_deviation)):
        values = channel_values(given)
        if len(values) not in (1, channels):
            several = f", or {channels}, one per channel" if channels > 1 else ""
            raise InputError(f"data.{key}={list(values)}: give one value{several}")
