"""PostgreSQL in the cluster: which pod, and whose password."""

from __future__ import annotations

import base64
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import anyio.lowlevel
import pytest
from pydantic import SecretStr

from slipway_host.errors import (
    AccessDeniedError,
    ConflictError,
    DeadlineError,
    DeliveryError,
    NotFoundError,
    ServiceUnavailableError,
    SettingsError,
    UnknownOutcomeError,
)
from slipway_host.kube_exec import ExecResult
from slipway_host.postgres_pods import connect
from slipway_host.settings import PostgresSettings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from slipway_host.kube import KubeClient
    from slipway_host.psql import Psql

Json = dict[str, Any]
CANARY = "canary-4711 \\ 'x"
SETTINGS = PostgresSettings(
    namespace="infra",
    selector="app=postgresql",
    container="postgresql",
    host="postgresql.infra",
    port=5432,
    admin_user="postgres",
    secret="postgresql",
    admin_password=SecretStr(CANARY),
)


class Cluster:
    """PostgreSQL pods, each with its answer to `pg_is_in_recovery`."""

    def __init__(self, **pods: str | DeliveryError) -> None:
        self.pods = {name: pod(name) for name in pods}
        self.answers = pods
        self.secret: Json | None = None
        self.asked: list[tuple[str, Sequence[str], str]] = []

    async def list(self, path: str, *, selector: str = "") -> Sequence[Json]:
        await anyio.lowlevel.checkpoint()
        assert path == "/api/v1/namespaces/infra/pods"
        assert selector == "app=postgresql"
        return list(self.pods.values())

    async def find(self, path: str) -> Json | None:
        await anyio.lowlevel.checkpoint()
        assert path == "/api/v1/namespaces/infra/secrets/postgresql"
        return self.secret

    async def exec(
        self,
        namespace: str,
        pod: str,
        container: str,
        command: Sequence[str],
        *,
        stdin: str,
        deadline_s: float,
    ) -> ExecResult:
        await anyio.lowlevel.checkpoint()
        assert (namespace, container, deadline_s) == ("infra", "postgresql", 7)
        assert "canary" not in " ".join(command)
        self.asked.append((pod, command, stdin))
        answer = self.answers[pod]
        if isinstance(answer, DeliveryError):
            raise answer
        return ExecResult(exit_code=0, stdout=f"{answer}\n", stderr="")


def pod(name: str) -> Json:
    return {
        "metadata": {"name": name},
        "spec": {"containers": [{"name": "metrics"}, {"name": "postgresql"}]},
        "status": {"podIP": f"ip-{name}", "conditions": [{"type": "Ready", "status": "True"}]},
    }


async def join(cluster: Cluster, settings: PostgresSettings = SETTINGS) -> Psql:
    return await connect(cast("KubeClient", cluster), settings, deadline_s=7)


async def refused(cluster: Cluster, kind: type[DeliveryError], settings: PostgresSettings = SETTINGS) -> str:
    with pytest.raises(kind) as caught:
        await join(cluster, settings)
    assert "canary" not in str(caught.value)
    return str(caught.value)


async def test_the_primary_is_used_whatever_its_place_in_the_list() -> None:
    cluster = Cluster(a="true", b="false", c="true")
    sql = await join(cluster)
    await sql.value("SELECT 1", database="postgres")
    assert cluster.asked[-1][0] == "b"


async def test_a_password_is_tried_at_the_primary_s_own_address() -> None:
    cluster = Cluster(a="true", b="false")
    await (await join(cluster)).accepts("api", SecretStr("x"))
    assert "ip-b" in cluster.asked[-1][1]


async def test_the_container_s_port_counts_not_the_exporter_s() -> None:
    cluster = Cluster(a="false")
    cluster.pods["a"]["spec"]["containers"][1]["ports"] = [
        {"name": "metrics", "containerPort": 9187},
        {"name": "tcp-postgresql", "containerPort": 5433},
    ]
    await (await join(cluster)).accepts("api", SecretStr("x"))
    assert "5433" in cluster.asked[-1][1]


