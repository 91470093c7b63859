"""Watches: an unbroken story of a collection, over connections that break."""

from __future__ import annotations

import json
from threading import Event
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread
import pytest

from slipway_host.errors import (
    AccessDeniedError,
    NotFoundError,
)
from support.api_server import ApiServer, Json, Reply, status

if TYPE_CHECKING:
    from slipway_host.kube import KubeClient

SECRETS = "/api/v1/namespaces/mosuon/secrets"
PODS = "/api/v1/namespaces/mosuon/pods"


def item(name: str, version: int) -> Json:
    return {"metadata": {"uid": name, "name": name, "resourceVersion": str(version)}}


def page(*items: Json, version: int = 1, more: str = "") -> Reply:
    metadata = {"resourceVersion": str(version), **({"continue": more} if more else {})}
    return Reply(body={"metadata": metadata, "items": list(items)})


def events(*found: tuple[str, Json], hold: Event | None = None) -> Reply:
    lines = [json.dumps({"type": kind, "object": body}) for kind, body in found]
    return Reply(body="".join(line + "\n" for line in lines).encode(), hold=hold)


async def watched(client: KubeClient, count: int) -> list[tuple[str, str, str]]:
    found = []
    with anyio.fail_after(5):
        async for kind, body in client.watch(PODS):
            found.append((kind, body["metadata"]["name"], body["metadata"]["resourceVersion"]))
            if len(found) == count:
                return found
    raise AssertionError(found)


async def test_a_watch_yields_what_is_there_and_then_what_changes(
    served: ApiServer, client: KubeClient
) -> None:
    served.replies[PODS] = [page(item("a", 1), version=5)]
    changes = [
        ("ADDED", item("b", 6)),
        ("BOOKMARK", item("", 7)),
        ("MODIFIED", item("a", 8)),
        ("DELETED", item("b", 9)),
    ]
    served.replies[f"watch {PODS}"] = [events(*changes, hold=Event())]
    expected = [("ADDED", "a", "1"), ("ADDED", "b", "6"), ("MODIFIED", "a", "8"), ("DELETED", "b", "9")]
    assert await watched(client, 4) == expected
    assert served.asked[1].query["resourceVersion"] == ["5"]


GONE = ("ERROR", status(410, "too old resource version"))


@pytest.mark.parametrize(
    "ending",
    [
        events(),
        events(GONE),
        Reply(body=b'{"type": "ADD'),
        Reply(drop=True),
        Reply(503),
        Reply(410, status(410, "too old")),
    ],
    ids=["closed", "gone", "cut", "dropped", "unavailable", "refused"],
)
async def test_a_watch_that_ends_is_renewed_and_tells_the_difference(
    served: ApiServer, client: KubeClient, ending: Reply
) -> None:
    served.replies[PODS] = [
        page(item("stays", 1), item("changes", 1), item("goes", 1)),
        Reply(503),
        page(item("stays", 1), item("changes", 2), item("comes", 3)),
    ]
    served.replies[f"watch {PODS}"] = [ending, events(hold=Event())]
    assert (await watched(client, 6))[3:] == [
        ("DELETED", "goes", "1"),
        ("MODIFIED", "changes", "2"),
        ("ADDED", "comes", "3"),
    ]


async def test_what_a_watch_deleted_is_not_deleted_again_after_it_broke(
    served: ApiServer, client: KubeClient
) -> None:
    served.replies[PODS] = [page(item("a", 1)), page(item("b", 3))]
    served.replies[f"watch {PODS}"] = [events(("DELETED", item("a", 2))), events(hold=Event())]
    assert await watched(client, 3) == [("ADDED", "a", "1"), ("DELETED", "a", "2"), ("ADDED", "b", "3")]


@pytest.mark.parametrize("code", [403, 404])
async def test_a_watch_ends_where_trying_again_cannot_mend_it(
    served: ApiServer, client: KubeClient, code: int
) -> None:
    served.replies[PODS] = [page(item("a", 1))]
    served.replies[f"watch {PODS}"] = [Reply(code, status(code, "no"))]
    with pytest.raises(AccessDeniedError if code == 403 else NotFoundError):
        await watched(client, 9)


async def test_leaving_a_watch_closes_its_connection_at_once(served: ApiServer, client: KubeClient) -> None:
    served.replies[PODS] = [page(item("a", 1))]
    served.replies[f"watch {PODS}"] = [events(("MODIFIED", item("a", 2)), hold=Event())]
    with anyio.move_on_after(0.3):
        async for _ in client.watch(PODS):
            pass
    assert await anyio.to_thread.run_sync(served.hung_up.wait, 2)
