"""A collection of Kubernetes' API: its list, and everything that changes in it from then on."""

from __future__ import annotations

import json
import math
import random
from contextlib import aclosing, suppress
from dataclasses import replace
from typing import TYPE_CHECKING

import anyio

from slipway_host import kube_stream
from slipway_host.errors import ServiceUnavailableError, TransientError, quote
from slipway_host.kube_http import CONNECT_S, GONE, Json, Objects, Request, refused
from slipway_host.kube_session import Session, again

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator

Query = tuple[tuple[str, str], ...]

WATCH_SILENCE_S = 90.0
"""API servers send a bookmark about once a minute: longer silence is a dead connection."""
WATCH_S = 600
PAGE = 500
RELIST_S = (0.1, 1.0)
"""Before a list after a broken watch: not all clients of a restarted server in the same moment."""


class Collection:
    """The objects at one path that a selector finds."""

    def __init__(self, session: Session, path: str, *, selector: str = "", fields: str = "") -> None:
        self._session = session
        self._path = path
        pairs = (("labelSelector", selector), ("fieldSelector", fields))
        self._query: Query = tuple((key, value) for key, value in pairs if value)
        self._waiters = anyio.CapacityLimiter(math.inf)

    async def list(self) -> tuple[Objects, str]:
        """Return all objects, page by page, and the version from which a watch goes on."""

        async def once() -> tuple[Objects, str]:
            items: Objects = []
            request = Request(verb="list", path=self._path, query=(*self._query, ("limit", str(PAGE))))
            while True:
                page = await self._session.json(request)
                items += page.get("items") or []
                more = page["metadata"].get("continue")
                if not more:
                    return items, page["metadata"]["resourceVersion"]
                request = replace(request, query=(*self._query, ("limit", str(PAGE)), ("continue", more)))

        return await again(once)

    async def watch(self) -> AsyncIterator[tuple[str, Json]]:
        """Yield the present state as ADDED, then its changes, without an end (`KubeClient.watch`)."""
        known: dict[str, Json] = {}
        items, version = await self.list()
        while True:
            for event in _difference(known, items):
                yield event
            known = {item["metadata"]["uid"]: item for item in items}
            with suppress(TransientError):
                async with aclosing(self._changes(version)) as changes:
                    async for kind, item in changes:
                        known[item["metadata"]["uid"]] = item
                        if kind == "DELETED":
                            del known[item["metadata"]["uid"]]
                        yield kind, item
            while True:
                await anyio.sleep(random.uniform(*RELIST_S))  # noqa: S311 - no secret
                with suppress(TransientError):
                    items, version = await self.list()
                    break

    async def _changes(self, version: str) -> AsyncGenerator[tuple[str, Json]]:
        """Yield one connection's events; an error event ends it as the error that it is."""
        request = Request(
            verb="watch",
            path=self._path,
            query=(
                *self._query,
                ("watch", "true"),
                ("allowWatchBookmarks", "true"),
                ("resourceVersion", version),
                ("timeoutSeconds", str(WATCH_S)),
            ),
            timeout=(CONNECT_S, WATCH_SILENCE_S),
        )
        async with aclosing(kube_stream.lines(self._session, request, self._waiters)) as answer:
            async for found in answer:
                for event in _events(found, request):
                    if event["type"] == "ERROR":
                        status = event["object"]
                        raise refused(request, status.get("code", GONE), json.dumps(status).encode())
                    if event["type"] != "BOOKMARK":
                        yield event["type"], event["object"]


def _events(found: list[bytes], request: Request) -> Objects:
    try:
        return [json.loads(line) for line in found]
    except ValueError as error:
        raise ServiceUnavailableError(f"{request}: {quote(str(error))}") from error


def _difference(known: dict[str, Json], items: Objects) -> list[tuple[str, Json]]:
    """Return what a watch would have said between two lists."""
    now = {item["metadata"]["uid"] for item in items}
    events = [("DELETED", item) for uid, item in known.items() if uid not in now]
    for item in items:
        before = known.get(item["metadata"]["uid"])
        if before is None:
            events.append(("ADDED", item))
        elif before["metadata"]["resourceVersion"] != item["metadata"]["resourceVersion"]:
            events.append(("MODIFIED", item))
    return events
