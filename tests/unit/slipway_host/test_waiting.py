"""Waiting for the cluster: changes wake it, broken watches do not end it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import anyio
import pytest

from slipway_host import waiting
from slipway_host.errors import AccessDeniedError, ServiceUnavailableError
from slipway_host.progress import silent

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from slipway_host.kube import KubeClient

Json = dict[str, Any]


class Watchable:
    """Watches that break as told, and then report a change."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)

    async def watch(
        self, path: str, *, selector: str = "", fields: str = ""
    ) -> AsyncIterator[tuple[str, Json]]:
        del path, selector, fields
        if self.errors:
            raise self.errors.pop(0)
        yield "ADDED", {}
        await anyio.sleep_forever()


async def _one_change(changes: waiting.Changes) -> str:
    await changes.wait(30)
    return "woken"


async def test_a_broken_watch_is_renewed() -> None:  # fault 92
    lines: list[str] = []
    kube = cast("KubeClient", Watchable(ServiceUnavailableError("the API server restarts")))
    with anyio.fail_after(10):
        found = await waiting.watching(
            waiting.in_cluster(kube, [waiting.Watched(path="/p")]), _one_change, lines.append
        )
    assert found == "woken"
    assert lines == ["the API server restarts; trying again"]


async def test_a_denied_watch_ends_the_wait_with_its_own_error() -> None:
    kube = cast("KubeClient", Watchable(AccessDeniedError("may not watch pods")))
    with anyio.fail_after(10), pytest.raises(AccessDeniedError, match="may not watch pods"):
        await waiting.watching(waiting.in_cluster(kube, [waiting.Watched(path="/p")]), _one_change, silent)


async def test_a_change_between_look_and_wait_is_not_missed() -> None:
    changes = waiting.Changes()
    changes.changed()
    with anyio.fail_after(5):
        await changes.wait(60)


async def test_a_wait_without_changes_ends_in_time() -> None:
    with anyio.fail_after(5):
        await waiting.Changes().wait(0.01)
