"""What ends a command with one line: the user's errors, a run that cannot go on, a cluster that wants its machine."""

from collections.abc import Iterable
from difflib import get_close_matches

_SHOWN = 15  # so many names one can choose from; of more, the nearest
_NEAREST = 5


class InputError(ValueError):
    """Wrong configuration, data or file: the message names the key or file at fault and the mend."""


class DamagedFile(InputError):
    """A file that is not as it was written, or none of its kind: another one may do in its place."""


class NothingMatches(InputError):
    """What patterns ask for is not in this network, though it may be in another of a sweep."""


class RunError(RuntimeError):
    """A run that cannot go on, though its input was right: the message says what happened and what is kept."""


class Preempted(SystemExit):
    """The process was asked to leave, and what it had done is kept; its exit code says "run me again", or by what."""

    EXIT_CODE = 75  # EX_TEMPFAIL of sysexits.h

    def __init__(self, message: str, *, exit_code: int = EXIT_CODE) -> None:
        super().__init__(exit_code)
        self.message = message


def one_line(text: str) -> str:
    """A text from elsewhere, with line breaks and other signs that no reader should meet as Python writes them.

    Examples
    --------
    >>> one_line("V1\\nIT")
    'V1\\\\nIT'
    """
    return "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in text)


def unknown_name(key: str, given: str, allowed: Iterable[str], *, of: str, rest: str = "") -> InputError:
    """Build the error for a name that is not among the allowed ones, the nearest named first.

    Parameters
    ----------
    key, given
        What was given, and where.
    allowed
        All names that may be; where they are many, the nearest of them are listed.
    of
        What they are names of.
    rest
        How to see the others.

    Examples
    --------
    >>> print(unknown_name("layers.reduce", "center", ["none", "mean", "centre"], of="reduction"))
    layers.reduce=center: no such reduction; did you mean centre? choose from none, mean, centre
    """
    names = list(allowed)
    nearest = get_close_matches(given, names, n=1)
    hint = f" did you mean {nearest[0]}?" if nearest else ""
    if len(names) <= _SHOWN:
        return InputError(f"{key}={given}: no such {of};{hint} choose from {', '.join(names)}")
    shown = ", ".join(get_close_matches(given, names, n=_NEAREST, cutoff=0))
    others = f"; {rest} lists all" if rest else ""
    return InputError(f"{key}={given}: no such {of};{hint} the nearest of {len(names)} are {shown}{others}")


def first_line(error: BaseException) -> str:
    """What an error says, without what it goes on to explain."""
    return (str(error).splitlines() or [type(error).__name__])[0]