async def test_two_primaries_are_two_servers() -> None:
    assert "a, b" in await refused(Cluster(b="false", a="false", c="true"), ConflictError)


async def test_standbys_alone_are_no_server() -> None:
    assert "standby" in await refused(Cluster(a="true", b="true"), NotFoundError)


async def test_no_pod_is_said_so() -> None:
    assert "no PostgreSQL pod matches app=postgresql" in await refused(Cluster(), NotFoundError)


async def test_pods_that_are_not_ready_or_on_their_way_out_are_not_asked() -> None:
    cluster = Cluster(a="false", b="false")
    cluster.pods["a"]["status"]["conditions"][0]["status"] = "False"
    cluster.pods["b"]["metadata"]["deletionTimestamp"] = "2026-08-01T00:00:00Z"
    assert "none of 2" in await refused(cluster, NotFoundError)
    assert not cluster.asked


async def test_another_container_name_is_answered_with_those_that_there_are() -> None:
    settings = replace(SETTINGS, container="db")
    assert "metrics, postgresql" in await refused(Cluster(a="false"), NotFoundError, settings)


async def test_one_broken_standby_does_not_matter() -> None:
    cluster = Cluster(a=ServiceUnavailableError("no kubelet"), b="false")
    await (await join(cluster)).value("SELECT 1", database="postgres")
    assert cluster.asked[-1][0] == "b"


@pytest.mark.parametrize(
    "error",
    [
        AccessDeniedError("pods/exec is forbidden", next_command="kubectl auth can-i create pods"),
        UnknownOutcomeError("the connection ended"),
        DeadlineError("no end after 7 s"),
    ],
)
async def test_what_keeps_us_from_every_pod_is_the_error(error: DeliveryError) -> None:
    assert error.cause in await refused(Cluster(a=error, b="true"), type(error))


IN_CLUSTER = replace(SETTINGS, admin_password=None)


def encoded(**values: str) -> Json:
    return {"data": {key: base64.b64encode(text.encode()).decode() for key, text in values.items()}}


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"postgres-password": "second", "admin-user-password": "first"}, "first"),
        ({"postgres-password": "second"}, "second"),
        ({"postgres-password": "second", "admin-user-password": ""}, "second"),
    ],
)
async def test_without_a_given_password_the_cluster_s_secret_has_it(
    values: dict[str, str], expected: str
) -> None:
    cluster = Cluster(a="false")
    cluster.secret = encoded(**values)
    await join(cluster, IN_CLUSTER)
    assert cluster.asked[0][2].startswith(f"{expected}\n")


async def test_a_given_password_wins_over_the_cluster_s() -> None:
    cluster = Cluster(a="false")
    cluster.secret = encoded(**{"postgres-password": "second"})
    await join(cluster)
    assert cluster.asked[0][2].startswith(f"{CANARY}\n")


@pytest.mark.parametrize(
    ("secret", "kind", "what"),
    [
        (None, NotFoundError, "there is no Secret postgresql"),
        (encoded(other="canary"), NotFoundError, "it has other"),
        ({"data": None}, NotFoundError, "no keys"),
        ({"data": {"postgres-password": "canary!"}}, SettingsError, "postgres-password is not text"),
        ({"data": {"postgres-password": "/w=="}}, SettingsError, "postgres-password is not text"),
    ],
)
async def test_a_secret_without_a_usable_password_is_explained(
    secret: Json | None, kind: type[DeliveryError], what: str
) -> None:
    cluster = Cluster(a="false")
    cluster.secret = secret
    assert what in await refused(cluster, kind, IN_CLUSTER)


@pytest.mark.parametrize("text", ["", " \n"])
async def test_an_empty_given_password_is_not_taken_for_none(text: str) -> None:
    cluster = Cluster(a="false")
    cluster.secret = encoded(**{"postgres-password": "second"})
    await refused(cluster, SettingsError, replace(SETTINGS, admin_password=SecretStr(text)))
    assert not cluster.asked
