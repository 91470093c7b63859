"""Progress as lines: one when a stage ends, one when what it waits for changes, and a rare sign of life."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from slipway_host.errors import quote
from slipway_host.progress import current
from slipway_host.run import ORDER
from slipway_host.scrub import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from slipway_host.progress import Step

BEAT_S = 30.0
"""A stage that has said nothing for so long says that it is still there."""
HOLD_S = 2.0
"""What a stage waits for is told once it has waited for so long: most of it is over before."""
LIMIT = 4000
"""Characters of a line about a stage."""
TALKATIVE = frozenset({"migrate", "smoke"})
"""Stages whose lines are a log, of which each counts, and not states of a wait."""
MARKS = {"Succeeded": "✓", "Skipped": "=", "Failed": "✗", "Waiting": "…", "Inconclusive": "?"}
"""How a stage ended; `=` is in place already. Under way is `·`."""
STAGE = max(map(len, ORDER))


def clean(line: str) -> str:
    """Return one line without the terminal escapes and workflow commands of pods and servers (fault 99)."""
    return printable(line).replace("::", ": :")


class Plain:
    """Lines for a log: without colours, times of day or cursor movements.

    Args:
        write: takes one line without its end; may be called from another thread.
        beat_s: seconds after which a silent stage gives a sign of life; 0 for never.
    """

    def __init__(self, write: Callable[[str], None], *, beat_s: float = 0) -> None:
        self._write, self._beat_s = write, beat_s
        self._width = 0
        self._due: dict[Step, float] = {}
        self._fresh: set[Step] = set()
        self._wake = threading.Condition(threading.RLock())
        self._beating = False

    def __call__(self, line: str) -> None:
        """Take one line, about the step that runs now, if any does."""
        step = current()
        with self._wake:
            if step is None:
                for one in line.splitlines() or [""]:
                    self._write(clean(one))
                return
            step.line = line.removeprefix(f"{step.stage}: ")
            waits = step.stage not in TALKATIVE and not line.startswith("WARNING")
            if self._beat_s and step in self._due and waits:
                if step not in self._fresh:
                    self._fresh.add(step)
                    self._due[step] = time.monotonic() + HOLD_S
                    self._wake.notify()
                return
            if step in self._due:
                self._due[step] = time.monotonic() + self._beat_s
            self._write(self.row("·", step, step.seconds, step.line))

    def began(self, step: Step) -> None:
        """Note that a stage is under way: most end before anybody wants to read of that."""
        with self._wake:
            self._width = max(self._width, len(step.service))
            self._due[step] = time.monotonic() + self._beat_s
            if self._beat_s and not self._beating:
                self._beating = True
                threading.Thread(target=self._beat, daemon=True).start()

    @contextmanager
    def inside(self, step: Step) -> Iterator[None]:
        """Surround a stage's own work; one that is interrupted is under way no more."""
        try:
            yield
        finally:
            self._leave(step)

    def ended(self, step: Step, status: str, summary: str, seconds: float) -> None:
        """Write how a stage ended."""
        with self._wake:
            self._leave(step)
            self._write(self.row(MARKS.get(status, "·"), step, seconds, summary))

    def close(self) -> None:
        """Give no signs of life any more."""
        with self._wake:
            self._due.clear()
            self._wake.notify()

    def row(self, mark: str, step: Step, seconds: float, text: str) -> str:
        """Return a line whose columns stand below those of the others."""
        head = f"{mark} {step.service:<{self._width}} › {step.stage:<{STAGE}} {seconds:6.1f} s"
        return f"{head}  {clean(quote(text, limit=LIMIT))}".rstrip()

    def _leave(self, step: Step) -> None:
        with self._wake:
            self._due.pop(step, None)
            self._fresh.discard(step)
            self._wake.notify()

    def _beat(self) -> None:
        """Tell what each silent stage waits for, until none is under way."""
        with self._wake:
            while self._due:
                now = time.monotonic()
                for step in [step for step, due in self._due.items() if due <= now]:
                    self._due[step] = now + self._beat_s
                    still = "" if step in self._fresh else "still: " if step.line else "still running"
                    self._fresh.discard(step)
                    limit = f" ({step.at_most})" if step.at_most else ""
                    self._write(self.row("·", step, step.seconds, f"{still}{step.line}{limit}"))
                self._wake.wait(max(min(self._due.values()) - time.monotonic(), 0.01))
            self._beating = False
