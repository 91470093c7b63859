"""Logs and metrics: whose they are, what is left out of them, and what is new."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import anyio
import pytest
from pydantic import SecretStr

from slipway_host import logs, metrics
from slipway_host.errors import NotFoundError, ServiceUnavailableError, TerminalError
from slipway_host.scrub import scrubbed
from slipway_host.settings import SecretsSettings
from support.target import api_target

if TYPE_CHECKING:
    from slipway_host.kube import KubeClient

Json = dict[str, Any]
TARGET = api_target(
    environment="dev",
    commit="0" * 40,
    workload_kind="StatefulSet",
    secrets=SecretsSettings(name="api-secrets", given={"JWT_SECRET": SecretStr("canary-jwt")}),
)
RUNNING: Json = {"state": {"running": {}}, "restartCount": 0}
RESTARTED: Json = {"state": {"running": {}}, "restartCount": 2}
WAITING: Json = {"state": {"waiting": {"reason": "ContainerCreating"}}, "restartCount": 0}


def pod(name: str, *, ready: bool = True, **containers: Json) -> Json:
    statuses = [{"name": container, **status} for container, status in containers.items()]
    return {
        "metadata": {"name": name, "ownerReferences": [{"uid": "s"}]},
        "status": {
            "containerStatuses": statuses,
            "conditions": [{"type": "Ready", "status": str(ready)}],
        },
    }


class Cluster:
    """One StatefulSet, its pods, and what their containers have said by now."""

    def __init__(self, *found: Json) -> None:
        self.pods = list(found)
        self.said: dict[str, str | Exception] = {}
        self.asked: list[tuple[str, Json]] = []
        self.answers: dict[str, tuple[int, str]] = {}
        self.there = True

    async def find(self, path: str) -> Json | None:
        assert path.endswith("/statefulsets/api")
        containers = [{"name": "app"}, {"name": "proxy"}]
        spec = {"selector": {"matchLabels": {"app": "api"}}, "template": {"spec": {"containers": containers}}}
        return {"metadata": {"name": "api", "uid": "s"}, "spec": spec} if self.there else None

    async def list(self, path: str, *, selector: str = "") -> list[Json]:
        assert (path, selector) == ("/api/v1/namespaces/mosuon/pods", "app=api")
        return self.pods

    async def pod_log(self, namespace: str, name: str, container: str, **asked: Any) -> str:
        assert namespace == "mosuon"
        self.asked.append((f"{name}/{container}", asked))
        said = self.said.get(f"{name}/{container}", "")
        if isinstance(said, Exception):
            raise said
        return said

    async def proxy_get(self, namespace: str, name: str, port: int, path: str, **_: Any) -> tuple[int, str]:
        assert (namespace, port, path) == ("mosuon", 4000, "/metrics")
        return self.answers[name]


def client(cluster: Cluster) -> KubeClient:
    return cast("KubeClient", cluster)


async def test_lines_come_with_their_pods_name_and_in_its_order() -> None:
    cluster = Cluster(pod("api-1", app=RUNNING), pod("api-0", app=RUNNING, proxy=RUNNING))
    cluster.said = {"api-0/app": "one\n  two\n", "api-1/app": "three\n"}
    told = await logs.tail(client(cluster), TARGET, lines=7)
    assert told.splitlines() == [
        "api-0/app: one",
        "api-0/app:   two",
        "api-0/proxy: has said nothing",
        "api-1: three",
    ]
    assert {asked["lines"] for _, asked in cluster.asked} == {7}
    assert all(asked["limit_bytes"] <= 1024 * 1024 for _, asked in cluster.asked)  # fault 100


async def test_credentials_and_terminal_commands_are_left_out() -> None:  # faults 98 and 99
    cluster = Cluster(pod("api-0", app=RUNNING))
    cluster.said = {
        "api-0/app": "\x1b[2Jhi canary-jwt\r\nDATABASE_URL=postgres://a:canary-pw@db/a\n"
        "::error::x token=canary\n"
    }
    told = await logs.tail(client(cluster), TARGET, lines=10)
    assert "canary" not in told
    assert "\x1b" not in told
    assert all(line.startswith("api-0: ") for line in told.splitlines())  # so no line begins with `::`


async def test_previous_means_containers_that_were_restarted() -> None:
    cluster = Cluster(pod("api-0", app=RUNNING), pod("api-1", app=RESTARTED))
    cluster.said = {"api-1/app": "panic"}
    assert await logs.tail(client(cluster), TARGET, lines=9, previous=True) == "api-1: panic"
    assert [(name, asked["previous"]) for name, asked in cluster.asked] == [("api-1/app", True)]
    nobody = Cluster(pod("api-0", app=RUNNING))
    assert await logs.tail(client(nobody), TARGET, lines=9, previous=True) == (
        "no container was ever restarted"
    )


async def test_container_that_never_ran_is_not_asked() -> None:
    cluster = Cluster(pod("api-0", app=WAITING))
    assert await logs.tail(client(cluster), TARGET, lines=9) == "no container has started yet"
    assert cluster.asked == []


async def test_container_that_is_not_there_is_named_with_those_that_are() -> None:
    with pytest.raises(NotFoundError, match="no container 'ap': there are app, proxy"):
        await logs.tail(client(Cluster()), TARGET, lines=9, container="ap")
    gone = Cluster()
    gone.there = False
    with pytest.raises(NotFoundError, match="StatefulSet/api does not exist in namespace mosuon"):
        await logs.tail(client(gone), TARGET, lines=9)


async def test_follow_reports_each_new_line_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "POLL_S", 0.01)
    cluster = Cluster(pod("api-0", app=RUNNING))
    cluster.said = {"api-0/app": "2026-01-01T00:00:00.100Z before\n"}
    lines: list[str] = []

    async def speak() -> None:
        await anyio.sleep(0.05)
        # The same second again, as the server does: only what is later is new.
        cluster.said["api-0/app"] = (
            "2026-01-01T00:00:00.100Z before\n2026-01-01T00:00:00.200Z token=canary x\n"
        )
        cluster.pods.append(pod("api-1", app=RUNNING))
        cluster.said["api-1/app"] = "2026-01-01T00:00:01.000Z born\n"
        await anyio.sleep(0.05)
        cluster.said["api-1/app"] = ServiceUnavailableError("the pod goes")

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(speak)
        count = await logs.follow(client(cluster), TARGET, seconds=0.3, report=lines.append)

    assert lines == ["api-0: token=*** x", "api-1: born"]
    assert count == 2
    assert cluster.asked[-2][1]["since"] == "2026-01-01T00:00:00.200Z"


TEXT = """\
# HELP http_requests_total Requests.
# TYPE http_requests_total counter
http_requests_total{code="200"} 7
# a remark
go_goroutines 9
"""


async def test_metrics_of_every_ready_pod_are_shown_and_can_be_chosen() -> None:  # R17
    cluster = Cluster(pod("api-1", app=RUNNING), pod("api-0", app=RUNNING), pod("x", ready=False))
    cluster.answers = {"api-0": (200, TEXT), "api-1": (200, "go_goroutines 3\n")}
    told = await metrics.snapshot(client(cluster), TARGET, port=4000, path="/metrics")
    assert told.splitlines() == [
        "# pod api-0",
        "# HELP http_requests_total Requests.",
        "# TYPE http_requests_total counter",
        'http_requests_total{code="200"} 7',
        "go_goroutines 9",
        "",
        "# pod api-1",
        "go_goroutines 3",
    ]
    chosen = await metrics.snapshot(client(cluster), TARGET, port=4000, path="/metrics", match="gorout")
    assert chosen == "# pod api-0\ngo_goroutines 9\n\n# pod api-1\ngo_goroutines 3"


async def test_pod_without_the_endpoint_is_named_with_the_key_to_set() -> None:
    cluster = Cluster(pod("api-0", app=RUNNING))
    cluster.answers = {"api-0": (404, "not found")}
    with pytest.raises(TerminalError, match="pod api-0: /metrics on port 4000 answers HTTP 404") as caught:
        await metrics.snapshot(client(cluster), TARGET, port=4000, path="/metrics")
    assert "services.api.metrics" in caught.value.next_command
    with pytest.raises(NotFoundError, match="has no ready pod"):
        await metrics.snapshot(client(Cluster()), TARGET, port=4000, path="/metrics")


def test_what_looks_like_a_credential_is_hidden_and_the_rest_stays() -> None:
    assert scrubbed("password: x1 user=bob") == "password: *** user=bob"
    assert scrubbed("no secrets here, 7 tokens left") == "no secrets here, 7 tokens left"
