"""R9 against PostgreSQL 15 and 18 as local processes, by psql beside the server and by connection string."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

import anyio
import pytest
from pydantic import SecretStr

from slipway_host.database import ensure_database
from slipway_host.errors import AccessDeniedError, ConflictError, NotFoundError
from slipway_host.postgres import SqlRunner, Step
from slipway_host.progress import silent
from slipway_host.results import StageResult, Status
from slipway_host.settings import DatabaseSettings
from slipway_host.together import together
from support.postgres_server import LocalServer, debian, server, wheel

PASSWORD = SecretStr("canary-4711-canary")


@pytest.fixture(scope="module", params=[debian, wheel], ids=["debian", "wheel"])
def local(request: pytest.FixtureRequest) -> Iterator[LocalServer]:
    with server(request.param()) as started:
        yield started


@pytest.fixture(params=["psql", "dsn"])
def sql(local: LocalServer, request: pytest.FixtureRequest) -> SqlRunner:
    return local.by_psql() if request.param == "psql" else local.by_dsn()


@pytest.fixture
def settings(run_id: str) -> DatabaseSettings:
    return DatabaseSettings(name=run_id, role=run_id)


async def ensure(
    sql: SqlRunner, settings: DatabaseSettings, password: SecretStr = PASSWORD, *, reset: bool = False
) -> StageResult:
    return await ensure_database(sql, settings, password, report=silent, deadline_s=60, reset=reset)


async def execute(sql: SqlRunner, *statements: str, database: str = "postgres") -> None:
    await sql.act([Step(statement, computed=False) for statement in statements], database=database)


async def catalog(sql: SqlRunner, settings: DatabaseSettings) -> str:
    """All that a set-up could change, passwords included."""
    outside = await sql.value(
        "SELECT json_build_array((SELECT json_agg(r ORDER BY rolname) FROM pg_authid r), "
        "(SELECT json_agg(d ORDER BY datname) FROM pg_database d), "
        "(SELECT json_agg(m ORDER BY roleid, member) FROM pg_auth_members m))",
        database="postgres",
    )
    inside = await sql.value(
        "SELECT json_build_array((SELECT json_agg(e ORDER BY extname) FROM pg_extension e), "
        "(SELECT json_agg(d ORDER BY oid) FROM pg_default_acl d), "
        "(SELECT json_agg(n ORDER BY nspname) FROM pg_namespace n), "
        "(SELECT json_agg(relacl ORDER BY oid) FROM pg_class WHERE relacl IS NOT NULL))",
        database=settings.name,
    )
    return outside + inside


async def test_a_second_run_skips_and_leaves_the_catalog_as_it_is(
    sql: SqlRunner, settings: DatabaseSettings
) -> None:
    whole = replace(settings, extensions=("pg_trgm", "hstore"), read_only=(f"{settings.role}_r",))
    assert (await ensure(sql, whole)).status is Status.SUCCEEDED
    before = await catalog(sql, whole)
    assert (await ensure(sql, whole)).status is Status.SKIPPED
    assert await catalog(sql, whole) == before


async def test_the_owner_creates_in_public_and_others_do_not_even_connect(
    local: LocalServer, sql: SqlRunner, settings: DatabaseSettings, run_id: str
) -> None:
    """Faults 42 and 43."""
    other = replace(settings, name=f"{run_id}_other", role=f"{run_id}_other")
    await ensure(sql, settings)
    await ensure(sql, other)
    owner = local.by_dsn(user=settings.role, password=PASSWORD)
    await execute(owner, "CREATE TABLE public.t (i int)", database=settings.name)
    stranger = local.by_dsn(user=other.role, password=PASSWORD)
    with pytest.raises(AccessDeniedError, match="permission denied for database"):
        await stranger.value("SELECT 1", database=settings.name)


@pytest.mark.parametrize("different", [True, False], ids=["different", "same"])
async def test_32_set_ups_at_once_have_no_error(
    sql: SqlRunner,
    settings: DatabaseSettings,
    different: bool,  # noqa: FBT001
) -> None:
    """Faults 34 and 35: nothing is lost, nothing is made twice, and the owners can log in."""
    names = [f"{settings.name}_{number if different else 0}" for number in range(32)]
    reader = f"{settings.name}_r"
    wanted = [replace(settings, name=name, role=name, read_only=(reader,)) for name in names]
    done = await together(*(partial(ensure, sql, one) for one in wanted))
    assert len(done) == 32
    assert sum(result.status is Status.SUCCEEDED for result in done) >= len(set(names))
    count = f"SELECT count(*) FROM pg_database WHERE datallowconn AND datname LIKE '{settings.name}\\_%'"
    assert await sql.value(count, database="postgres") == str(len(set(names)))
    again = await together(*(partial(ensure, sql, one) for one in wanted))
    assert {result.status for result in again} == {Status.SKIPPED}


async def test_another_password_is_a_conflict_until_its_reset_is_asked_for(
    sql: SqlRunner, settings: DatabaseSettings
) -> None:
    """Fault 38."""
    await ensure(sql, settings)
    before = await catalog(sql, settings)
    new = SecretStr("canary-0815-other")
    with pytest.raises(ConflictError, match="another password"):
        await ensure(sql, settings, new)
    assert await catalog(sql, settings) == before

    result = await ensure(sql, settings, new, reset=True)
    assert result.outputs["passwordReset"] is True
    assert await sql.accepts(settings.role, new)
    assert not await sql.accepts(settings.role, PASSWORD)
    assert (await ensure(sql, settings, new, reset=True)).status is Status.SKIPPED


@pytest.mark.parametrize(
    ("made", "why"),
    [
        ("CREATE ROLE {0} SUPERUSER LOGIN PASSWORD 'canary-4711-canary'", "superuser"),
        ("CREATE ROLE {0} NOLOGIN", "NOLOGIN"),
        ("CREATE DATABASE {0} TEMPLATE template0", "belongs to role postgres"),
    ],
)
async def test_what_others_use_is_not_taken_over(
    sql: SqlRunner, settings: DatabaseSettings, made: str, why: str
) -> None:
    """Fault 40."""
    await execute(sql, made.format(settings.role))
    for reset in (False, True):
        with pytest.raises(ConflictError, match=why):
            await ensure(sql, settings, reset=reset)


async def test_what_is_in_use_already_is_adopted_with_its_open_door(
    sql: SqlRunner, settings: DatabaseSettings
) -> None:
    """R34: made by hand, long ago, as people do."""
    await execute(
        sql,
        f"CREATE ROLE {settings.role} LOGIN PASSWORD '{PASSWORD.get_secret_value()}'",
        f"CREATE DATABASE {settings.name} OWNER {settings.role} TEMPLATE template0",
    )
    before = await catalog(sql, settings)
    result = await ensure(sql, settings)
    assert (result.status, result.outputs["publicConnect"]) == (Status.SKIPPED, True)
    assert await catalog(sql, settings) == before


@pytest.mark.parametrize("left", [1, 2, 3])
async def test_a_set_up_that_was_killed_is_completed(
    sql: SqlRunner, settings: DatabaseSettings, monkeypatch: pytest.MonkeyPatch, left: int
) -> None:
    """Fault 50: after the role, after the database, after the REVOKE."""
    from slipway_host import database
    from slipway_host.database_steps import outside

    class KilledError(Exception):
        pass

    def some(*arguments: object, **options: object) -> list[Step]:
        steps = outside(*arguments, **options)  # type: ignore[arg-type]
        kept = [steps[0], steps[2], steps[3]][:left]
        return [*kept, Step("SELECT 1/0", computed=False)]

    with monkeypatch.context() as patched:
        patched.setattr(database, "outside", some)
        with pytest.raises(Exception, match="22012"):
            await ensure(sql, settings)
    assert (await ensure(sql, settings)).status is Status.SUCCEEDED
    public = f"SELECT has_database_privilege('public', '{settings.name}', 'CONNECT')"
    assert await sql.value(public, database="postgres") == "false"


async def test_an_administrator_that_is_no_superuser_makes_all_of_it(
    local: LocalServer, settings: DatabaseSettings, run_id: str
) -> None:
    """Fault 44, and 16's memberships without SET; pg_trgm is trusted, so its creation needs no superuser."""
    admin = f"{run_id}_admin"
    await execute(
        local.by_psql(),
        f"CREATE ROLE {admin} LOGIN CREATEDB CREATEROLE PASSWORD '{PASSWORD.get_secret_value()}'",
    )
    ways: list[Callable[..., SqlRunner]] = [local.by_psql, local.by_dsn]
    for number, way in enumerate(ways):
        name = f"{run_id}_{number}"
        wanted = replace(settings, name=name, role=name, extensions=("pg_trgm",), read_only=(f"{run_id}_r",))
        mine = way(user=admin, password=PASSWORD)
        assert (await ensure(mine, wanted)).status is Status.SUCCEEDED
        assert (await ensure(mine, wanted)).status is Status.SKIPPED


