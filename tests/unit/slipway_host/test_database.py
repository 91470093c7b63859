"""A role and its database: made once, adopted where they fit, never changed."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import TYPE_CHECKING, Any

import anyio
import anyio.lowlevel
import pytest
from pydantic import SecretStr
from tenacity import wait_none

from slipway_host import database
from slipway_host.database import ensure_database, literal, role_exists, scram_verifier
from slipway_host.errors import (
    ConflictError,
    DeadlineError,
    DeliveryError,
    SettingsError,
    TerminalError,
    TransientError,
    UnknownOutcomeError,
)
from slipway_host.postgres import FIXED_DATABASE
from slipway_host.progress import silent
from slipway_host.results import Status
from slipway_host.settings import DatabaseSettings

if TYPE_CHECKING:
    from collections.abc import Callable

    from slipway_host.results import StageResult

PASSWORD = SecretStr("canary-47110815")
API = DatabaseSettings(name="api", role="api")
ROLE = {"super": False, "login": True}
DATABASE: dict[str, Any] = {"owner": "api", "open": True, "limit": -1, "public": False}
BEGUN = {**DATABASE, "open": False, "limit": 0, "public": True}


class Server:
    """A PostgreSQL that knows one role and one database, and what our script does to them.

    `script` says what becomes of the next scripts: an error instead of it, or afterwards (lost), or
    somebody else's doing in between.
    """

    def __init__(self, role: dict[str, Any] | None = None, base: dict[str, Any] | None = None) -> None:
        self.role = role
        self.base = base
        self.password = PASSWORD
        self.scripts: list[str] = []
        self.looks: list[Exception] = []
        self.instead: list[Exception | Callable[[], None]] = []
        self.lost: list[Exception] = []

    async def run(self, sql: str, *, database: str) -> str:
        await anyio.lowlevel.checkpoint()
        assert database == FIXED_DATABASE
        assert PASSWORD.get_secret_value() not in sql
        if "json_build_object" in sql:
            if self.looks:
                raise self.looks.pop(0)
            return json.dumps({"role": self.role, "database": self.base})
        self.scripts.append(sql)
        if self.instead:
            what = self.instead.pop(0)
            if isinstance(what, Exception):
                raise what
            what()
        self.role = self.role or ROLE
        if self.base is None or self.base["limit"] == 0:
            self.base = DATABASE
        if self.lost:
            raise self.lost.pop(0)
        return ""

    async def accepts(self, role: str, password: SecretStr) -> bool:
        await anyio.lowlevel.checkpoint()
        assert self.role
        return role == "api" and password == self.password


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "wait_random_exponential", lambda **_: wait_none())


async def ensure(server: Server, settings: DatabaseSettings = API, deadline_s: float = 5) -> StageResult:
    return await ensure_database(server, settings, PASSWORD, report=silent, deadline_s=deadline_s)


async def refused(
    server: Server, kind: type[DeliveryError] = ConflictError, settings: DatabaseSettings = API
) -> str:
    """Ensure, expect the error, and return its line; no script has run, no password is told."""
    with pytest.raises(kind) as caught:
        await ensure(server, settings)
    assert not server.scripts
    assert "canary" not in str(caught.value)
    return str(caught.value)


def test_the_verifier_is_the_one_that_rfc_7677_computes_with() -> None:
    """Its example exchange: user `user`, password `pencil`."""
    salt, nonce = "W22ZaJ0SNY7soEsUEjb6gQ==", "rOprNGfwEbeRWgbNEkqO"
    both = f"{nonce}%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
    message = f"n=user,r={nonce},r={both},s={salt},i=4096,c=biws,r={both}".encode()
    proof = base64.b64decode("dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=")

    verifier = scram_verifier(SecretStr("pencil"), salt=base64.b64decode(salt))
    head, keys = verifier.rsplit("$", 1)
    stored, server = (base64.b64decode(key) for key in keys.split(":"))

    assert head == f"SCRAM-SHA-256$4096:{salt}"
    signature = hmac.digest(server, message, "sha256")
    assert base64.b64encode(signature) == b"6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="
    mask = hmac.digest(stored, message, "sha256")
    client = bytes(a ^ b for a, b in zip(proof, mask, strict=True))
    assert hashlib.sha256(client).digest() == stored


def test_two_verifiers_of_one_password_share_no_salt() -> None:
    assert scram_verifier(PASSWORD) != scram_verifier(PASSWORD)


@pytest.mark.parametrize("password", ["", "canary-ü", "canary-4\n", "canary-\x00", "canary-\u00a0"])
def test_a_password_that_saslprep_would_change_is_refused_and_not_quoted(password: str) -> None:
    with pytest.raises(SettingsError) as caught:
        scram_verifier(SecretStr(password))
    assert "canary" not in str(caught.value)


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


@pytest.mark.parametrize(("answer", "expected"), [("1", True), ("0", False)])
async def test_a_role_exists_where_the_server_counts_one(answer: str, expected: bool) -> None:  # noqa: FBT001
    class Counting(Server):
        async def run(self, sql: str, *, database: str) -> str:
            await anyio.lowlevel.checkpoint()
            assert "'o''neil'" in sql
            assert database == FIXED_DATABASE
            return answer

    assert await role_exists(Counting(), "o'neil") is expected


async def test_what_is_absent_is_made_in_one_script() -> None:
    server = Server()
    result = await ensure(server)
    assert result.status is Status.SUCCEEDED
    assert result.outputs == {"database": "api", "role": "api", "publicConnect": False}
    assert len(server.scripts) == 1


async def test_the_script_locks_creates_revokes_and_opens_in_this_order() -> None:
    server = Server()
    await ensure(server)
    script = server.scripts[0]
    steps = (
        "pg_advisory_lock",
        "CREATE ROLE",
        "GRANT",
        "TEMPLATE template0 ALLOW_CONNECTIONS false",
        "REVOKE CONNECT",
        "ALLOW_CONNECTIONS true",
    )
    places = [script.index(step) for step in steps]
    assert places == sorted(places)
    assert "SCRAM-SHA-256$4096:" in script
    assert "BEGIN" not in script


async def test_a_second_run_only_looks() -> None:
    server = Server()
    await ensure(server)
    result = await ensure(server)
    assert result.status is Status.SKIPPED
    assert len(server.scripts) == 1


async def test_what_others_made_is_adopted_as_it_is_and_its_open_door_is_told() -> None:
    server = Server(ROLE, {**DATABASE, "public": True})
    result = await ensure(server)
    assert result.status is Status.SKIPPED
    assert result.outputs["publicConnect"] is True
    assert not server.scripts


async def test_a_run_that_was_killed_after_the_role_is_completed() -> None:
    server = Server(ROLE)
    assert (await ensure(server)).status is Status.SUCCEEDED
    assert server.base == DATABASE


async def test_a_run_that_was_killed_before_the_database_opened_is_completed() -> None:
    server = Server(ROLE, BEGUN)
    assert (await ensure(server)).status is Status.SUCCEEDED
    assert server.base == DATABASE


async def test_a_role_with_another_password_stops_before_the_script() -> None:
    for base in (None, DATABASE):
        server = Server(ROLE, base)
        server.password = SecretStr("somebody's own")
        assert "another password" in await refused(server)


@pytest.mark.parametrize(
    ("role", "base", "what"),
    [
        ({**ROLE, "super": True}, None, "superuser"),
        ({**ROLE, "login": False}, None, "NOLOGIN"),
        (ROLE, {**DATABASE, "owner": "ui"}, "belongs to role ui"),
        (None, {**DATABASE, "owner": "postgres"}, "belongs to role postgres"),
        (ROLE, {**DATABASE, "open": False}, "takes no connections"),
        (ROLE, {**BEGUN, "owner": "ui"}, "belongs to role ui"),
    ],
)
async def test_what_is_not_ours_is_refused(
    role: dict[str, Any] | None, base: dict[str, Any] | None, what: str
) -> None:
    assert what in await refused(Server(role, base))


async def test_names_of_postgresql_itself_are_refused() -> None:
    await refused(Server(), settings=DatabaseSettings(name="api", role="pg_monitor"))


async def test_a_backslash_in_a_name_is_refused_before_the_server_hears_of_it() -> None:
    await refused(Server(), SettingsError, DatabaseSettings(name="a\\", role="api"))


async def test_what_somebody_makes_while_we_wait_for_the_lock_has_to_fit_as_well() -> None:
    server = Server()

    def rival() -> None:
        server.base = {**DATABASE, "owner": "rival"}

    server.instead = [rival]
    with pytest.raises(ConflictError, match="belongs to role rival"):
        await ensure(server)


async def test_a_lost_race_is_run_again_and_converges() -> None:
    server = Server()
    server.instead = [TransientError("PostgreSQL: duplicate key (SQLSTATE 23505)")]
    assert (await ensure(server)).status is Status.SUCCEEDED
    assert len(server.scripts) == 2


async def test_a_connection_that_drops_after_the_work_is_settled_by_a_look() -> None:
    server = Server()
    server.lost = [UnknownOutcomeError("the connection ended")]
    result = await ensure(server)
    assert len(server.scripts) == 1
    # Skipped would say that nothing was written.
    assert result.status is Status.SUCCEEDED


async def test_a_server_that_is_busy_before_we_act_changes_nothing_about_skipped() -> None:
    server = Server(ROLE, DATABASE)
    server.looks = [TransientError("too many connections")]
    assert (await ensure(server)).status is Status.SKIPPED


async def test_what_trying_again_cannot_mend_ends_it_with_the_stage_named() -> None:
    server = Server()
    server.instead = [TerminalError("disk full")]
    with pytest.raises(TerminalError) as caught:
        await ensure(server)
    assert caught.value.stage == "database"
    assert len(server.scripts) == 1


async def test_the_deadline_holds_and_tells_what_went_wrong_last() -> None:
    class Hanging(Server):
        async def run(self, sql: str, *, database: str) -> str:
            if self.looks:
                return await super().run(sql, database=database)
            await anyio.sleep_forever()
            raise AssertionError

    server = Hanging()
    server.looks = [TransientError("the server is starting up")]
    with pytest.raises(DeadlineError, match="starting up") as caught:
        await ensure(server, deadline_s=0.05)
    assert caught.value.stage == "database"


async def test_sixteen_runs_at_once_make_one_database() -> None:
    server = Server()
    results: list[StageResult] = []

    async def run() -> None:
        results.append(await ensure(server))

    async with anyio.create_task_group() as tasks:
        for _ in range(16):
            tasks.start_soon(run)
    assert len(results) == 16
    assert server.base == DATABASE
