"""Kubernetes' API as JSON, over the official package's kubeconfig loader and HTTP client.

No model classes: they drop fields that they do not know, and a few fields of a few kinds are read.
Watches and commands live longer than requests: their threads are not counted, so that many of them
cannot starve the requests.
"""

from __future__ import annotations

import base64
import binascii
import copy
import json
import math
import random
import shutil
import threading
from contextlib import aclosing, suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, Self, TypeVar

import anyio
import anyio.to_thread
from tenacity import (
    AsyncRetrying,
    retry_if_exception_type,
    stop_after_attempt,
    wait_random_exponential,
)

from slipway_host import kube_exec
from slipway_host.errors import (
    AccessDeniedError,
    ConflictError,
    DeadlineError,
    DeliveryError,
    NotFoundError,
    ServiceUnavailableError,
    SettingsError,
    TerminalError,
    TransientError,
    UnknownOutcomeError,
    quote,
)
from slipway_host.kube_exec import ExecResult

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence

    from kubernetes.client import ApiClient
    from pydantic import SecretStr
    from urllib3 import BaseHTTPResponse

__all__ = ["ExecResult", "Json", "KubeClient"]

Json = dict[str, Any]
Objects = list[Json]
"""For annotations beside a method called `list`."""
T = TypeVar("T")

CONNECT_S = 5.0
READ_S = 10.0
WRITE_S = 30.0
"""A write waits for admission webhooks, which may take 10 seconds each."""
WATCH_SILENCE_S = 90.0
"""API servers send a bookmark about once a minute: longer silence is a dead connection."""
WATCH_S = 600
ATTEMPTS = 4
PAGE = 500
PROXY_EXCERPT = 2048
LOG_LIMIT = 1024 * 1024

_CONTENT = {
    "merge": "application/merge-patch+json",
    "json": "application/json-patch+json",
    "strategic": "application/strategic-merge-patch+json",
}
UNAUTHORIZED, FORBIDDEN, NOT_FOUND, CONFLICT, GONE, TOO_MANY = 401, 403, 404, 409, 410, 429
SERVER_ERROR = 500


class _UnauthorizedError(AccessDeniedError):
    """401: a token may have expired, so this one is worth another look at the kubeconfig."""


@dataclass(frozen=True, kw_only=True)
class _Request:
    verb: Literal["get", "list", "watch", "create", "patch"]
    path: str
    query: tuple[tuple[str, str], ...] = ()
    body: Json | Objects | None = None
    content_type: str = "application/json"
    timeout: tuple[float, float] = (CONNECT_S, READ_S)

    @property
    def method(self) -> str:
        return {"create": "POST", "patch": "PATCH"}.get(self.verb, "GET")

    @property
    def writes(self) -> bool:
        return self.method != "GET"

    def _parts(self) -> tuple[str, list[str]]:
        parts = self.path.partition("?")[0].strip("/").split("/")
        parts = parts[2:] if parts[0] == "api" else parts[3:]
        if len(parts) > 2 and parts[0] == "namespaces":  # noqa: PLR2004 - namespaces/<name>/<resource>
            return parts[1], parts[2:]
        return "", parts

    def __str__(self) -> str:
        namespace, parts = self._parts()
        return f"{self.verb} {'/'.join(parts)}" + (f" in namespace {namespace}" if namespace else "")

    def allowed(self) -> str:
        """Return the command that asks whether this account may do this."""
        namespace, parts = self._parts()
        command = f"kubectl auth can-i {self.verb} {parts[0] if parts else self.path}"
        command += f" --subresource={parts[2]}" if len(parts) > 2 else ""  # noqa: PLR2004 - resource/name/subresource
        return command + (f" --namespace {namespace}" if namespace else "")


def _status(body: bytes) -> Json | None:
    """Return the API server's Status object, or None where the body is something else."""
    try:
        status = json.loads(body)
    except ValueError:
        return None
    if isinstance(status, dict) and (status.get("kind"), status.get("apiVersion")) == (
        "Status",
        "v1",
    ):
        return status
    return None


