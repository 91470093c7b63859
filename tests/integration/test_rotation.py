"""R10: `rotate` against the lab's API server, PostgreSQL and Argo CD."""

import base64
import shutil
import time
from collections.abc import AsyncIterator, Iterator

import anyio
import pytest
from pydantic import SecretStr

from slipway_host.config import Generated
from slipway_host.connection import url_parts
from slipway_host.database import ensure_database
from slipway_host.errors import SettingsError
from slipway_host.kube import KubeClient
from slipway_host.namespaces import ensure_namespace
from slipway_host.postgres import Step
from slipway_host.postgres_pods import connect
from slipway_host.progress import silent
from slipway_host.psql import Psql
from slipway_host.restart import RESTARTED_AT
from slipway_host.results import StageResult, Status
from slipway_host.rotation import NEXT, Rotation, rotate, rotation
from slipway_host.secrets import ensure_app_secret
from slipway_host.settings import DatabaseSettings, PostgresSettings, SecretsSettings, Target
from slipway_lab import gitserver
from slipway_lab.kubernetes import apply, kubectl
from slipway_lab.layout import GIT, Layout
from support import argocd_objects
from support.dying import Dying, Killed
from support.target import api_target

SELF_HEAL_S = 12
"""Argo CD heals 5 seconds after it has seen a difference."""


def target(name: str) -> Target:
    return api_target(
        app=name,
        environment="dev",
        commit="0" * 40,
        repository="registry.invalid/acme/api",
        namespace=name,
        database=DatabaseSettings(name=name, role=name),
        secrets=SecretsSettings(
            name="api-secrets",
            generate={"JWT_SECRET": Generated(), "API_SECRET": Generated()},
            compose={"DB_PASSWORD": "{password}", "POSTGRES_URL": "{url}", "DB_HOST": "{host}"},
        ),
    )


@pytest.fixture
async def sql(kube: KubeClient, postgres: PostgresSettings) -> Psql:
    return await connect(kube, postgres, deadline_s=30)


@pytest.fixture
async def service(
    kube: KubeClient, sql: Psql, postgres: PostgresSettings, namespace: str
) -> AsyncIterator[Target]:
    """A service's Secret, role and database, as `secrets` and `database` make them."""
    found = target(namespace)
    await ensure_namespace(kube, namespace, labels={})

    async def nobody() -> bool:
        return False

    _, password = await ensure_app_secret(kube, found, postgres, role_exists=nobody)
    assert found.database
    assert password
    await ensure_database(sql, found.database, password, report=silent, deadline_s=30)
    yield found
    name = namespace
    dropped = (f"DROP DATABASE IF EXISTS {name}", f"DROP ROLE IF EXISTS {name}")
    await sql.act([Step(text, computed=False) for text in dropped], database="postgres")


async def values(kube: KubeClient, service: Target) -> dict[str, str]:
    secret = await kube.get(f"/api/v1/namespaces/{service.namespace}/secrets/api-secrets")
    return {key: base64.b64decode(value).decode() for key, value in secret["data"].items()}


def plan(service: Target, *keys: str, name: str = "first") -> Rotation:
    return rotation(name=name, keys=keys, confirm="api-secrets", targets=[service])


async def run(
    kube: KubeClient, what: Rotation, postgres: PostgresSettings, sql: Psql | None = None
) -> StageResult:
    return await rotate(kube, what, postgres, sql=sql, report=silent, deadline_s=90)


async def test_only_the_named_key_changes_and_the_same_rotation_changes_nothing_twice(
    kube: KubeClient, service: Target, postgres: PostgresSettings
) -> None:
    before = await values(kube, service)
    done = await run(kube, plan(service, "JWT_SECRET"), postgres)
    after = await values(kube, service)
    again = await run(kube, plan(service, "JWT_SECRET"), postgres)

    assert (done.status, again.status) == (Status.SUCCEEDED, Status.SKIPPED)
    assert {key for key in before if before[key] != after[key]} == {"JWT_SECRET"}
    assert await values(kube, service) == after
    assert not any(value in repr(done) for value in (before["JWT_SECRET"], after["JWT_SECRET"]))
    await run(kube, plan(service, "JWT_SECRET", name="second"), postgres)
    assert (await values(kube, service))["JWT_SECRET"] != after["JWT_SECRET"]


async def test_a_rotated_database_password_opens_the_database_and_the_old_one_does_not(
    kube: KubeClient, service: Target, sql: Psql, postgres: PostgresSettings
) -> None:
    before = await values(kube, service)
    await run(kube, plan(service, "DATABASE_URL"), postgres, sql)
    after = await values(kube, service)

    changed = {key for key in before if before[key] != after[key]}
    assert changed == {"DATABASE_URL", "POSTGRES_URL", "DB_PASSWORD"}
    assert NEXT not in after
    assert after["DATABASE_URL"] == after["POSTGRES_URL"]
    assert await sql.accepts(service.namespace, SecretStr(after["DB_PASSWORD"]))
    assert not await sql.accepts(service.namespace, SecretStr(before["DB_PASSWORD"]))


