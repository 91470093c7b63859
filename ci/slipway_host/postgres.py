"""SQL as a PostgreSQL server's administrator: what every way to the server has in common.

There are two ways: the psql in the server's own pod (`psql`, `postgres_pods`) and a connection string
(`postgres_dsn`). Both run the same queries and the same steps, and fail with the same errors.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from slipway_host.errors import (
    AccessDeniedError,
    DeadlineError,
    DeliveryError,
    ServiceUnavailableError,
    TerminalError,
    TransientError,
    quote,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pydantic import SecretStr

FIXED_DATABASE = "postgres"
"""Where cluster-wide work is done: advisory locks hold in one database only (fault 34)."""
SAFE_PATH = "SET search_path = pg_catalog, pg_temp"
"""A session's first statement. A service owns its database and may set a search_path on it, by which
an unqualified `format()` of ours would be a function of its own, run as the administrator."""

# Classes of SQLSTATE: notices and warnings come before the error, in a word that locales translate.
NO_ERRORS = frozenset({"00", "01", "02"})
WRONG_PASSWORD = "28P01"  # noqa: S105 - a SQLSTATE
NO_PRIVILEGE = "42501"
LOCK_TIMEOUT = "55P03"
_DENIED = frozenset({WRONG_PASSWORD, "28000", NO_PRIVILEGE})
_UNAVAILABLE = frozenset({"57P03", "53300", "57P01", "57P02"})
# 23505, 42710 and 42P04 are what "create if absent" says after losing a race (fault 34); 42P01 is a
# table that a migration dropped between our query and our grant.
_RACES = frozenset({"23505", "40001", "40P01", "42710", "42P04", "42P01", "55006"})


@dataclass(frozen=True)
class Step:
    r"""One step of a session.

    Args:
        sql: a statement or a query, without a semicolon at its end.
        computed: `sql` is a query, and each row of its one column is a statement to run by itself, as
            psql's `\gexec` does: CREATE DATABASE can be neither in a transaction nor in a function
            (fault 36).
    """

    sql: str
    computed: bool = True


class SqlRunner(Protocol):
    """Who can run SQL as the server's administrator."""

    async def value(self, query: str, *, database: str) -> str:
        """Return the one value of a query as text; empty for NULL."""

    async def act(self, steps: Sequence[Step], *, database: str) -> None:
        """Run steps one after the other in one session of their own, each outside a transaction."""

    async def accepts(self, role: str, password: SecretStr) -> bool:
        """Return whether this is the role's password."""


def as_text(query: str) -> str:
    """Return the query whose one value is text, whatever way reads it."""
    return f"SELECT (\n{query}\n)::text"


def failed(state: str, message: str, who: str) -> DeliveryError:
    """Return the error for what the server said; its message is quoted, never our statement.

    Args:
        state: SQLSTATE, the only part of an error that no locale translates.
        message: the server's primary message, without detail and context.
        who: role and database, for the reader.
    """
    cause = f"PostgreSQL ({who}): {quote(message)} (SQLSTATE {state})"
    if state in _DENIED:
        return AccessDeniedError(cause)
    if state == LOCK_TIMEOUT:
        return DeadlineError(cause)
    if state in _UNAVAILABLE:
        return ServiceUnavailableError(cause)
    if state in _RACES or (state == "XX000" and "concurrently" in message):
        return TransientError(cause)
    return TerminalError(cause)