def _refused(request: _Request, code: int, body: bytes) -> DeliveryError:
    """Return the error for an answer that is not 2xx, with the server's own sentence (fault 57)."""
    sentence = (_status(body) or {}).get("message") or body.decode(errors="replace")
    cause = f"{request}: {quote(str(sentence)) or 'no reason given'} (HTTP {code})"
    if code == UNAUTHORIZED:
        return _UnauthorizedError(cause, next_command="kubectl auth whoami")
    if code == FORBIDDEN:
        return AccessDeniedError(cause, next_command=request.allowed())
    if code == NOT_FOUND:
        return NotFoundError(cause)
    if code == CONFLICT:
        return ConflictError(cause)
    # 410: a list's page or a watch's starting point has expired, and a fresh one is all it takes.
    if code in {GONE, TOO_MANY} or code >= SERVER_ERROR:
        return ServiceUnavailableError(cause)
    return TerminalError(cause)


def _document(kubeconfig: SecretStr) -> Json:
    """Return the kubeconfig's content; YAML, or base64 of YAML (R34)."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    text = kubeconfig.get_secret_value().strip()
    if not text:
        raise SettingsError("the kubeconfig is empty: expected its YAML, or base64 of it")
    try:
        document = YAML(typ="safe", pure=True).load(text)
        if isinstance(document, str):  # base64 is a YAML scalar
            decoded = base64.b64decode("".join(text.split()), validate=True)
            document = YAML(typ="safe", pure=True).load(decoded.decode())
    except (YAMLError, binascii.Error, UnicodeDecodeError):
        # Not chained: these exceptions hold an excerpt of what they could not read.
        raise SettingsError("the kubeconfig is neither YAML nor base64 of YAML") from None
    if not isinstance(document, dict) or not document.get("clusters"):
        raise SettingsError("the kubeconfig names no clusters: expected `kubectl config view --raw`")
    return document


def _user(document: Json) -> Json:
    """Return the current context's account; empty where the file has another shape."""
    with suppress(AttributeError, KeyError, StopIteration, TypeError):
        contexts, users = document["contexts"], document["users"]
        name = next(c for c in contexts if c["name"] == document["current-context"])
        user = next(u for u in users if u["name"] == name["context"]["user"])["user"]
        return user if isinstance(user, dict) else {}
    return {}


def _load(document: Json) -> ApiClient:
    """Return a client for the file's current context; runs its exec plugin where it has one."""
    from kubernetes.client import ApiClient, Configuration
    from kubernetes.config import ConfigException, load_kube_config_from_dict

    plugin = _user(document).get("exec")
    if plugin and not shutil.which(str(plugin.get("command"))):
        raise SettingsError(
            f"the kubeconfig's account needs the program {str(plugin.get('command'))!r}, "
            "which is not on PATH here"
        )
    configuration = Configuration()
    # urllib3 would repeat requests behind our back.
    configuration.retries = False
    try:
        load_kube_config_from_dict(  # type: ignore[no-untyped-call]
            copy.deepcopy(document), client_configuration=configuration, persist_config=False
        )
    except ConfigException as error:
        raise SettingsError(f"the kubeconfig is incomplete: {quote(str(error))}") from error
    except (binascii.Error, OSError, TypeError, ValueError, AttributeError) as error:
        raise SettingsError(
            f"the kubeconfig's certificates and tokens cannot be read: {type(error).__name__}"
        ) from None
    if plugin and not (configuration.api_key or configuration.cert_file):
        # The loader logs a plugin's failure and goes on without an account.
        raise SettingsError(
            f"the kubeconfig's program {str(plugin.get('command'))!r} gave no credentials",
            next_command="kubectl auth whoami",
        )
    try:
        return ApiClient(configuration)
    except (OSError, ValueError) as error:
        raise SettingsError(f"the kubeconfig's certificates cannot be read: {type(error).__name__}") from None


