"""The one error users cause: its message names the key or file at fault and the mend."""

from collections.abc import Iterable
from difflib import get_close_matches


class InputError(ValueError):
    """Wrong configuration, data or file; shown to the user as one line, without a traceback."""


def unknown_name(key: str, given: str, allowed: Iterable[str], *, of: str) -> InputError:
    """Build the error for a name that is not among the allowed ones, the nearest named first."""
    names = list(allowed)
    nearest = get_close_matches(given, names, n=1)
    hint = f" did you mean {nearest[0]}?" if nearest else ""
    return InputError(f"{key}={given}: no such {of};{hint} choose from {', '.join(names)}")
