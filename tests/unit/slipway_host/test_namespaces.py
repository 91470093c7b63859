"""The namespace: made where it is absent, left alone where it is there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import pytest

from slipway_host.errors import AccessDeniedError, ConflictError
from slipway_host.namespaces import ensure_namespace

if TYPE_CHECKING:
    from slipway_host.kube import KubeClient
    from support.kube import FakeKube

PATH = "/api/v1/namespaces/mosuon"


def namespace(phase: str = "Active") -> dict[str, Any]:
    return {"metadata": {"name": "mosuon", "labels": {"team": "them"}}, "status": {"phase": phase}}


async def ensure(kube: FakeKube) -> bool:
    return await ensure_namespace(cast("KubeClient", kube), "mosuon", labels={"team": "us"})


async def test_an_absent_namespace_is_made_with_our_labels(kube: FakeKube) -> None:
    assert await ensure(kube)
    labels = {"app.kubernetes.io/managed-by": "slipway", "team": "us"}
    assert kube.objects[PATH]["metadata"]["labels"] == labels


async def test_one_that_is_there_keeps_its_labels(kube: FakeKube) -> None:
    before = kube.put(PATH, namespace())
    assert not await ensure(kube)
    assert kube.objects[PATH] == before
    assert not kube.writes


async def test_one_that_another_run_makes_meanwhile_is_not_ours(kube: FakeKube) -> None:
    kube.before["create"] = [lambda: kube.put(PATH, namespace())]
    assert not await ensure(kube)


async def test_one_that_is_being_deleted_is_an_error_that_says_how_to_wait(kube: FakeKube) -> None:
    kube.put(PATH, namespace("Terminating"))
    with pytest.raises(ConflictError, match="Terminating") as caught:
        await ensure(kube)
    assert "wait --for=delete namespace/mosuon" in caught.value.next_command
    assert not kube.writes


async def test_403_does_not_mean_absent(kube: FakeKube) -> None:
    kube.before["find"] = [AccessDeniedError("namespaces is forbidden")]
    with pytest.raises(AccessDeniedError):
        await ensure(kube)
    assert not kube.writes
