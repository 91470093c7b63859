"""The one way in which host-side code tells people what it does, and what it waits for."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

Report = Callable[[str], None]
"""Takes one line without a newline; may be called from any task of the event loop."""


def silent(_line: str) -> None:
    """Report to nobody."""


@dataclass(eq=False)
class Step:
    """One stage of one service while it runs; what is reported inside is about it.

    Args:
        service: key in `slipway.yaml`, or several with commas between.
        stage: the stage's name.
        began: on the monotonic clock, in seconds.
        line: what was reported last.
        until: on the same clock, when it gives up; 0 where nobody has said.
    """

    service: str
    stage: str
    began: float = field(default_factory=time.monotonic)
    line: str = ""
    until: float = 0

    @property
    def name(self) -> str:
        """As people think of it: `api › rollout`."""
        return f"{self.service} › {self.stage}"

    @property
    def seconds(self) -> float:
        """For how long it has been running."""
        return time.monotonic() - self.began

    @property
    def at_most(self) -> str:
        """Until when it waits, for people; "" where nobody has said."""
        return f"at most {self.until - self.began:.0f} s" if self.until else ""


@runtime_checkable
class View(Protocol):
    """A report that knows of stages, too, and shows them in its own way."""

    def __call__(self, line: str) -> None:
        """Take one line, about the step that runs now, if any does."""

    def began(self, step: Step) -> None:
        """Show that a stage is under way."""

    def inside(self, step: Step) -> AbstractContextManager[None]:
        """Surround a stage's own work."""

    def ended(self, step: Step, status: str, summary: str, seconds: float) -> None:
        """Show how it ended."""


class Lines:
    """The view of whoever takes lines and nothing else.

    Args:
        report: takes each line.
    """

    def __init__(self, report: Report) -> None:
        self._report = report

    def __call__(self, line: str) -> None:
        """Hand a line on."""
        self._report(line)

    def began(self, step: Step) -> None:
        """Say nothing."""

    def inside(self, step: Step) -> AbstractContextManager[None]:  # noqa: ARG002 - the protocol's
        """Surround nothing."""
        return nullcontext()

    def ended(self, step: Step, status: str, summary: str, seconds: float) -> None:
        """Say how a stage ended."""
        self._report(f"{step.service} {step.stage}: {status} in {seconds:.1f} s, {summary}")


def view_of(report: Report) -> View:
    """Return what shows stages: the report itself, where it knows how to."""
    return report if isinstance(report, View) else Lines(report)


_CURRENT: ContextVar[Step | None] = ContextVar("step", default=None)


def current() -> Step | None:
    """Return the step whose work this is."""
    return _CURRENT.get()


@contextmanager
def running(step: Step) -> Iterator[None]:
    """Make what is reported inside a step's own."""
    token = _CURRENT.set(step)
    try:
        yield
    finally:
        _CURRENT.reset(token)


def within(seconds: float) -> None:
    """Say for how long the step that runs now waits from now on, at most."""
    step = current()
    if step is not None:
        step.until = time.monotonic() + seconds
