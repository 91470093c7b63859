"""R10 and R33 against the lab's API server."""

import base64
import json
from dataclasses import replace
from functools import partial

from slipway_host.config import Generated
from slipway_host.kube import KubeClient
from slipway_host.kube_http import Json
from slipway_host.namespaces import ensure_namespace
from slipway_host.pull_secret import ensure_pull_secret
from slipway_host.results import Status
from slipway_host.secrets import ensure_app_secret
from slipway_host.settings import (
    DatabaseSettings,
    PostgresSettings,
    RegistrySettings,
    SecretsSettings,
    Target,
)
from slipway_host.together import together


def target(namespace: str) -> Target:
    return Target(
        service="api",
        app="api",
        environment="dev",
        commit="0" * 40,
        repository="registry.invalid/acme/api",
        namespace=namespace,
        values="apps/api/values.yaml",
        argocd_namespace="argocd",
        workload_kind="Deployment",
        workload_name="api",
        health_path="/health",
        health_port=4000,
        health_stable_s=0,
        database=DatabaseSettings(name="api", role="api"),
        secrets=SecretsSettings(name="api-secrets", generate={"JWT_SECRET": Generated()}),
    )


async def nobody() -> bool:
    return False


async def read(kube: KubeClient, namespace: str, name: str) -> Json:
    return await kube.get(f"/api/v1/namespaces/{namespace}/secrets/{name}")


async def test_a_second_run_leaves_every_byte_and_the_resource_version(
    kube: KubeClient, namespace: str, postgres: PostgresSettings
) -> None:
    await ensure_namespace(kube, namespace, labels={})
    made, password = await ensure_app_secret(kube, target(namespace), postgres, role_exists=nobody)
    before = await read(kube, namespace, "api-secrets")
    again, same = await ensure_app_secret(kube, target(namespace), postgres, role_exists=nobody)

    assert (made.status, again.status) == (Status.SUCCEEDED, Status.SKIPPED)
    assert await read(kube, namespace, "api-secrets") == before
    assert password is not None
    assert password == same
    url = base64.b64decode(before["data"]["DATABASE_URL"]).decode()
    assert url == f"postgresql://api:{password.get_secret_value()}@{postgres.host}:5432/api"


async def test_missing_key_is_added_and_the_others_stay(
    kube: KubeClient, namespace: str, postgres: PostgresSettings
) -> None:
    await ensure_namespace(kube, namespace, labels={})
    await ensure_app_secret(kube, target(namespace), postgres, role_exists=nobody)
    before = await read(kube, namespace, "api-secrets")
    wider = target(namespace)
    keys = {"JWT_SECRET": Generated(), "API_SECRET": Generated(length=20, alphabet="hex")}
    wider = replace(wider, secrets=replace(wider.secrets, generate=keys))

    result, _ = await ensure_app_secret(kube, wider, postgres, role_exists=nobody)

    after = (await read(kube, namespace, "api-secrets"))["data"]
    assert result.outputs["added"] == ["API_SECRET"]
    assert {key: after[key] for key in before["data"]} == before["data"]
    assert len(base64.b64decode(after["API_SECRET"])) == 20


async def test_creators_at_once_agree_on_one_value(
    kube: KubeClient, namespace: str, postgres: PostgresSettings
) -> None:
    await ensure_namespace(kube, namespace, labels={})
    call = partial(ensure_app_secret, kube, target(namespace), postgres, role_exists=nobody)
    done = await together(*(call for _ in range(10)))

    passwords = {password.get_secret_value() for _, password in done if password}
    assert len(passwords) == 1
    assert [result.status for result, _ in done].count(Status.SUCCEEDED) == 1


async def test_pull_secret_changes_only_with_the_account(
    kube: KubeClient, namespace: str, registry: RegistrySettings
) -> None:
    await ensure_namespace(kube, namespace, labels={})
    name = "registry-credentials"
    statuses = [await ensure_pull_secret(kube, namespace, name, registry) for _ in range(2)]
    secret = await read(kube, namespace, name)
    document = json.loads(base64.b64decode(secret["data"][".dockerconfigjson"]))

    assert statuses == [Status.SUCCEEDED, Status.SKIPPED]
    assert secret["type"] == "kubernetes.io/dockerconfigjson"
    assert document["auths"][registry.host]["username"] == registry.username
    renamed = replace(registry, username="somebody-else")
    assert await ensure_pull_secret(kube, namespace, name, renamed) is Status.SUCCEEDED