@pytest.mark.parametrize("writes", [1, 2, 3])
async def test_a_rotation_killed_after_any_write_is_completed_by_the_next_call(
    kube: KubeClient, service: Target, sql: Psql, postgres: PostgresSettings, writes: int
) -> None:
    """The writes: next password stored, role altered, Secret switched over."""
    count = [writes]
    dying_kube, dying_sql = Dying(kube, count), Dying(sql, count)
    with pytest.raises(Killed):
        await run(dying_kube, plan(service, "DATABASE_URL"), postgres, dying_sql)  # type: ignore[arg-type]
    stored = await values(kube, service)
    known = [stored.get(NEXT, ""), stored["DB_PASSWORD"]]
    assert any([await sql.accepts(service.namespace, SecretStr(one)) for one in known if one])

    await run(kube, plan(service, "DATABASE_URL"), postgres, sql)
    after = await values(kube, service)
    again = await run(kube, plan(service, "DATABASE_URL"), postgres, sql)

    parts = url_parts(after["DATABASE_URL"])
    assert parts
    assert await sql.accepts(service.namespace, parts[2])
    assert NEXT not in after
    assert again.status is Status.SKIPPED
    assert await values(kube, service) == after


async def test_rotations_at_once_under_one_name_end_with_one_value(
    kube: KubeClient, service: Target, sql: Psql, postgres: PostgresSettings
) -> None:
    async with anyio.create_task_group() as tasks:
        for _ in range(5):
            tasks.start_soon(run, kube, plan(service, "DATABASE_URL", "JWT_SECRET"), postgres, sql)
    after = await values(kube, service)
    assert await sql.accepts(service.namespace, SecretStr(after["DB_PASSWORD"]))
    again = await run(kube, plan(service, "DATABASE_URL", "JWT_SECRET"), postgres, sql)
    assert again.status is Status.SKIPPED


@pytest.mark.parametrize(
    ("keys", "confirm", "why"),
    [
        (("JWT_SECRET",), "yes", "say so with the Secret's name"),
        (("DB_PASSWORD",), "api-secrets", "rotated as DATABASE_URL"),
        (("OTHER",), "api-secrets", "no key that can be rotated"),
        ((), "api-secrets", "no key is named"),
    ],
)
def test_what_is_not_confirmed_or_no_key_is_refused(keys: tuple[str, ...], confirm: str, why: str) -> None:
    with pytest.raises(SettingsError, match=why):
        rotation(name="first", keys=keys, confirm=confirm, targets=[target("api")])


MANIFEST = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: api}
spec:
  replicas: 1
  selector: {matchLabels: {app: api}}
  template:
    metadata: {labels: {app: api}, annotations: {ours: "1"}}
    spec:
      terminationGracePeriodSeconds: 0
      containers:
        - name: app
          image: docker.io/library/postgres:17
          imagePullPolicy: IfNotPresent
          command: [sleep, "600"]
          envFrom: [{secretRef: {name: api-secrets}}]
"""


@pytest.fixture
def application(layout: Layout, service: Target) -> Iterator[Target]:
    """The service's Deployment as Argo CD's own, with prune and self-heal."""
    name = service.namespace
    repository = f"mosuon/{name}"
    source = layout.run / name
    source.mkdir()
    (source / "api.yaml").write_text(MANIFEST)
    gitserver.publish(layout, repository, source, message="seed")
    url = f"{GIT}/{repository}.git"
    apply(
        layout,
        argocd_objects.readable(layout, name, url),
        argocd_objects.application(name, url, ".", options=("ServerSideApply=true",)),
    )
    deadline, shown = time.monotonic() + 90, ""
    while time.monotonic() < deadline:
        shown = kubectl(
            layout, "-n", "argocd", "get", "application", name, "-o", "jsonpath={.status.health.status}"
        )
        if shown == "Healthy":
            break
        time.sleep(1)
    else:
        pytest.fail(f"application {name} is {shown}")
    yield service
    kubectl(layout, "-n", "argocd", "delete", "application", name)
    kubectl(layout, "-n", "argocd", "delete", "secret", name)
    shutil.rmtree(source)
    shutil.rmtree(gitserver.repository(layout, repository))


async def test_rotation_replaces_the_pods_and_self_heal_leaves_them(
    kube: KubeClient, layout: Layout, application: Target, postgres: PostgresSettings
) -> None:
    name = application.namespace
    pods = f"/api/v1/namespaces/{name}/pods"
    before = {pod["metadata"]["uid"] for pod in await kube.list(pods)}

    done = await run(kube, plan(application, "JWT_SECRET"), postgres)

    assert "all pods are new" in done.summary
    jwt = (await values(kube, application))["JWT_SECRET"]
    read = kubectl(layout, "-n", name, "exec", "deploy/api", "--", "printenv", "JWT_SECRET").strip()
    assert read == jwt
    deployment = await kube.get(f"/apis/apps/v1/namespaces/{name}/deployments/api")
    # Argo CD looks anew and finds its manifest and the cluster the same.
    kubectl(layout, "-n", "argocd", "annotate", "application", name, "argocd.argoproj.io/refresh=hard")
    await anyio.sleep(SELF_HEAL_S)
    later = await kube.get(f"/apis/apps/v1/namespaces/{name}/deployments/api")
    assert later["metadata"]["generation"] == deployment["metadata"]["generation"]
    assert later["spec"]["template"]["metadata"]["annotations"][RESTARTED_AT] == done.outputs["at"]
    status = kubectl(
        layout, "-n", "argocd", "get", "application", name, "-o", "jsonpath={.status.sync.status}"
    )
    assert status == "Synced"
    live = {
        pod["metadata"]["uid"] for pod in await kube.list(pods) if "deletionTimestamp" not in pod["metadata"]
    }
    assert not live & before
    again = await run(kube, plan(application, "JWT_SECRET"), postgres)
    assert again.status is Status.SKIPPED
    assert {pod["metadata"]["uid"] for pod in await kube.list(pods)} == live
