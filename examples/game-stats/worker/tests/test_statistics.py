"""Needs TEST_DATABASE_URL, an empty database; each test has a schema of its own in it."""

import os
import secrets
from collections.abc import Iterator
from urllib.parse import quote

import psycopg
import pytest

from game_stats_worker.statistics import LOCK, Round, Statistics

URL = os.environ.get("TEST_DATABASE_URL", "")
pytestmark = pytest.mark.skipif(not URL, reason="TEST_DATABASE_URL is not set")

SCORES = """
CREATE TABLE scores (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    player text NOT NULL,
    points bigint NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
)
"""  # as the API makes it


@pytest.fixture
def url() -> Iterator[str]:
    schema = f"t{secrets.token_hex(6)}"
    with psycopg.connect(URL, autocommit=True) as connection:
        connection.execute(f"CREATE SCHEMA {schema}")
        yield f"{URL}{'&' if '?' in URL else '?'}options={quote(f'-csearch_path={schema}')}"
        connection.execute(f"DROP SCHEMA {schema} CASCADE")


@pytest.fixture
def api(url: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(url, autocommit=True) as connection:
        yield connection


@pytest.fixture
def statistics(url: str) -> Iterator[Statistics]:
    worker = Statistics(url)
    yield worker
    worker.close()


def play(api: psycopg.Connection, player: str, *points: int) -> None:
    for each in points:
        api.execute("INSERT INTO scores (player, points) VALUES (%s, %s)", (player, each))


def known(api: psycopg.Connection) -> list[tuple[object, ...]]:
    return api.execute("SELECT player, games, best, total FROM player_statistics ORDER BY player").fetchall()


def test_absent_scores_are_waited_for(api: psycopg.Connection, statistics: Statistics) -> None:
    assert statistics.refresh() == Round("no scores yet")
    api.execute(SCORES)
    assert statistics.refresh() == Round("ok", 0)


def test_only_what_changed_is_written(api: psycopg.Connection, statistics: Statistics) -> None:
    api.execute(SCORES)
    play(api, "ada", 3, 5)
    play(api, "bob", 2**62, 2**62, 2**62)
    assert statistics.refresh() == Round("ok", 2)
    assert known(api) == [("ada", 2, 5, 8), ("bob", 3, 2**62, 3 * 2**62)]
    assert statistics.refresh() == Round("ok", 0)
    play(api, "ada", 1)
    assert statistics.refresh() == Round("ok", 1)
    api.execute("DELETE FROM scores WHERE player = 'bob'")
    assert statistics.refresh() == Round("ok", 1)
    assert known(api) == [("ada", 3, 5, 9)]


def test_replicas_take_turns(api: psycopg.Connection, statistics: Statistics) -> None:
    with api.transaction():
        api.execute("SELECT pg_advisory_xact_lock(%s)", (LOCK,))
        assert statistics.refresh() == Round("another replica's turn")
    assert statistics.refresh() == Round("no scores yet")


def test_lost_connection_is_made_again(api: psycopg.Connection, statistics: Statistics) -> None:
    statistics.refresh()
    api.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE application_name = 'game-stats-worker' AND datname = current_database()"
    )
    with pytest.raises(psycopg.OperationalError):
        statistics.refresh()
    assert statistics.refresh() == Round("no scores yet")
