"""What stages say that they would do: the same decisions as when they act, and no write."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import anyio.lowlevel
import pytest
from pydantic import SecretStr

from slipway_host import database, migration, namespaces, pull_secret, secrets
from slipway_host.errors import ConflictError, MovedError, SettingsError
from slipway_host.secrets import ensure_app_secret
from slipway_host.settings import DatabaseSettings, MigrationSettings, RegistrySettings, SecretsSettings
from support.app_secret import CANARY, PATH, POSTGRES, TARGET, URL, put
from support.database_server import BEGUN, DATABASE, PASSWORD, ROLE, Server
from support.kube import FakeKube
from support.target import api_target

if TYPE_CHECKING:
    from slipway_host.kube import KubeClient
    from slipway_host.secrets import Decision
    from slipway_host.settings import Target

API = DatabaseSettings(name="api", role="api", extensions=("pg_trgm",))
REGISTRY = RegistrySettings(host="registry.test", username="ci", password=SecretStr("canary"))
HEAD = "a" * 40


@pytest.fixture
def kube() -> FakeKube:
    return FakeKube()


def client(kube: FakeKube) -> KubeClient:
    return cast("KubeClient", kube)


async def decide(kube: FakeKube, target: Target = TARGET, *, role: bool = False) -> Decision:
    async def role_exists() -> bool:
        await anyio.lowlevel.checkpoint()
        return role

    async def accepts(password: SecretStr) -> bool:
        await anyio.lowlevel.checkpoint()
        return password.get_secret_value() == CANARY

    return await secrets.preview(client(kube), target, POSTGRES, role_exists=role_exists, accepts=accepts)


async def test_a_secret_that_is_yet_to_be_made_is_told_by_its_keys(kube: FakeKube) -> None:
    found = await decide(kube)
    assert (found.creates, found.missing, found.origin) == (True, ("DATABASE_URL", "JWT_SECRET"), "new")
    assert kube.writes == []


async def test_only_keys_that_are_missing_are_told_and_no_value_is_in_the_words(kube: FakeKube) -> None:
    put(kube, {"DATABASE_URL": URL, "OTHER": CANARY})
    found = await decide(kube)
    assert (found.creates, found.has, found.missing) == (False, ("DATABASE_URL",), ("JWT_SECRET",))
    assert found.origin == "DATABASE_URL"
    assert CANARY not in repr(found)
    assert kube.writes == []


async def test_whose_password_is_taken_over_is_told(kube: FakeKube) -> None:
    put(kube, {"DB_PASSWORD": CANARY, "JWT_SECRET": "j" * 32})
    assert (await decide(kube, role=True)).origin == "DB_PASSWORD"


async def test_what_would_stop_the_secret_stops_its_preview(kube: FakeKube) -> None:
    put(kube, {"JWT_SECRET": "-"})
    with pytest.raises(ConflictError, match="a mere `-`"):
        await decide(kube)
    with pytest.raises(SettingsError, match="lacks REDIS_URL"):
        await decide(FakeKube(), replace(TARGET, secrets=SecretsSettings(name="s", asked=("REDIS_URL",))))


async def test_a_key_that_is_not_allowed_is_not_added(kube: FakeKube) -> None:
    async def nobody() -> bool:
        await anyio.lowlevel.checkpoint()
        return False

    with pytest.raises(MovedError, match="lacks DATABASE_URL: not in the plan"):
        await ensure_app_secret(client(kube), TARGET, POSTGRES, role_exists=nobody, allowed=("JWT_SECRET",))
    assert kube.writes == []
    assert PATH not in kube.objects


async def test_a_pull_secret_is_created_changed_or_kept(kube: FakeKube) -> None:
    async def asked(registry: RegistrySettings = REGISTRY) -> str:
        return await pull_secret.preview(client(kube), "mosuon", "pull", registry)

    assert await asked() == "create"
    assert kube.writes == []
    with pytest.raises(MovedError, match="to create it is not in the plan"):
        await pull_secret.ensure_pull_secret(
            client(kube), "mosuon", "pull", REGISTRY, allowed=frozenset({pull_secret.CHANGE})
        )
    await pull_secret.ensure_pull_secret(client(kube), "mosuon", "pull", REGISTRY)
    assert await asked() == "keep"
    other = replace(REGISTRY, username="other")
    assert await asked(other) == "change"
    with pytest.raises(MovedError, match="to change it"):
        await pull_secret.ensure_pull_secret(
            client(kube), "mosuon", "pull", other, allowed=frozenset({pull_secret.CREATE})
        )
    assert len(kube.writes) == 1


async def test_a_namespace_that_is_gone_is_made_only_where_that_is_allowed(kube: FakeKube) -> None:
    assert await namespaces.absent(client(kube), "api")
    with pytest.raises(MovedError, match="namespace api is gone"):
        await namespaces.ensure_namespace(client(kube), "api", labels={}, allowed=False)
    assert kube.writes == []
    await namespaces.ensure_namespace(client(kube), "api", labels={})
    assert not await namespaces.absent(client(kube), "api")


@pytest.mark.parametrize(
    ("server", "expected"),
    [
        (Server(), {"postgres": ("CREATE ROLE api",), "api": ("CREATE EXTENSION pg_trgm",)}),
        (Server(ROLE, BEGUN), {"postgres": ("CREATE ROLE api",), "api": ("CREATE EXTENSION pg_trgm",)}),
        (Server(ROLE, DATABASE), {}),
    ],
    ids=["nothing", "begun", "all"],
)
async def test_sql_is_told_by_database(server: Server, expected: dict[str, Any]) -> None:
    server.lacking, server.lacking_inside = ["CREATE ROLE api"], ["CREATE EXTENSION pg_trgm"]
    assert await database.preview(server, API, PASSWORD) == expected
    assert server.scripts == []


async def test_sql_in_a_service_s_own_database_is_read_there() -> None:
    server = Server(ROLE, DATABASE)
    server.pending = 2
    assert await database.preview(server, API, PASSWORD) == {"api": ("GRANT 0", "GRANT 1")}


async def test_another_password_stops_the_preview_too() -> None:
    with pytest.raises(ConflictError, match="another password"):
        await database.preview(Server(ROLE, DATABASE), API, SecretStr("other"))


@pytest.mark.parametrize(
    ("status", "state", "runs"),
    [
        (None, "absent", True),
        ({"conditions": [{"type": "Complete", "status": "True"}]}, "done", False),
        ({"conditions": [{"type": "Failed", "status": "True"}]}, "failed", True),
        ({}, "running", False),
    ],
)
async def test_a_migration_runs_unless_its_job_has(
    kube: FakeKube, status: dict[str, Any] | None, state: str, *, runs: bool
) -> None:
    settings = MigrationSettings(command=("./migrate",))
    unknown = await migration.preview(client(kube), api_target(), settings, digest="")
    assert (unknown.job, unknown.runs) == ("", True)
    name = (await migration.preview(client(kube), api_target(), settings, digest="sha256:1")).job
    if status is not None:
        kube.put(f"/apis/batch/v1/namespaces/mosuon/jobs/{name}", {"metadata": {}, "status": status})
    found = await migration.preview(client(kube), api_target(), settings, digest="sha256:1")
    assert (found.job, found.state, found.runs) == (name, state, runs)
    assert kube.writes == []
