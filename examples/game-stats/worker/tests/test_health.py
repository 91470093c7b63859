import json
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

from game_stats_worker.health import Pulse, serving


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def ask(port: int, path: str = "/health") -> tuple[int, dict[str, str]]:
    try:
        with urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
            return answer.status, json.load(answer)
    except HTTPError as error:
        with error:
            return error.code, json.load(error)


def test_unhealthy_until_the_first_good_round() -> None:
    pulse = Pulse(10)
    with serving(0, pulse, "c0ffee") as port:
        assert ask(port) == (503, {"status": "starting", "version": "c0ffee"})
        pulse.fail("database unavailable (OperationalError)")
        assert ask(port)[1]["status"] == "database unavailable (OperationalError)"
        pulse.beat("ok")
        assert ask(port) == (200, {"status": "ok", "version": "c0ffee"})


def test_one_failed_round_is_forgiven_and_a_long_silence_is_not() -> None:
    clock = Clock()
    pulse = Pulse(10, clock)
    pulse.beat("ok")
    clock.now = 10
    pulse.fail("database unavailable (OperationalError)")
    assert (pulse.healthy, pulse.status) == (True, "ok")
    clock.now = 10.5
    pulse.fail("database unavailable (OperationalError)")
    assert (pulse.healthy, pulse.status) == (False, "stale: database unavailable (OperationalError)")


@pytest.mark.parametrize("path", ["/", "/healthy", "/health/x"])
def test_other_paths_are_not_found(path: str) -> None:
    with serving(0, Pulse(10), "") as port:
        assert ask(port, path)[0] == 404
