"""The terminal: prints names from elsewhere as they are."""

from typing import Any

from rich.console import Console


def plain_console(**options: Any) -> Console:
    """A console to which brackets and colons in names are no markup.

    Examples
    --------
    >>> plain_console(width=40).print("V1[/bold] :smile:")
    V1[/bold] :smile:
    """
    return Console(markup=False, emoji=False, **options)