def _open(api: ApiClient, request: _Request) -> BaseHTTPResponse:
    """Send one request and return the open answer, whatever its status."""
    import urllib3
    from kubernetes.client import ApiException

    call = api.param_serialize(
        request.method,
        request.path,
        query_params=list(request.query),
        header_params={"Accept": "application/json, */*", "Content-Type": request.content_type},
        body=request.body,
        auth_settings=["BearerToken"],
    )
    try:
        response: BaseHTTPResponse = api.call_api(*call, _request_timeout=request.timeout).response
    except ApiException as error:  # TLS, and only that: see RESTClientObject.request
        reason = quote(str(error.reason))
        if "CERTIFICATE_VERIFY_FAILED" in reason:
            raise SettingsError(
                f"{request}: the kubeconfig's certificate authority does not vouch for the server: {reason}"
            ) from error
        raise ServiceUnavailableError(f"{request}: {reason}") from error
    except (urllib3.exceptions.NewConnectionError, urllib3.exceptions.ConnectTimeoutError) as error:
        raise ServiceUnavailableError(
            f"{request}: no connection to {api.configuration.host}: {quote(str(error))}"
        ) from error
    except urllib3.exceptions.HTTPError as error:
        raise _lost(request, error) from error
    return response


def _lost(request: _Request, error: Exception) -> TransientError:
    kind = UnknownOutcomeError if request.writes else ServiceUnavailableError
    return kind(f"{request}: the connection was lost: {quote(str(error))}")


def _fetch(api: ApiClient, request: _Request, limit: int | None = None) -> tuple[int, bytes]:
    """Return the answer's status and body, of the body the first `limit` bytes."""
    import urllib3

    response = _open(api, request)
    try:
        return response.status, response.read(limit)
    except urllib3.exceptions.HTTPError as error:
        raise _lost(request, error) from error
    finally:
        if limit is not None:
            response.close()
        response.release_conn()


class _Stream:
    """A watch's open answer: lines of JSON, until one side closes it."""

    def __init__(self, response: BaseHTTPResponse, request: _Request) -> None:
        self._chunks = response.stream(2**16)
        self._response = response
        self._request = request
        self._rest = b""

    def read(self) -> Objects:
        """Return the next events; empty when the server has closed the connection."""
        import urllib3

        try:
            while True:
                self._rest += next(self._chunks)
                *lines, self._rest = self._rest.split(b"\n")
                events = [json.loads(line) for line in lines if line]
                if events:
                    return events
        except StopIteration:
            return []
        except (urllib3.exceptions.HTTPError, OSError, ValueError, AttributeError) as error:
            raise ServiceUnavailableError(f"{self._request}: {quote(str(error))}") from error

    async def close(self) -> None:
        # Shutting the socket wakes the thread that reads from it; closing waits for that thread.
        with suppress(OSError, RuntimeError, ValueError):
            self._response.shutdown()
        with anyio.move_on_after(2, shield=True):
            await anyio.to_thread.run_sync(self._response.close, abandon_on_cancel=True)


