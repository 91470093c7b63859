"""Kubernetes' API as JSON, over the official package's kubeconfig loader and HTTP client.

No model classes: they drop fields that they do not know, and a few fields of a few kinds are read.
"""

from __future__ import annotations

import math
import threading
from contextlib import aclosing
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Literal, Self

import anyio
import anyio.to_thread

from slipway_host import kube_exec, kube_stream
from slipway_host.errors import DeadlineError, NotFoundError, ServiceUnavailableError
from slipway_host.kube_http import CONNECT_S, Json, Objects, Request, fetch, refused, status_of
from slipway_host.kube_session import WRITE_S, Session, again
from slipway_host.kube_watch import Collection

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from pydantic import SecretStr

    from slipway_host.kube_exec import ExecResult

PROXY_EXCERPT = 2048
LOG_LIMIT = 1024 * 1024
CONTENT_TYPES = {
    "merge": "application/merge-patch+json",
    "json": "application/json-patch+json",
    "strategic": "application/strategic-merge-patch+json",
}


class KubeClient:
    """One account at one cluster; every method raises the errors of `errors.py` and nothing else.

    Reads are tried again a few times when the server does not answer. Writes are not: only who
    writes knows how to find out whether a lost write has landed (`UnknownOutcomeError`).
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        # Commands and followed logs live longer than requests: uncounted, their threads cannot starve those.
        self._waiters = anyio.CapacityLimiter(math.inf)

    @classmethod
    async def connect(cls, kubeconfig: SecretStr, *, programs: bool = True) -> KubeClient:
        """Return a client for the current context of a kubeconfig, given as YAML or base64 of it.

        Nothing is sent yet, but an exec plugin runs; where `programs` is False, it is refused.

        Raises:
            SettingsError: the file cannot be used, or its exec plugin is refused or not installed.
        """
        return cls(await Session.open(kubeconfig, programs=programs))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close idle connections."""
        await self._session.close()

    async def get(self, path: str) -> Json:
        """Return the object at a path like `/api/v1/namespaces/x/pods/y`."""
        return await again(partial(self._session.json, Request(verb="get", path=path)))

    async def find(self, path: str) -> Json | None:
        """Return the object at a path, None where there is none; 403 is not "none" (fault 55)."""
        try:
            return await self.get(path)
        except NotFoundError:
            return None

    async def create(self, path: str, body: Json) -> Json:
        """POST one object to a collection's path; one that exists already is a ConflictError."""
        return await self._session.json(
            Request(verb="create", path=path, body=body, timeout=(CONNECT_S, WRITE_S))
        )

    async def patch(
        self,
        path: str,
        body: Json | Objects,
        *,
        kind: Literal["merge", "json", "strategic"] = "merge",
    ) -> Json:
        """Change one object and return it.

        A merge patch that carries `metadata.resourceVersion` is refused with a ConflictError if the
        object has changed since; a JSON patch whose `test` fails with a TerminalError (HTTP 422).
        """
        return await self._session.json(
            Request(
                verb="patch",
                path=path,
                body=body,
                content_type=CONTENT_TYPES[kind],
                timeout=(CONNECT_S, WRITE_S),
            )
        )

    async def delete(self, path: str, *, uid: str) -> None:
        """Delete one object and, afterwards, what belongs to it; another one of the same name stays.

        Raises:
            ConflictError: the object there has another uid.
            NotFoundError: it has gone already.
        """
        body = {"propagationPolicy": "Background", "preconditions": {"uid": uid}}
        await self._session.json(Request(verb="delete", path=path, body=body, timeout=(CONNECT_S, WRITE_S)))

    async def list(self, path: str, *, selector: str = "", fields: str = "") -> Objects:
        """Return a collection's objects; built-in kinds come without `kind` and `apiVersion`."""
        return (await Collection(self._session, path, selector=selector, fields=fields).list())[0]

    def watch(self, path: str, *, selector: str = "", fields: str = "") -> AsyncIterator[tuple[str, Json]]:
        """Yield a collection's present state as ADDED, then its changes, without an end.

        Whatever ends a connection (410, a restart, 90 seconds of silence): the collection is listed
        again and only the difference yielded, what has gone as DELETED as last seen (fault 92).
        Callers bound it by a deadline; cancelling closes the connection at once.

        Raises:
            DeliveryError: of the first list; later only what trying again cannot mend (403, 404).
        """
        return Collection(self._session, path, selector=selector, fields=fields).watch()

    async def exec(
        self,
        namespace: str,
        pod: str,
        container: str,
        command: Sequence[str],
        *,
        stdin: str = "",
        deadline_s: float,
    ) -> ExecResult:
        r"""Run a command in a container and return how it ended; any exit code is a result.

        `stdin` reaches its end only where server and kubelet speak v5 of the protocol; with v4 it
        stays open. The command therefore has to stop reading by itself: psql at `\q`, others behind
        `head -c <bytes>`. Arguments are part of the request's URL, which API servers log: secrets
        belong in `stdin`.

        Raises:
            UnknownOutcomeError: the connection dropped before the command's status came.
            DeadlineError: the command took longer than `deadline_s`; it may still run.
        """
        request = Request(
            verb="get",
            path=f"/api/v1/namespaces/{namespace}/pods/{pod}/exec",
            query=(
                ("container", container),
                *(("command", word) for word in command),
                ("stdin", "true" if stdin else "false"),
                ("stdout", "true"),
                ("stderr", "true"),
            ),
        )
        what = f"exec {command[0]} in pod {namespace}/{pod}"
        # Kubernetes 1.35 asks for `create` where older servers ask for `get` (fault 49).
        asked = replace(request, verb="create")
        stop = threading.Event()

        def act() -> ExecResult:
            _, url, headers, *_ = self._session.api.param_serialize(
                request.method,
                request.path,
                query_params=list(request.query),
                auth_settings=["BearerToken"],
            )
            remote = kube_exec.Exec(url=url, headers=headers, stdin=stdin.encode(), what=what)
            return kube_exec.run(self._session.api.configuration, remote, stop, partial(refused, asked))

        async def once() -> ExecResult:
            return await anyio.to_thread.run_sync(act, abandon_on_cancel=True, limiter=self._waiters)

        try:
            with anyio.fail_after(deadline_s):
                return await self._session.authorized(once)
        except TimeoutError:
            raise DeadlineError(f"{what}: no end after {deadline_s:g} s") from None
        finally:
            stop.set()

    async def pod_log(
        self,
        namespace: str,
        pod: str,
        container: str,
        *,
        previous: bool = False,
        lines: int | None = None,
        since: str = "",
        timestamps: bool = False,
        limit_bytes: int = 4096,
    ) -> str:
        """Return the end of a container's log.

        Args:
            namespace: of the pod.
            pod: its name.
            container: one of its containers.
            previous: the one before its last restart.
            lines: how many at most; without it as many as `limit_bytes` may hold.
            since: RFC 3339; the server takes whole seconds of it.
            timestamps: put the time before each line.
            limit_bytes: of the end.
        """
        tail = max(10, limit_bytes // 40) if lines is None else lines
        query = [
            ("container", container),
            ("previous", str(previous).lower()),
            ("timestamps", str(timestamps).lower()),
            # The server's limitBytes cuts off the end, so here it is no more than a bound.
            ("tailLines", str(tail)),
            ("limitBytes", str(LOG_LIMIT)),
        ]
        if since:
            query.append(("sinceTime", since))
        path = f"/api/v1/namespaces/{namespace}/pods/{pod}/log"
        request = Request(verb="get", path=path, query=tuple(query))
        body = await again(partial(self._session.answer, request))
        return body[-limit_bytes:].decode(errors="replace")

    async def follow_log(
        self, namespace: str, pod: str, container: str, *, silence_s: float
    ) -> AsyncIterator[str]:
        """Yield a container's log from its beginning, line by line, until the container ends.

        Args:
            namespace: the pod's.
            pod: its name.
            container: one that has started.
            silence_s: seconds without a line after which the connection counts as dead.
        """
        request = Request(
            verb="get",
            path=f"/api/v1/namespaces/{namespace}/pods/{pod}/log",
            query=(("container", container), ("follow", "true")),
            timeout=(CONNECT_S, silence_s),
        )
        async with aclosing(kube_stream.lines(self._session, request, self._waiters)) as answer:
            async for lines in answer:
                for line in lines:
                    yield line.decode(errors="replace")

    async def proxy_get(
        self,
        namespace: str,
        pod: str,
        port: int,
        path: str,
        *,
        deadline_s: float,
        limit_bytes: int = PROXY_EXCERPT,
    ) -> tuple[int, str]:
        """Return status and beginning of a pod's answer to a GET, through the API server.

        Raises:
            ServiceUnavailableError: the pod did not answer in time, or not at all.
        """
        request = Request(
            verb="get",
            path=f"/api/v1/namespaces/{namespace}/pods/{pod}:{port}/proxy{path}",
            timeout=(deadline_s, deadline_s),
        )

        async def once() -> tuple[int, str]:
            status, body = await anyio.to_thread.run_sync(
                fetch, self._session.api, request, limit_bytes, abandon_on_cancel=True
            )
            # The pod's own 401, 404 or 503 is an answer; the API server's comes as a Status object.
            unreached = body.lower().startswith(b"error trying to reach service")
            if status >= 400 and (unreached or status_of(body)):  # noqa: PLR2004 - HTTP's own classes
                raise refused(request, status, body)
            return status, body.decode(errors="replace")

        try:
            with anyio.fail_after(deadline_s):
                return await self._session.authorized(once)
        except TimeoutError:
            raise ServiceUnavailableError(f"{request}: no answer in {deadline_s:g} s") from None
