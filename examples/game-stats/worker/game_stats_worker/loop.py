"""Looks at the scores again and again until told to stop."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol

import psycopg

if TYPE_CHECKING:
    from threading import Event

    from game_stats_worker.health import Pulse
    from game_stats_worker.statistics import Round


class Source(Protocol):
    """What the loop works on."""

    def refresh(self) -> Round:
        """Bring the statistics up to date."""
        ...


def log(message: str, **more: object) -> None:
    """Print one line of JSON."""
    line = {"time": datetime.now(UTC).isoformat(timespec="milliseconds"), "message": message, **more}
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


def run(source: Source, pulse: Pulse, stop: Event, *, poll_s: float) -> None:
    """Refresh every `poll_s` seconds until `stop` is set; what fails is tried again the next time."""
    said = ""
    while not stop.is_set():
        try:
            done = source.refresh()
        except psycopg.Error as error:
            # The class only: the database's own words may name hosts and users, and `/health` shows this.
            status = f"database unavailable ({type(error).__name__})"
            pulse.fail(status)
        else:
            status = done.status
            pulse.beat(status)
            if done.changed:
                log("statistics changed", players=done.changed)
        if status != said:
            log("status", status=status)
            said = status
        stop.wait(poll_s)
