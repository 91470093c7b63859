"""The statistics in PostgreSQL: one statement makes them of all scores, so a missed round loses nothing."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psycopg

if TYPE_CHECKING:
    from collections.abc import Iterator

LOCK = 40_00_02
"""Any number that nobody else takes in this database; the API takes 400001."""
CONNECT_S = 5

PREPARE = """
CREATE TABLE IF NOT EXISTS player_statistics (
    player text PRIMARY KEY,
    games bigint NOT NULL,
    best bigint NOT NULL,
    total numeric NOT NULL,
    last_played timestamptz NOT NULL
)
"""
# From all scores and not from those after the last id: ids become visible in another order than they are
# given.
REFRESH = """
INSERT INTO player_statistics AS known (player, games, best, total, last_played)
SELECT player, count(*), max(points), sum(points), max(created_at) FROM scores GROUP BY player
ON CONFLICT (player) DO UPDATE
SET games = excluded.games, best = excluded.best, total = excluded.total, last_played = excluded.last_played
WHERE (known.games, known.best, known.total, known.last_played)
    IS DISTINCT FROM (excluded.games, excluded.best, excluded.total, excluded.last_played)
"""
FORGET = """
DELETE FROM player_statistics AS known
WHERE NOT EXISTS (SELECT FROM scores WHERE scores.player = known.player)
"""


@dataclass(frozen=True)
class Round:
    """What one look at the scores came to.

    Args:
        status: `ok`, `no scores yet` without the API's table, or `another replica's turn`.
        changed: players whose statistics were written or removed.
    """

    status: str
    changed: int = 0


class Statistics:
    """The database, connected to on first use and again after an error.

    Args:
        url: PostgreSQL's address, with the password.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._connection: psycopg.Connection | None = None

    def refresh(self) -> Round:
        """Bring the statistics up to date.

        Raises:
            psycopg.Error: the database does not answer or refuses; the next call connects anew.
        """
        with self._connected() as connection, connection.transaction():
            # Replicas take turns; nobody waits, since the other one does the same work.
            if not _value(connection, "SELECT pg_try_advisory_xact_lock(%s)", LOCK):
                return Round("another replica's turn")
            connection.execute(PREPARE)
            if _value(connection, "SELECT to_regclass('scores')") is None:
                return Round("no scores yet")
            changed = connection.execute(REFRESH).rowcount + connection.execute(FORGET).rowcount
            return Round("ok", changed)

    def close(self) -> None:
        """End the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    @contextlib.contextmanager
    def _connected(self) -> Iterator[psycopg.Connection]:
        if self._connection is None:
            # autocommit: only `transaction()` begins one, and none is left open between two rounds.
            self._connection = psycopg.connect(
                self._url, autocommit=True, connect_timeout=CONNECT_S, application_name="game-stats-worker"
            )
        try:
            yield self._connection
        except psycopg.Error:
            self.close()
            raise


def _value(connection: psycopg.Connection, query: str, *values: object) -> object:
    row = connection.execute(query, values).fetchone()
    return row[0] if row else None
