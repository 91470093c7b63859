"""Runs the worker until SIGTERM."""

import os
import signal
import sys
from threading import Event

from game_stats_worker import loop, settings
from game_stats_worker.health import Pulse, serving
from game_stats_worker.statistics import Statistics

LATE_AFTER_ROUNDS = 3
GRACE_S = 10


def main() -> int:
    """Return the exit code."""
    try:
        chosen = settings.load(os.environ)
    except settings.SettingsError as error:
        loop.log("stopped", error=str(error))
        return 1
    stop = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    pulse = Pulse(limit_s=LATE_AFTER_ROUNDS * chosen.poll_s + GRACE_S)
    statistics = Statistics(chosen.database_url)
    with serving(chosen.port, pulse, chosen.revision) as port:
        loop.log("working", port=port, revision=chosen.revision)
        loop.run(statistics, pulse, stop, poll_s=chosen.poll_s)
    statistics.close()
    loop.log("stopped")
    return 0


if __name__ == "__main__":
    sys.exit(main())
