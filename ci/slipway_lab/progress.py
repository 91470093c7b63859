"""Tells people what the lab does now, for how long, and how long it usually takes."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import Progress as Live
from rich.progress import SpinnerColumn, TextColumn, TimeElapsedColumn

if TYPE_CHECKING:
    from collections.abc import Iterator

BEAT_S = 15.0
"""On a log, a long step says that it is alive this often; on a terminal it shows a clock."""


class Progress:
    """Prints one line per step: name, elapsed and expected seconds. Steps may run side by side."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(stderr=True, highlight=False, soft_wrap=True)
        self._lock = threading.Lock()
        self._live: Live | None = None

    def say(self, text: str) -> None:
        """Print one line."""
        self.console.print(text, markup=False)

    @contextmanager
    def step(self, name: str, *, expected_s: float) -> Iterator[None]:
        """Show `name` while the block runs, then its time; quick steps get one line only."""
        started = time.monotonic()
        with self._clock(name, expected_s) if self.console.is_terminal else self._beats(name, expected_s):
            yield
        self.say(f"  ✓ {name} {time.monotonic() - started:.1f} s")

    @contextmanager
    def _clock(self, name: str, expected_s: float) -> Iterator[None]:
        with self._lock:
            if self._live is None:
                text = TextColumn("{task.description}")
                self._live = Live(
                    SpinnerColumn(), text, TimeElapsedColumn(), console=self.console, transient=True
                )
                self._live.start()
            live = self._live
            task = live.add_task(f"{name} (usually {expected_s:.0f} s)", total=None)
        try:
            yield
        finally:
            with self._lock:
                live.remove_task(task)
                if not live.tasks:
                    live.stop()
                    self._live = None

    @contextmanager
    def _beats(self, name: str, expected_s: float) -> Iterator[None]:
        started = time.monotonic()
        ended = threading.Event()

        def beat() -> None:
            while not ended.wait(BEAT_S):
                elapsed = time.monotonic() - started
                self.say(f"  … {name}: {elapsed:.0f} of about {expected_s:.0f} s")

        if expected_s >= BEAT_S:
            self.say(f"  … {name} (usually {expected_s:.0f} s)")
        threading.Thread(target=beat, daemon=True).start()
        try:
            yield
        finally:
            ended.set()