async def test_a_busy_template1_is_in_nobody_s_way(
    local: LocalServer, sql: SqlRunner, settings: DatabaseSettings
) -> None:
    """Fault 45."""

    async def busy() -> None:
        await local.by_dsn().value("SELECT pg_sleep(60)", database="template1")

    users = "SELECT count(*) FROM pg_stat_activity WHERE datname = 'template1'"
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(busy)
        while await sql.value(users, database="postgres") == "0":  # noqa: ASYNC110 - the server tells no one
            await anyio.sleep(0.05)
        with anyio.fail_after(4):  # CREATE DATABASE itself would wait 5 s for template1, and then fail
            assert (await ensure(sql, settings)).status is Status.SUCCEEDED
        assert await sql.value(users, database="postgres") == "1"
        tasks.cancel_scope.cancel()


async def test_a_read_only_role_reads_tables_of_before_and_of_later_and_writes_none(
    local: LocalServer, sql: SqlRunner, settings: DatabaseSettings
) -> None:
    await ensure(sql, settings)
    owner = local.by_dsn(user=settings.role, password=PASSWORD)
    await execute(owner, 'CREATE TABLE "public"."odd ""name"" " (i int)', database=settings.name)
    reader = f"{settings.role}_r"
    assert (await ensure(sql, replace(settings, read_only=(reader,)))).status is Status.SUCCEEDED
    await execute(owner, "CREATE TABLE public.later (i int)", database=settings.name)

    tool = f"{settings.role}_tool"
    await execute(sql, f"CREATE ROLE {tool} LOGIN PASSWORD 'canary-tool' IN ROLE {reader}")
    reading = local.by_dsn(user=tool, password=SecretStr("canary-tool"))
    for table in ('"odd ""name"" "', "later"):
        assert await reading.value(f"SELECT count(*) FROM public.{table}", database=settings.name) == "0"
    with pytest.raises(AccessDeniedError, match="permission denied for table later"):
        await execute(reading, "INSERT INTO public.later VALUES (1)", database=settings.name)


