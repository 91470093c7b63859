"""The SQL of a set-up: what is quoted, in which order, and what of it is asked for."""

from __future__ import annotations

import pytest

from slipway_host.database_steps import inside, literal, locked, outside, pending
from slipway_host.errors import SettingsError
from slipway_host.settings import DatabaseSettings

WORD = "SCRAM-SHA-256$4096:salt"
API = DatabaseSettings(name="api", role="api")


@pytest.mark.parametrize(
    ("text", "expected"),
    [("api", "'api'"), ("a'; DROP ROLE r;--", "'a''; DROP ROLE r;--'"), ('a"b', "'a\"b'")],
)
def test_a_literal_ends_where_the_text_ends(text: str, expected: str) -> None:
    assert literal(text) == expected


@pytest.mark.parametrize("text", ["a\\", "a\\'; DROP ROLE r;--", "a\0"])
def test_what_would_escape_a_quote_is_refused(text: str) -> None:
    with pytest.raises(SettingsError):
        literal(text)


def test_the_steps_lock_create_revoke_and_open_in_this_order() -> None:
    steps = locked(outside(API, WORD, reset=False), deadline_s=7)
    script = "\n".join(step.sql for step in steps)
    marks = (
        "lock_timeout = '7000ms'",
        "pg_advisory_lock",
        "CREATE ROLE",
        "GRANT",
        "TEMPLATE template0 ALLOW_CONNECTIONS false",
        "REVOKE CONNECT",
        "ALLOW_CONNECTIONS true",
    )
    places = [script.index(mark) for mark in marks]
    assert places == sorted(places)
    assert WORD in script
    assert "BEGIN" not in script
    assert [step.computed for step in steps] == [False, False, *[True] * 5]


def test_a_password_is_changed_only_when_that_is_asked_for() -> None:
    kept, changed = ("".join(step.sql for step in outside(API, WORD, reset=reset)) for reset in (False, True))
    assert "ALTER ROLE" not in kept
    assert changed.index("CREATE ROLE") < changed.index("ALTER ROLE")


def test_without_extensions_and_readers_nothing_is_to_do_inside() -> None:
    assert inside(API) == []


def test_what_is_pending_is_read_by_the_very_steps_that_act() -> None:
    settings = DatabaseSettings(name="api", role="api", extensions=("uuid-ossp",), read_only=("report",))
    steps = inside(settings)
    query = pending(steps)
    assert len(steps) == 5
    assert all(step.sql in query for step in steps)
