"""R34: a cluster and a GitOps repository as a year of build scripts has left them, and Slipway's first run.

Nothing there is rotated, reformatted or lost: the Secrets' bytes and resourceVersions, the server's
catalog and all but one line of the values file stay.
"""

import base64
import json
import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, replace

import pytest
from pydantic import SecretStr

from slipway_host import passage
from slipway_host.applications import KubernetesApplications
from slipway_host.config import Generated
from slipway_host.delivery import Delivery
from slipway_host.errors import ConflictError
from slipway_host.kube import KubeClient
from slipway_host.kube_http import Json
from slipway_host.postgres import Step
from slipway_host.postgres_pods import connect
from slipway_host.progress import silent
from slipway_host.psql import Psql
from slipway_host.results import Status
from slipway_host.settings import (
    DatabaseSettings,
    GitSettings,
    PostgresSettings,
    RegistrySettings,
    SecretsSettings,
    Target,
)
from slipway_lab import command, credentials, gitserver
from slipway_lab.kubernetes import kubeconfig_path, kubectl
from slipway_lab.layout import GIT, Layout
from support.target import api_target

PASSWORD = "Year0ld-pass"
COMMIT = "1234e567" + "0" * 32
VALUES = (
    "# api, kept by hand since 2024\n"
    "replicaCount:   1\n"
    "image:\n"
    "    repository: registry.invalid/acme/api   # three spaces\n"
    "    tag: 33356460  # last one by hand\n"
    "env:\n"
    "- {name: A, value: 'x'}\n"
    '- {name: LONG, value: "' + "y" * 120 + '"}\n'
    "resources:\n"
    "    limits: {cpu: 1}\n"
    "resources:\n"
    "    limits: {cpu: 2}\n"
)
CONFIGURATIONS: dict[str, Callable[[str], str]] = {
    "YAML": lambda text: text,
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
    "wrapped base64": lambda text: base64.encodebytes(text.encode()).decode(),
}


@dataclass(frozen=True)
class World:
    """What the old scripts left: one application of the test's own."""

    layout: Layout
    name: str
    postgres: PostgresSettings

    @property
    def target(self) -> Target:
        return api_target(
            commit=COMMIT,
            repository="registry.invalid/acme/api",
            namespace=self.name,
            database=DatabaseSettings(name=self.name, role=self.name),
            secrets=SecretsSettings(
                name="api-secrets",
                generate={"JWT_SECRET": Generated(), "API_SECRET": Generated()},
                compose={
                    "POSTGRES_URL": "{url}",
                    "DB_HOST": "{host}",
                    "DB_PORT": "{port}",
                    "DB_NAME": "{name}",
                    "DB_USER": "{user}",
                    "DB_PASSWORD": "{password}",
                },
                asked=("REDIS_URL", "REDIS_PASSWORD"),
            ),
        )

    def values(self) -> dict[str, str]:
        url = f"postgresql://{self.name}:{PASSWORD}@postgresql:5432/{self.name}?sslmode=disable"
        return {
            "DATABASE_URL": url,
            "POSTGRES_URL": url,
            "REDIS_URL": "redis://:r@redis:6379/0\n",
            "REDIS_PASSWORD": "r",
            "JWT_SECRET": "set-by-hand-in-2024",
            "API_SECRET": "a" * 40,
            "DB_HOST": "postgresql",
            "DB_PORT": "5432",
            "DB_NAME": self.name,
            "DB_USER": self.name,
            "DB_PASSWORD": PASSWORD,
            "SMTP_PASSWORD": " theirs ",
        }

    def store(self, values: dict[str, str]) -> None:
        """Write the service's Secret by `kubectl apply`, as the script did."""
        self.apply("api-secrets", "Opaque", values)

    def apply(self, name: str, kind: str, values: dict[str, str], namespace: str = "") -> None:
        metadata = {"name": name, "namespace": namespace or self.name}
        body = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": metadata,
            "type": kind,
            "stringData": values,
        }
        kubectl(self.layout, "apply", "-f", "-", stdin=json.dumps(body))

    def delivery(self, kube: KubeClient) -> Delivery:
        return Delivery(
            target=self.target,
            kube=kube,
            applications=KubernetesApplications(kube),
            run_id="living",
            report=silent,
        )


