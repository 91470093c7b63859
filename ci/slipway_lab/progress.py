"""Tells people what the lab does now, for how long, and how long it usually takes."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console

if TYPE_CHECKING:
    from collections.abc import Iterator

BEAT_S = 15.0
"""On a log, a long step says that it is alive this often; on a terminal it shows a clock."""


class Progress:
    """Prints one line per step: name, elapsed and expected seconds."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(stderr=True, highlight=False, soft_wrap=True)
        self.times: dict[str, float] = {}

    def say(self, text: str) -> None:
        """Print one line."""
        self.console.print(text, markup=False)

    @contextmanager
    def step(self, name: str, *, expected_s: float) -> Iterator[None]:
        """Show `name` while the block runs, then its time; quick steps get one line only."""
        started = time.monotonic()
        ended = threading.Event()
        beat = threading.Thread(target=self._beat, args=(name, started, expected_s, ended), daemon=True)
        if self.console.is_terminal:
            with self.console.status(f"{name} (usually {expected_s:.0f} s)"):
                yield
        else:
            if expected_s >= BEAT_S:
                self.say(f"  … {name} (usually {expected_s:.0f} s)")
            beat.start()
            try:
                yield
            finally:
                ended.set()
        seconds = time.monotonic() - started
        self.times[name] = seconds
        self.say(f"  ✓ {name} {seconds:.1f} s")

    def _beat(self, name: str, started: float, expected_s: float, ended: threading.Event) -> None:
        while not ended.wait(BEAT_S):
            elapsed = time.monotonic() - started
            self.say(f"  … {name}: {elapsed:.0f} of about {expected_s:.0f} s")
