"""The one way in which host-side code tells people what it waits for."""

from __future__ import annotations

from collections.abc import Callable

Report = Callable[[str], None]
"""Takes one line without a newline; may be called from any task of the event loop."""


def silent(_line: str) -> None:
    """Report to nobody."""