@pytest.fixture
async def world(
    layout: Layout, kube: KubeClient, postgres: PostgresSettings, registry: RegistrySettings, namespace: str
) -> AsyncIterator[World]:
    found = World(layout, namespace, postgres)
    kubectl(layout, "create", "namespace", namespace)
    sql = await connect(kube, postgres, deadline_s=30)
    made = (
        f"CREATE ROLE {namespace} LOGIN PASSWORD '{PASSWORD}'",
        f"CREATE DATABASE {namespace} OWNER {namespace}",
        f"GRANT ALL PRIVILEGES ON DATABASE {namespace} TO {namespace}",
    )
    await sql.act([Step(text, computed=False) for text in made], database="postgres")
    auth = base64.b64encode(f"{registry.username}:{registry.password.get_secret_value()}".encode()).decode()
    # Written by `docker login`, which keeps no user name beside `auth`.
    auths = {"ghcr.io": {"auth": "bzpw"}, registry.host: {"auth": auth}}
    text = json.dumps({"auths": auths, "credsStore": ""}, indent=4)
    found.apply("registry-credentials", "kubernetes.io/dockerconfigjson", {".dockerconfigjson": text})
    found.store(found.values())
    yield found
    dropped = (f"DROP DATABASE IF EXISTS {namespace} WITH (FORCE)", f"DROP ROLE IF EXISTS {namespace}")
    await sql.act([Step(text, computed=False) for text in dropped], database="postgres")


async def secret(kube: KubeClient, world: World, name: str = "api-secrets") -> Json:
    return await kube.get(f"/api/v1/namespaces/{world.name}/secrets/{name}")


async def catalog(sql: Psql, name: str) -> str:
    """Everything that the server knows of the role and the database."""
    return await sql.value(
        "SELECT json_build_array("
        f"(SELECT to_json(a) FROM pg_authid a WHERE rolname = '{name}'), "
        "(SELECT to_json(d) FROM (SELECT oid, datname, datdba, datacl, datallowconn, datconnlimit, encoding "
        f"FROM pg_database WHERE datname = '{name}') d), "
        f"(SELECT count(*) FROM pg_auth_members WHERE roleid = '{name}'::regrole))",
        database="postgres",
    )


@pytest.mark.parametrize("form", CONFIGURATIONS)
@pytest.mark.parametrize("key", ["admin-user-password", "postgres-password"])
async def test_nothing_in_the_cluster_is_rotated_reformatted_or_lost(
    layout: Layout, world: World, registry: RegistrySettings, form: str, key: str
) -> None:
    admin = f"{world.name}-postgresql"
    world.apply(admin, "Opaque", {key: credentials.read(layout, "postgres")}, namespace="infra")
    settings = replace(world.postgres, secret=admin)
    text = CONFIGURATIONS[form](kubeconfig_path(layout, "deployer").read_text())
    try:
        async with await KubeClient.connect(SecretStr(text)) as kube:
            sql = await connect(kube, settings, deadline_s=30)
            names = ("api-secrets", "registry-credentials")
            before = [await secret(kube, world, name) for name in names], await catalog(sql, world.name)
            delivery = world.delivery(kube)
            made, password = await delivery.secrets(registry, settings)
            database = await delivery.database(settings, password)
            after = [await secret(kube, world, name) for name in names], await catalog(sql, world.name)
    finally:
        kubectl(layout, "-n", "infra", "delete", "secret", admin)

    assert after == before
    assert (made.status, database.status) == (Status.SKIPPED, Status.SKIPPED)
    assert password == SecretStr(PASSWORD)
    assert "DB_HOST" in made.outputs["differs"]


