import json
from threading import Event

import psycopg
import pytest

from game_stats_worker import loop
from game_stats_worker.health import Pulse
from game_stats_worker.statistics import Round


class Source:
    """Gives the prepared rounds, then ends the loop."""

    def __init__(self, stop: Event, *rounds: Round | Exception) -> None:
        self.stop, self.rounds = stop, list(rounds)

    def refresh(self) -> Round:
        now = self.rounds.pop(0)
        if not self.rounds:
            self.stop.set()
        if isinstance(now, Exception):
            raise now
        return now


def run(*rounds: Round | Exception) -> Pulse:
    stop, pulse = Event(), Pulse(60)
    loop.run(Source(stop, *rounds), pulse, stop, poll_s=0.001)
    return pulse


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_work_goes_on_after_the_database_was_away(capsys: pytest.CaptureFixture[str]) -> None:
    pulse = run(psycopg.OperationalError("db.internal refused ada"), Round("no scores yet"), Round("ok", 2))
    said = lines(capsys)
    assert [line.get("status", line.get("players")) for line in said] == [
        "database unavailable (OperationalError)",
        "no scores yet",
        2,
        "ok",
    ]
    assert "db.internal" not in json.dumps(said)
    assert (pulse.healthy, pulse.status) == (True, "ok")


def test_the_same_status_is_said_once(capsys: pytest.CaptureFixture[str]) -> None:
    run(*[Round("ok")] * 5)
    assert len(lines(capsys)) == 1
