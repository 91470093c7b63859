"""R22: what the checks make of servers' answers; the lab's real ones are in tests/integration."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import pytest
from pydantic import SecretStr

from slipway_host import doctor
from slipway_host.applications import KubernetesApplications
from slipway_host.checks import CheckStatus, Result, examine
from slipway_host.doctor import World
from slipway_host.errors import AccessDeniedError, SettingsError
from slipway_host.settings import (
    DatabaseSettings,
    GitSettings,
    PostgresSettings,
    RegistrySettings,
    Target,
)
from support.git_work import publish, settings
from support.target import api_target

if TYPE_CHECKING:
    from pathlib import Path

    from slipway_host.kube import KubeClient
    from slipway_host.postgres import SqlRunner

Json = dict[str, Any]
NAMESPACE = "/api/v1/namespaces/mosuon"
TARGET = api_target(
    commit="0" * 40, repository="127.0.0.1:1/acme/api", database=DatabaseSettings(name="api", role="api")
)
POSTGRES = PostgresSettings(
    namespace="infra",
    selector="app=postgres",
    container="postgresql",
    host="db",
    port=5432,
    admin_user="postgres",
    secret="postgresql",
)


class Cluster:
    """Answers by path, and grants every right but those that are named."""

    def __init__(self) -> None:
        self.version = "v1.34.4"
        self.objects: dict[str, Json | Exception] = {NAMESPACE: {"status": {"phase": "Active"}}}
        self.denied: set[tuple[str, str]] = set()
        self.asked: list[str] = []

    async def get(self, path: str) -> Json:
        assert path == "/version"
        return {"gitVersion": self.version}

    async def find(self, path: str) -> Json | None:
        found = self.objects.get(path)
        if isinstance(found, Exception):
            raise found
        return found

    async def create(self, path: str, body: Json) -> Json:
        assert path.endswith("/selfsubjectaccessreviews")
        asked = body["spec"]["resourceAttributes"]
        self.asked.append(f"{asked['verb']} {asked['resource']}")
        return {"status": {"allowed": (asked["verb"], asked["resource"]) not in self.denied}}


class Server:
    """A PostgreSQL server with nothing in it."""

    def __init__(self, *, version: str = "15.4", may: bool = True) -> None:
        self.said = {"version": version, "role": "admin", "may": may}

    async def value(self, query: str, *, database: str) -> str:
        assert database == "postgres"
        if "'database'" not in query:
            return json.dumps(self.said)
        there: dict[str, object] = {"role": None, "database": None, "readers": {}, "available": []}
        return json.dumps({**there, "lacking": [], "lackingInside": []})


async def look(
    cluster: Cluster | Exception,
    work: Path | None = None,
    *,
    postgres: PostgresSettings = POSTGRES,
    target: Target = TARGET,
) -> dict[str, Result]:
    async def kube() -> KubeClient:
        if isinstance(cluster, Exception):
            raise cluster
        return cast("KubeClient", cluster)

    async def registry() -> RegistrySettings:
        raise SettingsError("REGISTRY_PASSWORD is not given", next_command="write it into .env")

    async def repository() -> GitSettings:
        if work is None:
            raise SettingsError("GH_PAT is not given", next_command="write it into .env")
        return settings(work)

    async def server() -> PostgresSettings:
        return postgres

    world = World(
        targets=[target],
        kube=kube,
        applications=KubernetesApplications,
        registry=registry,
        repository=repository,
        postgres=server,
        protocols=("file",),
    )
    return {result.name: result for result in await examine(world.checks())}


@pytest.fixture(autouse=True)
def sql(monkeypatch: pytest.MonkeyPatch) -> Server:
    server = Server()

    async def connect(*_: object, **__: object) -> SqlRunner:
        return cast("SqlRunner", server)

    monkeypatch.setattr(doctor, "connect_sql", connect)
    return server


async def test_what_is_not_given_is_said_where_it_is_missing_and_nowhere_else() -> None:
    found = await look(Cluster())
    for name in ("registry pull: api", "registry push: api"):
        assert (found[name].status, found[name].found) == (
            CheckStatus.FAILED,
            "REGISTRY_PASSWORD is not given",
        )
    assert found["git"].found == "GH_PAT is not given"
    assert found["git"].fix == "write it into .env"
    assert found["kubernetes"].status is CheckStatus.OK
    assert found["rights: api"].status is CheckStatus.OK
    assert found["database: api"].status is CheckStatus.OK


async def test_cluster_that_does_not_answer_fails_one_check_and_skips_its_own(work: Path) -> None:
    found = await look(SettingsError("KUBE_CONFIG is not given"), work)
    assert found["kubernetes"].status is CheckStatus.FAILED
    of_cluster = {name for name, result in found.items() if "because of" in result.found}
    assert of_cluster == {
        "postgresql",
        "argocd controller",
        *(f"{name}: api" for name in ("rights", "namespace", "secret", "argocd", "sync windows", "database")),
    }
    assert found["values: api"].status is CheckStatus.OK


@pytest.mark.parametrize(
    ("version", "status"),
    [
        ("v1.34.4", CheckStatus.OK),
        ("v1.28.0-gke.100", CheckStatus.OK),
        ("v1.27.9", CheckStatus.WARNING),
        ("v2.0.0", CheckStatus.OK),
    ],
)
async def test_version_of_kubernetes_outside_what_is_tested_is_a_warning(
    version: str, status: CheckStatus
) -> None:
    cluster = Cluster()
    cluster.version = version
    assert (await look(cluster))["kubernetes"].status is status


async def test_namespace_is_only_to_be_made_where_there_is_none() -> None:
    there, absent = Cluster(), Cluster()
    del absent.objects[NAMESPACE]
    absent.denied = there.denied = {("create", "namespaces")}
    assert (await look(there))["rights: api"].status is CheckStatus.OK
    found = await look(absent)
    assert found["namespace: api"].found == "mosuon is not there yet; the first deploy makes it"
    assert "missing: create namespaces (secrets)" in found["rights: api"].found


async def test_namespace_on_its_way_out_and_one_that_may_not_be_seen_are_told_apart() -> None:
    cluster = Cluster()
    cluster.objects[NAMESPACE] = {"status": {"phase": "Terminating"}}
    assert "is being deleted" in (await look(cluster))["namespace: api"].found
    cluster.objects[NAMESPACE] = AccessDeniedError("get namespaces/mosuon: denied")
    cluster.denied = {("get", "namespaces")}
    found = await look(cluster)
    assert found["namespace: api"].found == "get namespaces/mosuon: denied"
    assert "get namespaces mosuon (secrets)" in found["rights: api"].found
    assert "create namespaces" not in cluster.asked


@pytest.mark.parametrize(
    ("said", "status", "words"),
    [
        ({}, CheckStatus.OK, "who may create roles and databases"),
        ({"may": False}, CheckStatus.FAILED, "who may not create roles and databases"),
        ({"version": "14.20 (Debian)"}, CheckStatus.WARNING, "tested from 15 on"),
    ],
)
async def test_administrator_that_may_not_and_servers_of_old_are_named(
    sql: Server, said: Json, status: CheckStatus, words: str
) -> None:
    sql.said |= said
    found = (await look(Cluster()))["postgresql"]
    assert (found.status, words in found.found) == (status, True), found


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('image:\n  tag: "0a1b2c3d"\n', "names 0a1b2c3d, and can be edited"),
        ("image:\n  tag:\n", "names no tag yet, and can be edited"),
        (f'image:\n  tag: "x"\n  digest: "sha256:{"1" * 64}"\n', "names x, and can be edited"),
        ("replicas: 2\n", "apps/api/values.yaml"),  # fault 66
        ('image:\n  tag: "{{ .Values.x }}"\n', "apps/api/values.yaml"),  # fault 71
    ],
)
async def test_values_file_is_edited_on_trial(work: Path, text: str, words: str) -> None:
    (work / TARGET.values).write_text(text)
    publish(work)
    found = (await look(Cluster(), work))["values: api"]
    assert words in found.found
    editable = words.endswith("edited")
    assert found.status is (CheckStatus.OK if editable else CheckStatus.FAILED)
    if not editable:
        assert "apps/api/values.yaml" in found.found


async def test_service_without_a_database_asks_no_server() -> None:

    found = await look(Cluster(), target=replace(TARGET, database=None))
    assert "postgresql" not in found
    assert not any(name.startswith("database") for name in found)


async def test_password_is_in_no_result() -> None:

    secret = replace(POSTGRES, admin_password=SecretStr("canary-4711"))
    assert "canary" not in str(await look(Cluster(), postgres=secret))
