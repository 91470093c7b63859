"""The HTTP API of a GitHub or Gitea server: one account's calls, their retries, and what refusals mean."""

from __future__ import annotations

import ssl
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Self

from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from slipway_host.errors import (
    AccessDeniedError,
    NotFoundError,
    ServiceUnavailableError,
    SettingsError,
    TerminalError,
    quote,
)

if TYPE_CHECKING:
    import httpx
    from pydantic import SecretStr

TIMEOUT_S = 20
TRIES = 4
_BACKOFF = wait_random_exponential(multiplier=0.2, max=3)
_TAKEN = frozenset({HTTPStatus.CONFLICT, HTTPStatus.UNPROCESSABLE_ENTITY})


def retrying() -> AsyncRetrying:
    """Return the tries that a call is worth whose server is away for a moment."""
    return AsyncRetrying(
        retry=retry_if_exception_type(ServiceUnavailableError),
        wait=_BACKOFF,
        stop=stop_after_attempt(TRIES),
        reraise=True,
    )


class TakenError(TerminalError):
    """The server says that there is such a thing, or that there cannot be one."""


class Forge:
    """One account at one server; use as `async with`.

    Args:
        url: root of the API.
        token: the account's.
        what: what is asked for there, for an error.
    """

    def __init__(self, url: str, token: SecretStr, *, what: str) -> None:
        import httpx

        self.host = httpx.URL(url).host
        self._url, self._what = url, what
        self._client: httpx.AsyncClient = httpx.AsyncClient(
            base_url=url,
            # The system's authorities: a private server's own is installed there, not in certifi's list.
            verify=ssl.create_default_context(),
            timeout=TIMEOUT_S,
            # A token is for the host that it was given for.
            follow_redirects=False,
            headers={
                "Accept": "application/vnd.github+json, application/json;q=0.9",
                "Authorization": f"Bearer {token.get_secret_value()}",
                "User-Agent": "slipway",
            },
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self._client.aclose()

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
        import httpx

        try:
            answer = await self._client.request(method, path.lstrip("/"), json=document, params=query)
        except (httpx.TransportError, httpx.InvalidURL) as error:
            what = quote(str(error) or type(error).__name__, limit=200)
            # A wrong certificate comes as a failed connection: trying again would not make it right.
            kind = TerminalError if "CERTIFICATE" in what.upper() else ServiceUnavailableError
            raise kind(f"{self.host} does not answer: {what}") from error
        if answer.is_success:
            try:
                return answer.json()
            except ValueError as error:
                raise SettingsError(
                    f"{self.host} answers {method} {path} with something else than JSON: is "
                    f"{self._url} the address of its API?"
                ) from error
        raise self._explain(answer, path, taken=taken)

    def _explain(self, answer: httpx.Response, path: str, *, taken: bool) -> Exception:
        status = answer.status_code
        said = _words(answer)
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


def _words(answer: httpx.Response) -> str:
    """Return what the server says in words: `message`, and those of `errors`, where it answers by JSON."""
    try:
        document = answer.json()
        words = [document["message"]]
        words += [one["message"] if isinstance(one, dict) else one for one in document.get("errors") or ()]
        said = "; ".join(words)
    except (ValueError, KeyError, TypeError, AttributeError):
        said = answer.text
    return quote(said, limit=200)
