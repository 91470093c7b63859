"""R10, faults 51 and 52: the application's Secret survives re-runs and racers byte by byte."""

from functools import partial

from chaos.conftest import Note, Scale
from slipway_host.config import Generated
from slipway_host.kube import KubeClient
from slipway_host.kube_http import Json
from slipway_host.namespaces import ensure_namespace
from slipway_host.results import Status
from slipway_host.secrets import ensure_app_secret
from slipway_host.settings import DatabaseSettings, PostgresSettings, SecretsSettings, Target
from slipway_host.together import together
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


async def stored(kube: KubeClient, namespace: str) -> Json:
    return await kube.get(f"/api/v1/namespaces/{namespace}/secrets/api-secrets")


async def test_re_runs_change_no_byte(
    kube: KubeClient, postgres: PostgresSettings, namespace: str, scale: Scale, note: Note
) -> None:
    await ensure_namespace(kube, namespace, labels={})
    first, password = await ensure_app_secret(kube, target(namespace), postgres, role_exists=nobody)
    before = await stored(kube, namespace)
    changes = 0
    for _ in range(scale.reruns):
        again, same = await ensure_app_secret(kube, target(namespace), postgres, role_exists=nobody)
        changes += again.status is not Status.SKIPPED or same != password
    after = await stored(kube, namespace)
    changes += after["data"] != before["data"]
    note("re-runs of secrets", {"re-runs": scale.reruns, "JWT changes": changes})
    assert first.status is Status.SUCCEEDED
    assert changes == 0
    assert after["metadata"]["resourceVersion"] == before["metadata"]["resourceVersion"]


async def test_racers_end_with_one_and_the_same_secret(
    kube: KubeClient, postgres: PostgresSettings, namespace: str, scale: Scale, note: Note
) -> None:
    await ensure_namespace(kube, namespace, labels={})

    async def race() -> str:
        _, password = await ensure_app_secret(kube, target(namespace), postgres, role_exists=nobody)
        assert password
        return password.get_secret_value()

    passwords = await together(*(race for _ in range(scale.racers)))
    data = (await stored(kube, namespace))["data"]
    again = await together(*(partial(race) for _ in range(2)))
    note("racers for a Secret", {"racers": scale.racers, "passwords seen": len({*passwords, *again})})
    assert len({*passwords, *again}) == 1
    assert (await stored(kube, namespace))["data"] == data
