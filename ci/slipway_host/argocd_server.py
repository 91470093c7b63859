"""Argo CD's own HTTP API: one account's requests, and what its refusals mean.

Relied on, from the server's source (3.2): gRPC's code and message are in the body; 403 is the answer for
an Application that does not exist, too, and for a sync that a window denies; an operation in progress is
FailedPrecondition, which becomes 400.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from slipway_host.caller import command
from slipway_host.errors import (
    AccessDeniedError,
    ConflictError,
    DeliveryError,
    NotFoundError,
    ServiceUnavailableError,
    SettingsError,
    TerminalError,
)
from slipway_host.http_api import HttpApi, UntrustedError, retrying, words

if TYPE_CHECKING:
    import ssl

    import httpx
    from pydantic import SecretStr

SECRET = "ARGOCD_AUTH_TOKEN"  # noqa: S105 - the variable's name, as Argo CD's own CLI has it
MOVED = ("another operation is already in progress", "No operation is in progress")
"""What it says of an Application whose operation is not what it was when it was read."""
WINDOW = "sync window"


class DeniedError(AccessDeniedError):
    """403: no right, or no such Application; 401 is an account that is nobody's."""


class SyncWindowError(TerminalError):
    """A sync window of the project denies the sync."""


class ArgoCDServer(HttpApi):
    """One account at one Argo CD; to be closed.

    Args:
        url: its address, as people open it in a browser.
        token: the account's.
        trust: authorities that vouch for it; without it, the system's own.
    """

    def __init__(self, url: str, token: SecretStr, *, trust: ssl.SSLContext | None = None) -> None:
        super().__init__(f"{url.rstrip('/')}/", token, accept="application/json", trust=trust)
        # It refuses whatever is not GET without one, DELETE included (415): no web page's form can send that.
        self._client.headers["Content-Type"] = "application/json"

    async def get(self, path: str, **query: str) -> dict[str, Any]:
        """Return what is at a path, after several tries if need be."""
        async for attempt in retrying():
            with attempt:
                return await self._once("GET", path, None, query)
        raise AssertionError("the last try returns or raises")

    async def post(self, path: str, document: dict[str, Any]) -> None:
        """Ask for something to be done; not tried again: it may have been."""
        await self._once("POST", path, document)

    async def patch(self, path: str, document: dict[str, Any]) -> None:
        """Change something."""
        await self._once("PATCH", path, document)

    async def delete(self, path: str, **query: str) -> None:
        """Remove something."""
        await self._once("DELETE", path, None, query)

    async def _once(
        self,
        method: str,
        path: str,
        document: dict[str, Any] | None = None,
        query: dict[str, str] | None = None,
    ) -> dict[str, Any]:
        try:
            answer = await self.send(method, path, document, query)
        except UntrustedError as error:
            raise SettingsError(
                f"nobody vouches for the certificate of Argo CD at {self.host}: write its authority's "
                "certificate to argocd.ca in slipway.yaml"
            ) from error
        except ServiceUnavailableError as error:
            error.cause = f"Argo CD at {error.cause}"
            error.next_command = f"curl {self.url}api/version"
            raise
        if not answer.is_success:
            raise self._explain(answer, f"{method} {path}")
        try:
            found: dict[str, Any] = answer.json()
        except ValueError as error:
            raise self._elsewhere(f"{method} {path} with something else than JSON") from error
        return found

    def _explain(self, answer: httpx.Response, what: str) -> DeliveryError:
        status, said = answer.status_code, words(answer)
        where, how = f"Argo CD at {self.host}", f"{what}: {said} (HTTP {status})"
        error: DeliveryError
        if status == HTTPStatus.UNAUTHORIZED:
            error = AccessDeniedError(
                f"{where} does not accept ARGOCD_AUTH_TOKEN: {said} (HTTP {status})",
                next_command=f"argocd account generate-token --account=<account> --server={self.host}, and "
                f"give it as {SECRET}",
            )
        elif status == HTTPStatus.FORBIDDEN and WINDOW in said:
            error = SyncWindowError(said)
        elif status == HTTPStatus.FORBIDDEN:
            error = DeniedError(
                f"{where} denies {how}",
                next_command=f"{command('rbac')}, which names the policy that the account needs there",
            )
        elif status == HTTPStatus.NOT_FOUND and _speaks_grpc(answer):
            error = NotFoundError(f"{where} has nothing there: {how}")
        elif status == HTTPStatus.CONFLICT or any(one in said for one in MOVED):
            error = ConflictError(f"{where}: {said}")
        elif answer.is_redirect or status == HTTPStatus.NOT_FOUND:
            error = self._elsewhere(f"{what} with HTTP {status}")
        elif status == HTTPStatus.TOO_MANY_REQUESTS or answer.is_server_error:
            error = ServiceUnavailableError(f"{where} answers {how}")
        else:
            error = TerminalError(f"{where} refuses {how}")
        return error

    def _elsewhere(self, what: str) -> SettingsError:
        return SettingsError(
            f"{self.host} answers {what}: is argocd.server the address of Argo CD's own API, past any "
            "login page?",
            next_command=f"curl {self.url}api/version",
        )


def _speaks_grpc(answer: httpx.Response) -> bool:
    """Say whether it is Argo CD that answers, and not something before it."""
    try:
        return "code" in answer.json()
    except (ValueError, TypeError):
        return False
