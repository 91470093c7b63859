"""Fault 77: order by ancestry, not dates."""

import datetime as dt
import random

from slipway_host.landings import Landing, landings

NOW = dt.datetime(2026, 11, 24, 12, tzinfo=dt.UTC)


def ago(hours: float) -> dt.datetime:
    return NOW - dt.timedelta(hours=hours)


def test_dates_in_order_are_believed() -> None:
    dates = [ago(3), ago(2), ago(2), ago(1)]
    assert landings(dates, now=NOW) == [Landing(date) for date in dates]


def test_one_clock_that_is_ahead_moves_no_other_commit() -> None:
    found = landings([ago(5), ago(1), ago(4), ago(3), ago(2)], now=NOW)
    assert [one.at for one in found] == [ago(5), ago(4), ago(4), ago(3), ago(2)]
    assert [one.doubtful for one in found] == [False, True, False, False, False]


def test_one_clock_that_is_behind_moves_no_other_commit() -> None:
    found = landings([ago(5), ago(4), ago(9000), ago(3)], now=NOW)
    assert [one.at for one in found] == [ago(5), ago(4), ago(4), ago(3)]
    assert [one.doubtful for one in found] == [False, False, True, False]


def test_the_future_is_now_and_doubted() -> None:
    assert landings([ago(1), ago(-24)], now=NOW) == [Landing(ago(1)), Landing(NOW, doubtful=True)]


def test_seconds_between_machines_are_mended_and_not_doubted() -> None:
    late = ago(1) - dt.timedelta(seconds=20)
    found = landings([ago(2), ago(1), late, ago(0.5)], now=NOW)
    assert [one.doubtful for one in found] == [False] * 4
    assert found[1].at <= found[2].at


def test_times_never_go_back_and_at_most_as_many_are_doubted_as_clocks_are_wrong() -> None:
    rnd = random.Random(77)  # noqa: S311 - the same each time
    for _ in range(200):
        count = rnd.randrange(1, 40)
        dates = [ago(hours) for hours in sorted((rnd.uniform(0, 5000) for _ in range(count)), reverse=True)]
        wrong = rnd.sample(range(count), rnd.randrange(0, count // 4 + 1))
        for at in wrong:
            dates[at] = ago(rnd.uniform(-5000, 10000))
        found = landings(dates, now=NOW)
        assert [one.at for one in found] == sorted(one.at for one in found)
        assert max(one.at for one in found) <= NOW
        assert sum(one.doubtful for one in found) <= len(wrong)


def test_no_commits_are_no_landings() -> None:
    assert landings([], now=NOW) == []
