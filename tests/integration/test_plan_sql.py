"""R21: the SQL of a plan is the SQL of the deploy, by the server's own log, and to plan changes nothing."""

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import SecretStr

from slipway_host.database import ensure_database, preview
from slipway_host.database_steps import VERIFIER
from slipway_host.errors import ConflictError, MovedError
from slipway_host.postgres import SqlRunner, Step
from slipway_host.progress import silent
from slipway_host.settings import DatabaseSettings
from support.postgres_server import LocalServer, debian, server, wheel

PASSWORD = SecretStr("canary-4711-canary")
STATEMENT = re.compile(r"LOG:  statement: (.*)")
SCRAM = re.compile(r"SCRAM-SHA-256\$[^']*")
OURS = ("CREATE ", "ALTER ", "GRANT ", "REVOKE ", "DROP ")


@pytest.fixture(scope="module", params=[debian, wheel], ids=["debian", "wheel"])
def local(request: pytest.FixtureRequest) -> Iterator[LocalServer]:
    with server(request.param()) as started:
        yield started


@pytest.fixture
def settings(run_id: str) -> DatabaseSettings:
    return DatabaseSettings(
        name=run_id, role=run_id, extensions=("plpgsql", "pg_trgm"), read_only=(f"{run_id}_r",)
    )


async def execute(sql: SqlRunner, *statements: str, database: str = "postgres") -> None:
    await sql.act([Step(statement, computed=False) for statement in statements], database=database)


def written(log: Path, since: int) -> list[str]:
    """Return the statements that changed something, as the server has logged them."""
    text = log.read_bytes()[since:].decode(errors="replace")
    found = (match[1] for match in STATEMENT.finditer(text))
    return [SCRAM.sub(VERIFIER, line) for line in found if line.startswith(OURS)]


async def planned_and_done(local: LocalServer, sql: SqlRunner, settings: DatabaseSettings) -> list[str]:
    """Plan, then do it, see that both are the same, and return it."""
    begun = local.log.stat().st_size
    plan = await preview(sql, settings, PASSWORD)
    assert written(local.log, begun) == []
    statements = [one for each in plan.values() for one in each]
    await ensure_database(
        sql, settings, PASSWORD, report=silent, deadline_s=60, allowed=frozenset(statements)
    )
    assert written(local.log, begun) == statements
    assert await preview(sql, settings, PASSWORD) == {}
    return statements


async def test_of_nothing(local: LocalServer, settings: DatabaseSettings) -> None:
    other = replace(settings, name=f"{settings.name}_2", role=f"{settings.role}_2")
    other = replace(other, read_only=(f"{settings.role}_r2",))
    for sql, names in ((local.by_psql(), settings), (local.by_dsn(), other)):
        found = await planned_and_done(local, sql, names)
        assert found[0] == f"CREATE ROLE {names.role} LOGIN PASSWORD '{VERIFIER}'"
        assert found[-1].startswith("ALTER DEFAULT PRIVILEGES")
        assert len(found) == 8
        assert PASSWORD.get_secret_value() not in "".join(found)


async def test_of_what_somebody_has_begun_or_uses(local: LocalServer, settings: DatabaseSettings) -> None:
    sql = local.by_psql()
    bare = replace(settings, extensions=(), read_only=())
    await planned_and_done(local, sql, bare)
    owner = local.by_dsn(user=settings.role, password=PASSWORD)
    await execute(owner, "CREATE TABLE public.b (i int)", "CREATE TABLE public.a (i int)", database=bare.name)
    # All may connect again: a reader that does not exist yet may, too.
    await execute(sql, f"GRANT CONNECT ON DATABASE {bare.name} TO PUBLIC")
    default = f"ALTER DEFAULT PRIVILEGES FOR ROLE {settings.role} IN SCHEMA public "
    assert await planned_and_done(local, sql, settings) == [
        f"CREATE ROLE {settings.role}_r NOLOGIN",
        "CREATE EXTENSION IF NOT EXISTS pg_trgm SCHEMA public",
        f"GRANT SELECT ON TABLE public.a TO {settings.role}_r",
        f"GRANT SELECT ON TABLE public.b TO {settings.role}_r",
        f"{default}GRANT SELECT ON TABLES TO {settings.role}_r",
    ]


async def test_of_an_administrator_that_is_no_superuser(
    local: LocalServer, settings: DatabaseSettings, run_id: str
) -> None:
    bare, admin = replace(settings, extensions=(), read_only=()), f"{run_id}_admin"
    word = SecretStr("canary-of-the-administrator")
    create = f"CREATE ROLE {admin} LOGIN CREATEROLE CREATEDB PASSWORD '{word.get_secret_value()}'"
    await execute(local.by_psql(), create)
    found = await planned_and_done(local, local.by_dsn(user=admin, password=word), bare)
    assert f"GRANT {settings.role} TO CURRENT_USER" in found


async def test_a_half_made_database_is_finished_as_planned(
    local: LocalServer, settings: DatabaseSettings
) -> None:
    sql = local.by_psql()
    await execute(
        sql,
        f"CREATE ROLE {settings.role} LOGIN PASSWORD '{PASSWORD.get_secret_value()}'",
        f"CREATE DATABASE {settings.name} OWNER {settings.role} TEMPLATE template0 ALLOW_CONNECTIONS false "
        "CONNECTION LIMIT 0",
    )
    found = await planned_and_done(local, sql, settings)
    assert found[0].startswith("REVOKE CONNECT")


async def test_what_is_not_in_the_plan_does_not_run(local: LocalServer, settings: DatabaseSettings) -> None:
    sql = local.by_psql()
    bare = replace(settings, extensions=(), read_only=())
    plan = await preview(sql, bare, PASSWORD)
    allowed = frozenset(one for each in plan.values() for one in each)
    begun = local.log.stat().st_size
    for wanted, may in ((settings, allowed), (bare, frozenset[str]())):
        with pytest.raises(MovedError, match="not in the plan"):
            await ensure_database(sql, wanted, PASSWORD, report=silent, deadline_s=60, allowed=may)
    assert written(local.log, begun) == []


async def test_what_a_set_up_refuses_a_plan_refuses(local: LocalServer, settings: DatabaseSettings) -> None:
    sql = local.by_psql()
    await execute(sql, f"CREATE ROLE {settings.role} LOGIN PASSWORD 'somebody-elses'")
    with pytest.raises(ConflictError, match="another password"):
        await preview(sql, settings, PASSWORD)
