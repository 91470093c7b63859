"""The HTTP API of a GitHub or Gitea server: one account's calls, and what refusals mean."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from slipway_host.errors import (
    AccessDeniedError,
    NotFoundError,
    ServiceUnavailableError,
    SettingsError,
    TerminalError,
)
from slipway_host.http_api import HttpApi, retrying, words

if TYPE_CHECKING:
    import httpx
    from pydantic import SecretStr

_ACCEPT = "application/vnd.github+json, application/json;q=0.9"
_TAKEN = frozenset({HTTPStatus.CONFLICT, HTTPStatus.UNPROCESSABLE_ENTITY})


class TakenError(TerminalError):
    """The server says that there is such a thing, or that there cannot be one."""


class Forge(HttpApi):
    """One account at one server; use as `async with`.

    Args:
        url: root of the API.
        token: the account's.
        what: what is asked for there, for an error.
    """

    def __init__(self, url: str, token: SecretStr, *, what: str) -> None:
        super().__init__(url, token, accept=_ACCEPT)
        self._what = what

    async def call(
        self,
        method: str,
        path: str,
        document: dict[str, Any] | None = None,
        *,
        query: dict[str, Any] | None = None,
        taken: bool = False,
    ) -> Any:
        """Return the answer's JSON, after several tries if need be.

        Raises:
            TakenError: with `taken`, the server answers 409 or 422.
            DeliveryError: it answers something else than success, or not at all.
        """
        async for attempt in retrying():
            with attempt:
                return await self.once(method, path, document, query, taken=taken)
        raise AssertionError("the last try returns or raises")

    async def once(
        self,
        method: str,
        path: str,
        document: dict[str, Any] | None = None,
        query: dict[str, Any] | None = None,
        *,
        taken: bool = False,
    ) -> Any:
        """Return the answer's JSON of one try, as `call` does."""
        answer = await self.send(method, path, document, query)
        if answer.is_success:
            try:
                return answer.json()
            except ValueError as error:
                raise SettingsError(
                    f"{self.host} answers {method} {path} with something else than JSON: is "
                    f"{self.url} the address of its API?"
                ) from error
        raise self._explain(answer, path, taken=taken)

    def _explain(self, answer: httpx.Response, path: str, *, taken: bool) -> Exception:
        status = answer.status_code
        said = words(answer)
        limited = status == HTTPStatus.FORBIDDEN and answer.headers.get("x-ratelimit-remaining") == "0"
        error: Exception
        if limited or status == HTTPStatus.TOO_MANY_REQUESTS or answer.is_server_error:
            error = ServiceUnavailableError(f"{self.host} answers {status}: {said}")
        elif status == HTTPStatus.UNAUTHORIZED:
            error = AccessDeniedError(f"{self.host} does not accept the token ({status})")
        elif status == HTTPStatus.FORBIDDEN:
            error = AccessDeniedError(f"the token may not use {path} at {self.host}: {said}")
        elif status == HTTPStatus.NOT_FOUND:
            error = NotFoundError(f"{self.host} has no {path}, or the token may not see it")
        elif answer.is_redirect:
            error = SettingsError(f"{self.host} redirects {path}: configure the address that it leads to")
        elif taken and status in _TAKEN:
            error = TakenError(f"{self.host} refuses the {self._what}: {said}")
        else:
            error = TerminalError(f"{self.host} answers {status} to {path}: {said}")
        return error