class KubeClient:
    """One account at one cluster; every method raises the errors of `errors.py` and nothing else.

    Reads are tried again a few times when the server does not answer. Writes are not: only who
    writes knows how to find out whether a lost write has landed (`UnknownOutcomeError`).
    """

    def __init__(self, document: Json, api: ApiClient) -> None:
        self._document = document
        self._api = api
        self._waiters = anyio.CapacityLimiter(math.inf)

    @classmethod
    async def connect(cls, kubeconfig: SecretStr) -> KubeClient:
        """Return a client for the current context of a kubeconfig, given as YAML or base64 of it.

        Nothing is sent yet, but an exec plugin runs.

        Raises:
            SettingsError: the file cannot be used, or its exec plugin is not installed.
        """
        document = await anyio.to_thread.run_sync(_document, kubeconfig)
        return cls(document, await cls._loaded(document))

    @staticmethod
    async def _loaded(document: Json) -> ApiClient:
        try:
            with anyio.fail_after(WRITE_S):
                return await anyio.to_thread.run_sync(_load, document, abandon_on_cancel=True)
        except TimeoutError:
            raise SettingsError(
                f"the kubeconfig's program gave no credentials in {WRITE_S:g} s",
                next_command="kubectl auth whoami",
            ) from None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close idle connections."""
        await anyio.to_thread.run_sync(self._api.close)

    async def _authorized(self, act: Callable[[], Awaitable[T]]) -> T:
        """Act; on 401 read a token that may have been renewed, once (fault 93)."""
        try:
            return await act()
        except _UnauthorizedError:
            if not {"exec", "tokenFile", "auth-provider"} & _user(self._document).keys():
                raise
            self._api = await self._loaded(self._document)
            return await act()

    async def _answer(self, request: _Request) -> bytes:
        async def once() -> bytes:
            status, body = await anyio.to_thread.run_sync(_fetch, self._api, request, abandon_on_cancel=True)
            if not 200 <= status < 300:  # noqa: PLR2004 - HTTP's own classes
                raise _refused(request, status, body)
            return body

        return await self._authorized(once)

    async def _json(self, request: _Request) -> Json:
        body = await self._answer(request)
        try:
            document: Json = json.loads(body)
        except ValueError as error:
            raise ServiceUnavailableError(f"{request}: the answer is not JSON") from error
        return document

    async def get(self, path: str) -> Json:
        """Return the object at a path like `/api/v1/namespaces/x/pods/y`."""
        return await _again(partial(self._json, _Request(verb="get", path=path)))

    async def find(self, path: str) -> Json | None:
        """Return the object at a path, None where there is none; 403 is not "none" (fault 55)."""
        try:
            return await self.get(path)
        except NotFoundError:
            return None

    async def create(self, path: str, body: Json) -> Json:
        """POST one object to a collection's path; one that exists already is a ConflictError."""
        return await self._json(_Request(verb="create", path=path, body=body, timeout=(CONNECT_S, WRITE_S)))

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
        return await self._json(
            _Request(
                verb="patch",
                path=path,
                body=body,
                content_type=_CONTENT[kind],
                timeout=(CONNECT_S, WRITE_S),
            )
        )

    async def list(self, path: str, *, selector: str = "", fields: str = "") -> Objects:
        """Return a collection's objects; built-in kinds come without `kind` and `apiVersion`."""
        return (await self._list(path, _filters(selector, fields)))[0]

    async def _list(self, path: str, query: tuple[tuple[str, str], ...]) -> tuple[Objects, str]:
        async def once() -> tuple[Objects, str]:
            items: Objects = []
            request = _Request(verb="list", path=path, query=(*query, ("limit", str(PAGE))))
            while True:
                page = await self._json(request)
                items += page.get("items") or []
                more = page["metadata"].get("continue")
                if not more:
                    return items, page["metadata"]["resourceVersion"]
                request = replace(request, query=(*query, ("limit", str(PAGE)), ("continue", more)))

        return await _again(once)

    async def watch(
        self, path: str, *, selector: str = "", fields: str = ""
    ) -> AsyncIterator[tuple[str, Json]]:
        """Yield a collection's present state as ADDED, then its changes, without an end.

        Whatever ends a connection (410, a restart, 90 seconds of silence): the collection is listed
        again and only the difference yielded, what has gone as DELETED as last seen (fault 92).
        Callers bound it by a deadline; cancelling closes the connection at once.

        Raises:
            DeliveryError: of the first list; later only what trying again cannot mend (403, 404).
        """
        query = _filters(selector, fields)
        known: dict[str, Json] = {}
        items, version = await self._list(path, query)
        while True:
            for event in _difference(known, items):
                yield event
            known = {item["metadata"]["uid"]: item for item in items}
            with suppress(TransientError):
                async with aclosing(self._changes(path, query, version)) as changes:
                    async for kind, item in changes:
                        known[item["metadata"]["uid"]] = item
                        if kind == "DELETED":
                            del known[item["metadata"]["uid"]]
                        yield kind, item
            while True:
                # Not all clients of a restarted server in the same moment.
                await anyio.sleep(random.uniform(0.1, 1.0))  # noqa: S311 - no secret
                with suppress(TransientError):
                    items, version = await self._list(path, query)
                    break

    async def _changes(
        self, path: str, query: tuple[tuple[str, str], ...], version: str
    ) -> AsyncGenerator[tuple[str, Json]]:
        """Yield one connection's events; an error event ends it as the error that it is."""
        request = _Request(
            verb="watch",
            path=path,
            query=(
                *query,
                ("watch", "true"),
                ("allowWatchBookmarks", "true"),
                ("resourceVersion", version),
                ("timeoutSeconds", str(WATCH_S)),
            ),
            timeout=(CONNECT_S, WATCH_SILENCE_S),
        )
        stream = await self._authorized(partial(self._stream, request))
        try:
            while events := await anyio.to_thread.run_sync(
                stream.read, abandon_on_cancel=True, limiter=self._waiters
            ):
                for event in events:
                    if event["type"] == "ERROR":
                        status = event["object"]
                        raise _refused(request, status.get("code", GONE), json.dumps(status).encode())
                    if event["type"] != "BOOKMARK":
                        yield event["type"], event["object"]
        finally:
            await stream.close()

    async def _stream(self, request: _Request) -> _Stream:
        abandoned = threading.Event()

        def start() -> _Stream:
            response = _open(self._api, request)
            if abandoned.is_set():
                response.close()
            elif response.status != 200:  # noqa: PLR2004 - a watch knows no other success
                try:
                    raise _refused(request, response.status, response.read())
                finally:
                    response.close()
            return _Stream(response, request)

        try:
            return await anyio.to_thread.run_sync(start, abandon_on_cancel=True, limiter=self._waiters)
        except anyio.get_cancelled_exc_class():
            abandoned.set()
            raise

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
        request = _Request(
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
            _, url, headers, *_ = self._api.param_serialize(
                request.method,
                request.path,
                query_params=list(request.query),
                auth_settings=["BearerToken"],
            )
            remote = kube_exec.Exec(url=url, headers=headers, stdin=stdin.encode(), what=what)
            return kube_exec.run(self._api.configuration, remote, stop, partial(_refused, asked))

        async def once() -> ExecResult:
            return await anyio.to_thread.run_sync(act, abandon_on_cancel=True, limiter=self._waiters)

        try:
            with anyio.fail_after(deadline_s):
                return await self._authorized(once)
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
        limit_bytes: int = 4096,
    ) -> str:
        """Return the end of a container's log; `previous` means the one before its last restart."""
        request = _Request(
            verb="get",
            path=f"/api/v1/namespaces/{namespace}/pods/{pod}/log",
            query=(
                ("container", container),
                ("previous", str(previous).lower()),
                # The server's limitBytes cuts off the end, so here it is no more than a bound.
                ("tailLines", str(max(10, limit_bytes // 40))),
                ("limitBytes", str(LOG_LIMIT)),
            ),
        )
        body = await _again(partial(self._answer, request))
        return body[-limit_bytes:].decode(errors="replace")

    async def proxy_get(
        self, namespace: str, pod: str, port: int, path: str, *, deadline_s: float
    ) -> tuple[int, str]:
        """Return the status and the first 2 KiB of a pod's answer to a GET, through the API server.

        Raises:
            ServiceUnavailableError: the pod did not answer in time, or not at all.
        """
        request = _Request(
            verb="get",
            path=f"/api/v1/namespaces/{namespace}/pods/{pod}:{port}/proxy{path}",
            timeout=(deadline_s, deadline_s),
        )

        async def once() -> tuple[int, str]:
            status, body = await anyio.to_thread.run_sync(
                _fetch, self._api, request, PROXY_EXCERPT, abandon_on_cancel=True
            )
            # The pod's own 401, 404 or 503 is an answer; the API server's comes as a Status object.
            unreached = body.lower().startswith(b"error trying to reach service")
            if status >= 400 and (unreached or _status(body)):  # noqa: PLR2004 - HTTP's own classes
                raise _refused(request, status, body)
            return status, body.decode(errors="replace")

        try:
            with anyio.fail_after(deadline_s):
                return await self._authorized(once)
        except TimeoutError:
            raise ServiceUnavailableError(f"{request}: no answer in {deadline_s:g} s") from None


def _filters(selector: str, fields: str) -> tuple[tuple[str, str], ...]:
    pairs = (("labelSelector", selector), ("fieldSelector", fields))
    return tuple((key, value) for key, value in pairs if value)


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


async def _again(act: Callable[[], Awaitable[T]]) -> T:
    """Act, a few times if the server is not there; for reads only."""
    retrying = AsyncRetrying(
        retry=retry_if_exception_type(ServiceUnavailableError),
        stop=stop_after_attempt(ATTEMPTS),
        wait=wait_random_exponential(multiplier=0.2, max=3),
        reraise=True,
    )
    return await retrying(act)