async def test_an_extension_keeps_its_version_and_one_without_a_package_is_named(
    sql: SqlRunner, settings: DatabaseSettings
) -> None:
    await ensure(sql, settings)
    old = await sql.value(
        "SELECT min(version) FROM pg_available_extension_versions WHERE name = 'pg_trgm'",
        database="postgres",
    )
    await execute(sql, f"CREATE EXTENSION pg_trgm VERSION '{old}' SCHEMA public", database=settings.name)
    result = await ensure(sql, replace(settings, extensions=("pg_trgm",)))
    assert result.status is Status.SKIPPED
    assert f"left at their version: pg_trgm {old}, not " in result.summary

    with pytest.raises(NotFoundError, match=r'no package with extension hstor: it has .*"hstore"'):
        await ensure(sql, replace(settings, extensions=("hstor",)))


async def test_a_service_s_own_search_path_runs_nothing_as_the_administrator(
    local: LocalServer, sql: SqlRunner, settings: DatabaseSettings
) -> None:
    """The owner may set it on its database: an unqualified `format()` would then be the owner's."""
    await ensure(sql, settings)
    owner = local.by_dsn(user=settings.role, password=PASSWORD)
    await execute(
        owner,
        "CREATE FUNCTION public.format(VARIADIC anyarray) RETURNS text LANGUAGE sql AS "
        f"$$ SELECT 'ALTER ROLE {settings.role} SUPERUSER' $$",
        "CREATE FUNCTION public.format(text, text, text) RETURNS text LANGUAGE sql AS "
        f"$$ SELECT 'ALTER ROLE {settings.role} SUPERUSER' $$",
        f"ALTER DATABASE {settings.name} SET search_path = public, pg_catalog",
        database=settings.name,
    )
    await ensure(sql, replace(settings, extensions=("hstore",), read_only=(f"{settings.role}_r",)))
    rights = f"SELECT rolsuper FROM pg_roles WHERE rolname = '{settings.role}'"
    assert await sql.value(rights, database="postgres") == "false"


async def test_no_password_reaches_the_server_s_log(
    local: LocalServer, sql: SqlRunner, settings: DatabaseSettings
) -> None:
    """Fault 41: with log_statement=all, and with a statement that fails."""
    secret = SecretStr("canary-never-in-a-log")
    await ensure(sql, settings, secret)
    await ensure(sql, settings, SecretStr("canary-never-in-a-log-2"), reset=True)
    log = local.log.read_text()
    assert settings.name in log
    assert "canary-never-in-a-log" not in log
