"""The HTTP check of the new revision's pods."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import anyio
import pytest

from slipway_host import health
from slipway_host.errors import (
    AccessDeniedError,
    HealthDegradedError,
    NotFoundError,
    ServiceUnavailableError,
)
from slipway_host.health import check_health
from slipway_host.progress import silent
from slipway_host.results import Status
from support.target import api_target

if TYPE_CHECKING:
    from slipway_host.kube import KubeClient
    from slipway_host.results import StageResult
    from slipway_host.settings import Target

Json = dict[str, Any]
DIGEST, OLD = "sha256:" + "a" * 64, "sha256:" + "b" * 64
TARGET = api_target(workload_kind="StatefulSet")
STABLE = replace(TARGET, health_stable_s=0.1)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "POLL_S", 0.02)


def pod(name: str, digest: str = DIGEST, *, ready: bool = True, restarts: int = 0) -> Json:
    image = f"{TARGET.repository}:{TARGET.tag}"
    return {
        "metadata": {
            "name": name,
            "namespace": "mosuon",
            "uid": name,
            "ownerReferences": [{"uid": "s"}],
        },
        "spec": {"containers": [{"name": "app", "image": image}]},
        "status": {
            "phase": "Running",
            "conditions": [{"type": "Ready", "status": str(ready)}],
            "containerStatuses": [
                {
                    "name": "app",
                    "ready": ready,
                    "restartCount": restarts,
                    "imageID": f"{TARGET.repository}@{digest}",
                    "state": {"running": {}},
                }
            ],
        },
    }


class Pods:
    """Lists pods and lets them answer; each answer and listing in turn, the last one stays."""

    def __init__(self, *listings: list[Json], **answers: list[tuple[int, str] | Exception]) -> None:
        self.listings = list(listings)
        self.answers = answers
        self.asked: list[str] = []

    async def find(self, path: str) -> Json | None:
        assert path == "/apis/apps/v1/namespaces/mosuon/statefulsets/api"
        return {
            "metadata": {"uid": "s"},
            "spec": {"selector": {"matchLabels": {"app": "api"}}},
        }

    async def list(self, path: str, *, selector: str = "", fields: str = "") -> list[Json]:
        assert (path, selector, fields) == ("/api/v1/namespaces/mosuon/pods", "app=api", "")
        found = self.listings.pop(0) if len(self.listings) > 1 else self.listings[0]
        return copy.deepcopy(found)

    async def proxy_get(
        self, namespace: str, name: str, port: int, path: str, *, deadline_s: float
    ) -> tuple[int, str]:
        assert (namespace, port, path) == ("mosuon", 4000, "/health")
        assert deadline_s > 0
        self.asked.append(name)
        answers = self.answers[name]
        found = answers.pop(0) if len(answers) > 1 else answers[0]
        if isinstance(found, Exception):
            raise found
        return found


async def run(
    kube: Pods, lines: list[str] | None = None, *, target: Target = TARGET, deadline_s: float = 5
) -> StageResult:
    return await check_health(
        cast("KubeClient", kube),
        target,
        digest=DIGEST,
        report=lines.append if lines is not None else silent,
        deadline_s=deadline_s,
    )


async def test_every_new_pod_is_asked() -> None:  # R14
    kube = Pods([pod("a"), pod("b")], a=[(200, "ok")], b=[(204, "")])
    result = await run(kube)
    assert result.status is Status.SUCCEEDED
    assert result.outputs == {"path": "/health", "pods": ["a", "b"]}
    assert sorted(kube.asked) == ["a", "b"]


async def test_one_unhealthy_pod_is_enough_to_wait() -> None:
    lines: list[str] = []
    kube = Pods([pod("a"), pod("b")], a=[(200, "ok")], b=[(503, "warming\x1b[2J up"), (200, "ok")])
    await run(kube, lines)
    assert lines == ["pod b: HTTP 503: warming [2J up", "2 pods answer /health with 2xx"]


async def test_an_old_pods_answer_does_not_count() -> None:  # fault 90
    kube = Pods([pod("old", OLD)], old=[(200, "ok")])
    with pytest.raises(HealthDegradedError) as caught:
        await run(kube, deadline_s=0.1)
    assert "no ready pod runs" in caught.value.cause
    assert OLD in caught.value.cause
    assert kube.asked == []


async def test_a_pod_that_is_not_ready_is_not_asked() -> None:
    kube = Pods([pod("a", ready=False), pod("b")], b=[(200, "ok")])
    assert (await run(kube)).outputs["pods"] == ["b"]


async def test_the_deadline_tells_the_last_status_and_body() -> None:  # fault 89
    kube = Pods([pod("a")], a=[(500, '{"db": "down"}')])
    with anyio.fail_after(5), pytest.raises(HealthDegradedError) as caught:
        await run(kube, deadline_s=0.1)
    assert 'pod a: HTTP 500: {"db": "down"}' in caught.value.cause
    assert caught.value.next_command == "kubectl -n mosuon logs a --all-containers --tail=50"


async def test_a_redirect_is_not_healthy() -> None:
    kube = Pods([pod("a")], a=[(302, "")])
    with pytest.raises(HealthDegradedError, match="HTTP 302"):
        await run(kube, deadline_s=0.1)


@pytest.mark.parametrize("error", [ServiceUnavailableError("connection refused"), NotFoundError("no pod a")])
async def test_a_pod_without_an_answer_is_asked_again(error: Exception) -> None:
    kube = Pods([pod("a")], a=[error, (200, "ok")])
    assert (await run(kube)).status is Status.SUCCEEDED


async def test_missing_rights_end_the_check_at_once() -> None:
    kube = Pods([pod("a"), pod("b")], a=[AccessDeniedError("pods/proxy")], b=[(200, "ok")])
    with pytest.raises(AccessDeniedError, match="pods/proxy"):
        await run(kube)


async def test_health_has_to_last() -> None:  # fault 91
    answers: list[tuple[int, str] | Exception] = [(200, ""), (500, ""), (200, "")]
    kube = Pods([pod("a")], a=answers)
    start = anyio.current_time()
    await run(kube, target=STABLE)
    assert anyio.current_time() - start >= 0.1
    assert len(kube.asked) > 3


@pytest.mark.parametrize(
    "worse", [pod("a", restarts=1), pod("a", ready=False)], ids=["restarted", "not ready"]
)
async def test_a_pod_that_falls_over_in_between_starts_the_time_anew(worse: Json) -> None:
    lines: list[str] = []
    kube = Pods([pod("a"), pod("b")], [worse, pod("b")], [worse, pod("b")], a=[(200, "")], b=[(200, "")])
    await run(kube, lines, target=STABLE)
    assert any("restarted" in line or "no longer ready" in line for line in lines)


def test_a_pod_that_was_scaled_away_is_not_lost() -> None:
    assert health.lost({"a": 0, "b": 1}, {"b": 1}, {"b"}) == ""
    assert health.lost({"a": 0}, {}, {"a"}) == "pod a is no longer ready"
    assert health.lost({"a": 0}, {"a": 1}, {"a"}) == "pod a restarted"
