"""The lab's errors: one line, with the next step."""

from __future__ import annotations


class LabError(Exception):
    """The lab cannot go on; the message says what to do."""
