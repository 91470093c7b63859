"""R9 against the lab's PostgreSQL, by exec into its pod."""

from collections.abc import AsyncIterator
from dataclasses import replace
from functools import partial

import pytest
from pydantic import SecretStr

from slipway_host.database import ensure_database
from slipway_host.errors import ConflictError, NotFoundError
from slipway_host.kube import KubeClient
from slipway_host.postgres import Step
from slipway_host.postgres_pods import connect
from slipway_host.progress import silent
from slipway_host.psql import Psql
from slipway_host.results import Status
from slipway_host.settings import DatabaseSettings, PostgresSettings
from slipway_host.together import together

PASSWORD = SecretStr("canary-4711-canary")


@pytest.fixture
async def sql(kube: KubeClient, postgres: PostgresSettings) -> Psql:
    return await connect(kube, postgres, deadline_s=30)


@pytest.fixture
async def settings(sql: Psql, run_id: str) -> AsyncIterator[DatabaseSettings]:
    yield DatabaseSettings(name=run_id, role=run_id)
    drop = [Step(f"DROP {what} IF EXISTS {run_id}", computed=False) for what in ("DATABASE", "ROLE")]
    await sql.act(drop, database="postgres")


async def test_makes_a_database_that_its_role_owns_and_the_public_may_not_enter(
    sql: Psql, settings: DatabaseSettings
) -> None:
    made = await ensure_database(sql, settings, PASSWORD, report=silent, deadline_s=30)
    again = await ensure_database(sql, settings, PASSWORD, report=silent, deadline_s=30)

    assert (made.status, again.status) == (Status.SUCCEEDED, Status.SKIPPED)
    query = f"""
SELECT concat_ws(' ', pg_get_userbyid(datdba), datallowconn,
  has_database_privilege('public', datname, 'CONNECT'),
  has_schema_privilege('{settings.role}', 'public', 'CREATE'))
FROM pg_database WHERE datname = '{settings.name}'"""
    assert await sql.value(query, database=settings.name) == f"{settings.role} t f t"
    assert await sql.accepts(settings.role, PASSWORD)


async def test_set_ups_at_once_all_succeed(sql: Psql, settings: DatabaseSettings) -> None:
    async def set_up() -> Status:
        done = await ensure_database(sql, settings, PASSWORD, report=silent, deadline_s=60)
        return done.status

    statuses = await together(*(partial(set_up) for _ in range(32)))

    assert Status.SUCCEEDED in statuses
    count = f"SELECT count(*) FROM pg_database WHERE datname = '{settings.name}'"
    assert await sql.value(count, database="postgres") == "1"


async def test_another_password_is_a_conflict_and_changes_nothing(
    sql: Psql, settings: DatabaseSettings
) -> None:
    await ensure_database(sql, settings, PASSWORD, report=silent, deadline_s=30)
    verifier = f"SELECT rolpassword FROM pg_authid WHERE rolname = '{settings.role}'"
    before = await sql.value(verifier, database="postgres")

    with pytest.raises(ConflictError, match="another password"):
        await ensure_database(sql, settings, SecretStr("other-password"), report=silent, deadline_s=30)

    assert await sql.value(verifier, database="postgres") == before


async def test_missing_pod_is_named_by_its_selector(kube: KubeClient, postgres: PostgresSettings) -> None:
    nobody = replace(postgres, selector="app.kubernetes.io/name=nobody")
    with pytest.raises(NotFoundError, match=r"no PostgreSQL pod matches app\.kubernetes\.io/name=nobody"):
        await connect(kube, nobody, deadline_s=30)
