"""One request to Kubernetes' API: how it is sent, and what an answer that is not 2xx means.

All of it blocks: `kube_session.py` puts it on threads.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from slipway_host.errors import (
    AccessDeniedError,
    ConflictError,
    DeliveryError,
    NotFoundError,
    ServiceUnavailableError,
    SettingsError,
    TerminalError,
    TransientError,
    UnknownOutcomeError,
    quote,
)

if TYPE_CHECKING:
    from kubernetes.client import ApiClient
    from urllib3 import BaseHTTPResponse

Json = dict[str, Any]
Objects = list[Json]
"""For annotations beside a method called `list`."""
CONNECT_S = 5.0
READ_S = 10.0
UNAUTHORIZED, FORBIDDEN, NOT_FOUND, CONFLICT, GONE, TOO_MANY = 401, 403, 404, 409, 410, 429
SERVER_ERROR = 500


class UnauthorizedError(AccessDeniedError):
    """401: a token may have expired, so this one is worth another look at the kubeconfig."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """What is asked of the API, by the verb that RBAC knows it as."""

    verb: Literal["get", "list", "watch", "create", "patch", "delete"]
    path: str
    query: tuple[tuple[str, str], ...] = ()
    body: Json | Objects | None = None
    content_type: str = "application/json"
    timeout: tuple[float, float] = (CONNECT_S, READ_S)

    @property
    def method(self) -> str:
        """HTTP's word for the verb."""
        return {"create": "POST", "patch": "PATCH", "delete": "DELETE"}.get(self.verb, "GET")

    @property
    def writes(self) -> bool:
        """Whether a request without an answer may have changed something."""
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


def status_of(body: bytes) -> Json | None:
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


def refused(request: Request, code: int, body: bytes) -> DeliveryError:
    """Return the error for an answer that is not 2xx, with the server's own sentence (fault 57)."""
    sentence = (status_of(body) or {}).get("message") or body.decode(errors="replace")
    cause = f"{request}: {quote(str(sentence)) or 'no reason given'} (HTTP {code})"
    if code == UNAUTHORIZED:
        return UnauthorizedError(cause, next_command="kubectl auth whoami")
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


def open_answer(api: ApiClient, request: Request) -> BaseHTTPResponse:
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
        raise lost(request, error) from error
    return response


def lost(request: Request, error: Exception) -> TransientError:
    """Return the error for a connection that ended before the answer did."""
    kind = UnknownOutcomeError if request.writes else ServiceUnavailableError
    return kind(f"{request}: the connection was lost: {quote(str(error))}")


def fetch(api: ApiClient, request: Request, limit: int | None = None) -> tuple[int, bytes]:
    """Return the answer's status and body, of the body the first `limit` bytes."""
    import urllib3

    response = open_answer(api, request)
    try:
        return response.status, response.read(limit)
    except urllib3.exceptions.HTTPError as error:
        raise lost(request, error) from error
    finally:
        if limit is not None:
            response.close()
        response.release_conn()
