"""A role and its database: made once, adopted where they fit, never changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio
import anyio.lowlevel
import pytest
from pydantic import SecretStr
from tenacity import wait_none

from slipway_host import database
from slipway_host.database import ensure_database
from slipway_host.database_state import role_exists
from slipway_host.errors import (
    ConflictError,
    DeadlineError,
    DeliveryError,
    NotFoundError,
    SettingsError,
    TerminalError,
    TransientError,
    UnknownOutcomeError,
)
from slipway_host.postgres import FIXED_DATABASE
from slipway_host.progress import silent
from slipway_host.results import Status
from slipway_host.settings import DatabaseSettings
from support.database_server import BEGUN, DATABASE, PASSWORD, ROLE, Server

if TYPE_CHECKING:
    from slipway_host.results import StageResult

API = DatabaseSettings(name="api", role="api")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "wait_random_exponential", lambda **_: wait_none())


async def ensure(
    server: Server, settings: DatabaseSettings = API, *, deadline_s: float = 5, reset: bool = False
) -> StageResult:
    return await ensure_database(
        server, settings, PASSWORD, report=silent, deadline_s=deadline_s, reset=reset
    )


async def refused(
    server: Server, kind: type[DeliveryError] = ConflictError, settings: DatabaseSettings = API
) -> str:
    """Ensure, expect the error, and return its line; no script has run, no password is told."""
    with pytest.raises(kind) as caught:
        await ensure(server, settings)
    assert not server.scripts
    assert "canary" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(("answer", "expected"), [("1", True), ("0", False)])
async def test_a_role_exists_where_the_server_counts_one(answer: str, expected: bool) -> None:  # noqa: FBT001
    class Counting(Server):
        async def value(self, query: str, *, database: str) -> str:
            await anyio.lowlevel.checkpoint()
            assert "'o''neil'" in query
            assert database == FIXED_DATABASE
            return answer

    assert await role_exists(Counting(), "o'neil") is expected


async def test_what_is_absent_is_made_in_one_script() -> None:
    server = Server()
    result = await ensure(server)
    assert result.status is Status.SUCCEEDED
    assert result.outputs == {
        "database": "api",
        "role": "api",
        "publicConnect": False,
        "passwordReset": False,
        "extensions": [],
        "readOnly": [],
    }
    assert len(server.scripts) == 1


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
        async def value(self, query: str, *, database: str) -> str:
            if self.looks:
                return await super().value(query, database=database)
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


async def test_another_password_is_set_only_when_that_is_asked_for_and_told() -> None:
    server = Server(ROLE, DATABASE)
    server.password = SecretStr("somebody's own")
    result = await ensure(server, reset=True)
    assert result.status is Status.SUCCEEDED
    assert result.outputs["passwordReset"] is True
    assert "password of role api set to its Secret's" in result.summary


async def test_the_right_password_is_not_set_again() -> None:
    server = Server(ROLE, DATABASE)
    result = await ensure(server, reset=True)
    assert (result.status, result.outputs["passwordReset"]) == (Status.SKIPPED, False)
    assert not server.scripts


@pytest.mark.parametrize("role", [{**ROLE, "super": True}, {**ROLE, "login": False}])
async def test_a_role_that_is_not_ours_gets_no_password_either(role: dict[str, Any]) -> None:
    server = Server(role, DATABASE)
    with pytest.raises(ConflictError):
        await ensure(server, reset=True)
    assert not server.scripts


TRGM = DatabaseSettings(name="api", role="api", extensions=("pg_trgm",), read_only=("report",))


async def test_what_is_missing_inside_is_made_once() -> None:
    server = Server(ROLE, DATABASE)
    server.pending = 3
    first, second = await ensure(server, TRGM), await ensure(server, TRGM)
    assert (first.status, second.status) == (Status.SUCCEEDED, Status.SKIPPED)
    assert len(server.scripts) == 2
    assert "extensions pg_trgm; readable by report" in second.summary


async def test_an_extension_without_a_package_is_an_error_before_anything_is_made() -> None:
    wanted = DatabaseSettings(name="api", role="api", extensions=("pg_trm",))
    said = await refused(Server(), NotFoundError, wanted)
    assert (
        'no package with extension pg_trm: it has hstore, pg_trgm, uuid-ossp, did you mean "pg_trgm"?' in said
    )


async def test_an_older_version_of_an_extension_is_told_and_kept() -> None:
    server = Server(ROLE, DATABASE)
    server.readers = {"report": {"super": False}}
    server.outdated = ["pg_trgm 1.5, not 1.6"]
    result = await ensure(server, TRGM)
    assert result.status is Status.SKIPPED
    assert "left at their version: pg_trgm 1.5, not 1.6" in result.summary


async def test_a_superuser_is_no_read_only_role() -> None:
    server = Server(ROLE, DATABASE)
    server.readers = {"report": {"super": True}}
    assert "report is a superuser" in await refused(server, settings=TRGM)


async def test_grants_without_effect_are_an_error() -> None:
    """PostgreSQL only warns where the grantor has nothing to grant."""
    server = Server(ROLE, DATABASE)
    server.readers = {"report": {"super": False}}
    server.pending = server.left = 1
    with pytest.raises(ConflictError, match="had no effect"):
        await ensure(server, TRGM)
