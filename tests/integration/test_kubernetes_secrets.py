"""R10 and R33 against the lab's API server."""

import base64
import json
from dataclasses import replace
from functools import partial

import anyio
import pytest

from slipway_host.applications import KubernetesApplications
from slipway_host.config import Generated
from slipway_host.delivery import Delivery
from slipway_host.errors import AccessDeniedError, ConflictError, SettingsError
from slipway_host.kube import KubeClient
from slipway_host.kube_http import Json
from slipway_host.namespaces import ensure_namespace
from slipway_host.progress import silent
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
from slipway_lab.kubernetes import kubectl
from slipway_lab.layout import Layout
from support.target import api_target


def target(namespace: str) -> Target:
    return api_target(
        environment="dev",
        commit="0" * 40,
        repository="registry.invalid/acme/api",
        namespace=namespace,
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


async def test_fifty_creators_at_once_agree_on_one_value(
    kube: KubeClient, namespace: str, postgres: PostgresSettings
) -> None:
    """Fault 52: one value wins, and all return it."""
    await ensure_namespace(kube, namespace, labels={})
    call = partial(ensure_app_secret, kube, target(namespace), postgres, role_exists=nobody)
    done = await together(*(call for _ in range(50)))

    passwords = {password.get_secret_value() for _, password in done if password}
    url = base64.b64decode((await read(kube, namespace, "api-secrets"))["data"]["DATABASE_URL"]).decode()
    assert len(done) == 50
    assert [url.split(":")[2].partition("@")[0]] == list(passwords)
    assert [result.status for result, _ in done].count(Status.SUCCEEDED) == 1


async def test_a_thousand_reruns_of_the_stage_change_no_byte(
    kube: KubeClient, namespace: str, postgres: PostgresSettings, registry: RegistrySettings
) -> None:
    """Fault 51: the whole stage, namespace and pull secret included."""
    alone = replace(target(namespace), database=None)
    delivery = Delivery(
        target=alone, kube=kube, applications=KubernetesApplications(kube), run_id="again", report=silent
    )
    await delivery.secrets(registry, postgres)
    before = await read(kube, namespace, "api-secrets")

    async def runs() -> list[Status]:
        return [(await delivery.secrets(registry, postgres))[0].status for _ in range(50)]

    results = await together(*(runs for _ in range(20)))
    assert [status for found in results for status in found] == [Status.SKIPPED] * 1000
    assert await read(kube, namespace, "api-secrets") == before


async def test_what_the_quota_says_is_passed_on(
    kube: KubeClient, layout: Layout, namespace: str, postgres: PostgresSettings
) -> None:
    """Fault 57."""
    await ensure_namespace(kube, namespace, labels={})
    kubectl(layout, "-n", namespace, "create", "quota", "none", "--hard=secrets=0")
    for _ in range(50):
        quota = await kube.get(f"/api/v1/namespaces/{namespace}/resourcequotas/none")
        if quota.get("status", {}).get("hard"):
            break
        await anyio.sleep(0.2)
    with pytest.raises(AccessDeniedError, match="exceeded quota"):
        await ensure_app_secret(kube, target(namespace), postgres, role_exists=nobody)


async def test_an_immutable_secret_that_lacks_a_key_is_left(
    kube: KubeClient, layout: Layout, namespace: str, postgres: PostgresSettings
) -> None:
    """Fault 56."""
    await ensure_namespace(kube, namespace, labels={})
    await ensure_app_secret(kube, target(namespace), postgres, role_exists=nobody)
    kubectl(layout, "-n", namespace, "patch", "secret", "api-secrets", "-p", '{"immutable": true}')
    before = await read(kube, namespace, "api-secrets")
    wider = target(namespace)
    wider = replace(wider, secrets=replace(wider.secrets, generate={"API_SECRET": Generated()}))
    with pytest.raises(ConflictError, match="lacks API_SECRET, and nothing was added: it is immutable"):
        await ensure_app_secret(kube, wider, postgres, role_exists=nobody)
    assert await read(kube, namespace, "api-secrets") == before


async def test_a_value_that_is_missing_is_refused_before_the_namespace_is_made(
    kube: KubeClient, namespace: str, postgres: PostgresSettings, registry: RegistrySettings
) -> None:
    asking = target(namespace)
    asking = replace(asking, secrets=replace(asking.secrets, asked=("REDIS_URL",)))
    delivery = Delivery(
        target=asking, kube=kube, applications=KubernetesApplications(kube), run_id="refused", report=silent
    )
    with pytest.raises(SettingsError, match="lacks REDIS_URL, and no value is given"):
        await delivery.secrets(registry, postgres)
    assert await kube.find(f"/api/v1/namespaces/{namespace}") is None


async def test_other_registries_and_the_form_of_an_equal_account_stay(
    kube: KubeClient, layout: Layout, namespace: str, registry: RegistrySettings
) -> None:
    """R33."""
    await ensure_namespace(kube, namespace, labels={})
    auth = base64.b64encode(f"{registry.username}:{registry.password.get_secret_value()}".encode()).decode()
    text = json.dumps({"auths": {"ghcr.io": {"auth": "bzpw"}, registry.host: {"auth": auth}}}, indent=4)
    body = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "theirs", "namespace": namespace},
        "type": "kubernetes.io/dockerconfigjson",
        "stringData": {".dockerconfigjson": text},
    }
    kubectl(layout, "apply", "-f", "-", stdin=json.dumps(body))
    before = await read(kube, namespace, "theirs")
    assert await ensure_pull_secret(kube, namespace, "theirs", registry) is Status.SKIPPED
    assert await read(kube, namespace, "theirs") == before

    renamed = replace(registry, username="somebody-else")
    assert await ensure_pull_secret(kube, namespace, "theirs", renamed) is Status.SUCCEEDED
    after = await read(kube, namespace, "theirs")
    document = json.loads(base64.b64decode(after["data"][".dockerconfigjson"]))
    assert document["auths"]["ghcr.io"] == {"auth": "bzpw"}
    assert document["auths"][registry.host]["username"] == "somebody-else"


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