async def test_password_of_the_old_layout_is_taken_over_where_it_opens_the_server(
    kube: KubeClient, world: World, registry: RegistrySettings
) -> None:
    old = {key: value for key, value in world.values().items() if key not in {"DATABASE_URL", "POSTGRES_URL"}}
    kubectl(world.layout, "-n", world.name, "delete", "secret", "api-secrets")
    world.store(old)
    sql = await connect(kube, world.postgres, deadline_s=30)
    stored, before = await secret(kube, world), await catalog(sql, world.name)

    made, password = await world.delivery(kube).secrets(registry, world.postgres)
    database = await world.delivery(kube).database(world.postgres, password)

    after = await secret(kube, world)
    assert made.outputs["added"] == ["DATABASE_URL", "POSTGRES_URL"]
    assert {key: after["data"][key] for key in stored["data"]} == stored["data"]
    assert password == SecretStr(PASSWORD)
    assert database.status is Status.SKIPPED
    assert await catalog(sql, world.name) == before


async def test_password_of_the_old_layout_that_is_not_the_roles_is_a_conflict(
    kube: KubeClient, world: World, registry: RegistrySettings
) -> None:
    kubectl(world.layout, "-n", world.name, "delete", "secret", "api-secrets")
    old = {**world.values(), "DB_PASSWORD": "another-one"}
    world.store({key: value for key, value in old.items() if key not in {"DATABASE_URL", "POSTGRES_URL"}})
    before = await secret(kube, world)

    with pytest.raises(ConflictError, match="the one in DB_PASSWORD is not its own") as caught:
        await world.delivery(kube).secrets(registry, world.postgres)

    assert await secret(kube, world) == before
    assert "another-one" not in str(caught.value)


@pytest.fixture
def repository(layout: Layout, run_id: str) -> Iterator[str]:
    """A GitOps repository on `master`, with nothing on `main`."""
    name = f"mosuon/{run_id}-gitops"
    source = layout.run / f"{run_id}-gitops"
    (source / "apps" / "api").mkdir(parents=True)
    yield name
    shutil.rmtree(source)
    shutil.rmtree(gitserver.repository(layout, name))


@pytest.mark.parametrize("end", ["\n", "\r\n"])
async def test_values_file_of_years_changes_in_one_line_on_master(
    layout: Layout, repository: str, kube: KubeClient, world: World, end: str
) -> None:
    source = layout.run / repository.removeprefix("mosuon/")
    text = VALUES.replace("\n", end)
    (source / "apps" / "api" / "values.yaml").write_bytes(text.encode())
    gitserver.publish(layout, repository, source, message="seed")
    git = ["git", "-C", str(gitserver.repository(layout, repository))]
    command.run([*git, "branch", "-m", "main", "master"])
    settings = GitSettings(
        url=f"{GIT}/{repository}.git",
        branch="master",
        username=credentials.GIT_WRITER,
        token=SecretStr(credentials.read(layout, "git-writer")),
    )
    change = world.delivery(kube).change(digest="sha256:" + "0" * 64, source_url="", ancestors=None)

    done = await passage.commit(settings, [change], run_id="living", report=silent)
    again = await passage.commit(settings, [change], run_id="living", report=silent)

    after = command.run([*git, "cat-file", "blob", "master:apps/api/values.yaml"])
    lines = list(zip(text.split("\n"), after.split("\n"), strict=True))
    assert [pair for pair in lines if pair[0] != pair[1]] == [
        (
            f"    tag: 33356460  # last one by hand{end[:-1]}",
            f'    tag: "1234e567"  # last one by hand{end[:-1]}',
        )
    ]
    assert (done["api"].status, again["api"].status) == (Status.SUCCEEDED, Status.SKIPPED)
    assert command.run([*git, "rev-list", "--count", "master"]).strip() == "2"
