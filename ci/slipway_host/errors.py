"""The errors that Slipway means to raise, sorted by what the caller should do.

Every one of them reads as one line: stage, cause, what already landed, the next command. The code that
fails knows the cause and often the next command; the runner, which knows the stage and what landed,
adds those on the way up (`at`).
"""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any, Self

from slipway_host.caller import command

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

QUOTE_LIMIT = 600


def quote(text: str, *, limit: int = QUOTE_LIMIT) -> str:
    """Return foreign output on one line, printable only, and no longer than `limit` characters.

    Foreign output may hold terminal escapes or workflow commands (`::set-output …`); neither may reach a
    terminal or a CI log as such.
    """
    printable = "".join(c if c.isprintable() else " " for c in text)
    line = " ".join(printable.split()).replace("::", ": :")
    return line if len(line) <= limit else line[: limit - 1] + "…"


def nearest(name: str, known: Iterable[str]) -> str:
    """Return `, did you mean "…"?` for a mistyped name, or "" where nothing known is like it."""
    found = difflib.get_close_matches(name[:QUOTE_LIMIT], list(known), n=1)
    return f', did you mean "{found[0]}"?' if found else ""


class DeliveryError(Exception):
    """A stage could not do its work.

    Args:
        cause: what happened, in one line, without secrets.
        stage: the stage's name; the runner adds it where the code that fails does not know it.
        landed: the effects that are already in place, in order.
        next_command: what the reader should type next.
        outputs: what the receipt keeps of it, as of a stage that did its work.
    """

    def __init__(
        self,
        cause: str,
        *,
        stage: str = "",
        landed: Sequence[str] = (),
        next_command: str = "",
        outputs: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(cause)
        self.cause = cause
        self.stage = stage
        self.landed = tuple(landed)
        self.next_command = next_command
        self.outputs = dict(outputs or {})

    def at(self, stage: str, *, landed: Sequence[str] = (), next_command: str = "") -> Self:
        """Add what only the runner knows; what the raiser said stays."""
        self.stage = self.stage or stage
        self.landed = self.landed or tuple(landed)
        self.next_command = self.next_command or next_command
        return self

    def __str__(self) -> str:
        head = f"{self.stage}: {self.cause}" if self.stage else self.cause
        landed = "; ".join(self.landed) or "nothing"
        end = "" if head.endswith("?") else "."
        line = f"{head.rstrip('.')}{end} Landed: {landed}."
        return f"{line} Next: {self.next_command}" if self.next_command else line


class TransientError(DeliveryError):
    """Worth another try until the deadline."""


class PushRejectedError(TransientError):
    """The branch moved between fetch and push."""


class ServiceUnavailableError(TransientError):
    """A server did not answer, or answered 429 or 5xx."""


class UnknownOutcomeError(TransientError):
    """The connection dropped after the request was sent: read the state again before anything else."""


class TerminalError(DeliveryError):
    """Trying again changes nothing: somebody has to act first."""


class SettingsError(TerminalError):
    """The configuration or an argument is wrong; nothing was touched."""


class AccessDeniedError(TerminalError):
    """A server knows us or not, and says no (401, 403)."""


class NotFoundError(TerminalError):
    """Something that has to be there is not."""


class ConflictError(TerminalError):
    """Something is there, and it is not ours to change."""


class SupersededError(TerminalError):
    """A newer deploy of the same application has already landed."""


class MovedError(TerminalError):
    """The world is not any more what a saved plan was made of."""

    def __init__(self, cause: str, *, stage: str = "") -> None:
        super().__init__(cause, stage=stage, next_command=command("plan"))


class HeldError(TerminalError):
    """Somebody has stopped deploys of the application, or of this image of it."""


class ScanFindingsError(TerminalError):
    """The scanner found what the environment's policy refuses."""


class ScannerError(TerminalError):
    """The scanner did not do its work, or not well enough: findings are unknown, not absent."""


class MigrationFailedError(TerminalError):
    """The migration before the rollout did not do its work; nothing was rolled out."""


class RolloutFailedError(TerminalError):
    """The new pods cannot become ready."""


class RolloutPausedError(TerminalError):
    """A Rollout still pauses where the wait for it ended: that says nothing about the new version."""


class HealthDegradedError(TerminalError):
    """The new revision runs and is not healthy."""


class SmokeTestError(TerminalError):
    """The smoke test could not run: that says nothing about the new revision."""


class OverBudgetError(HealthDegradedError):
    """The new revision is slower, or fails more often, than its load check's budget takes.

    Its outputs are all that was measured.
    """


class LoadCheckError(TerminalError):
    """The load check could not measure: that says nothing about the new revision."""


class DeadlineError(TerminalError):
    """The time for a wait ran out."""
