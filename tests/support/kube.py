"""The Kubernetes API as the code under test sees it: objects by path, with the server's own rules."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import anyio.lowlevel

from slipway_host.errors import ConflictError, NotFoundError

Json = dict[str, Any]
Interference = Callable[[], object]


class FakeKube:
    """Keeps objects; every write gives one a new `resourceVersion`.

    `before` and `after` hold, for each verb, what happens around the next calls: another client's
    write, or the error that the call raises (before: the server said no; after: its yes was lost).
    """

    def __init__(self) -> None:
        self.objects: dict[str, Json] = {}
        self.requests: list[str] = []
        self.patches: list[Json] = []
        self.before: dict[str, list[Interference | Exception]] = {}
        self.after: dict[str, list[Interference | Exception]] = {}
        self._version = 0

    @property
    def writes(self) -> list[str]:
        return [request for request in self.requests if not request.startswith("find")]

    def put(self, path: str, body: Json) -> Json:
        """Store an object as if somebody else had written it."""
        self._version += 1
        stored = copy.deepcopy(body)
        stored.setdefault("metadata", {})["resourceVersion"] = str(self._version)
        self.objects[path] = stored
        return stored

    async def find(self, path: str) -> Json | None:
        await self._around("find", path, self.before)
        found = copy.deepcopy(self.objects.get(path))
        await self._around("", path, self.after, key="find")
        return found

    async def create(self, path: str, body: Json) -> Json:
        await self._around("create", path, self.before)
        full = f"{path}/{body['metadata']['name']}"
        if full in self.objects:
            raise ConflictError(f"{full} already exists")
        stored = self.put(full, body)
        await self._around("", path, self.after, key="create")
        return copy.deepcopy(stored)

    async def patch(self, path: str, body: Json) -> Json:
        await self._around("patch", path, self.before)
        self.patches.append(copy.deepcopy(body))
        if path not in self.objects:
            raise NotFoundError(f"{path} does not exist")
        version = body.get("metadata", {}).get("resourceVersion")
        if version not in {None, self.objects[path]["metadata"]["resourceVersion"]}:
            raise ConflictError(f"{path} has been modified")
        stored = self.put(path, _merged(self.objects[path], body))
        await self._around("", path, self.after, key="patch")
        return copy.deepcopy(stored)

    async def _around(
        self, verb: str, path: str, when: dict[str, list[Interference | Exception]], key: str = ""
    ) -> None:
        if verb:
            self.requests.append(f"{verb} {path}")
        await anyio.lowlevel.checkpoint()
        waiting = when.get(key or verb)
        if waiting:
            what = waiting.pop(0)
            if isinstance(what, Exception):
                raise what
            what()


def _merged(old: Json, new: Json) -> Json:
    """RFC 7386, as far as it goes without deletions."""
    merged = dict(old)
    for key, value in new.items():
        merged[key] = _merged(merged.get(key) or {}, value) if isinstance(value, dict) else value
    return merged
