"""One account at a server that speaks JSON over HTTP: connections, tries, and what it says in words."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Any, Self

import anyio
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from slipway_host.errors import ServiceUnavailableError, TerminalError, quote

if TYPE_CHECKING:
    import httpx
    from pydantic import SecretStr

TIMEOUT_S = 20
IDLE_S = 30.0
"""How long an idle connection is kept: what stands between may drop it in silence after a minute."""
TRIES = 4
_BACKOFF = wait_random_exponential(multiplier=0.2, max=3)


def retrying() -> AsyncRetrying:
    """Return the tries that a call is worth whose server is away for a moment."""
    return AsyncRetrying(
        retry=retry_if_exception_type(ServiceUnavailableError),
        wait=_BACKOFF,
        stop=stop_after_attempt(TRIES),
        reraise=True,
    )


class UntrustedError(TerminalError):
    """A server's certificate is none that this machine trusts: trying again would not make it right."""


class HttpApi:
    """One account at one server; use as `async with`, or `close` it.

    A connection is kept for the next request. One that the server has closed meanwhile is made anew.

    Args:
        url: root of the API.
        token: the account's.
        accept: media types that are asked for.
        trust: authorities that vouch for the server; without it, the system's own.
    """

    def __init__(
        self, url: str, token: SecretStr, *, accept: str, trust: ssl.SSLContext | None = None
    ) -> None:
        import httpx

        self.host = httpx.URL(url).host
        self.url = url
        self._client: httpx.AsyncClient = httpx.AsyncClient(
            base_url=url,
            # The system's authorities: a private server's own is installed there, not in certifi's list.
            verify=trust or ssl.create_default_context(),
            timeout=TIMEOUT_S,
            limits=httpx.Limits(keepalive_expiry=IDLE_S),
            # A token is for the host that it was given for.
            follow_redirects=False,
            headers={
                "Accept": accept,
                "Authorization": f"Bearer {token.get_secret_value()}",
                "User-Agent": "slipway",
            },
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections, also where the run is being cancelled."""
        with anyio.CancelScope(shield=True):
            await self._client.aclose()

    async def send(
        self,
        method: str,
        path: str,
        document: dict[str, Any] | None = None,
        query: dict[str, Any] | None = None,
    ) -> httpx.Response:
        """Return the answer to one request, whatever its status.

        Raises:
            UntrustedError: nobody vouches for the server.
            ServiceUnavailableError: it does not answer.
        """
        import httpx

        try:
            return await self._client.request(method, path.lstrip("/"), json=document, params=query)
        except (httpx.TransportError, httpx.InvalidURL) as error:
            what = quote(str(error) or type(error).__name__, limit=200)
            kind = UntrustedError if "CERTIFICATE" in what.upper() else ServiceUnavailableError
            raise kind(f"{self.host} does not answer: {what}") from error


def words(answer: httpx.Response) -> str:
    """Return what a server says in words: `message`, and those of `errors`, where it answers by JSON."""
    try:
        document = answer.json()
        found = [document["message"]]
        found += [one["message"] if isinstance(one, dict) else one for one in document.get("errors") or ()]
        said = "; ".join(found)
    except (ValueError, KeyError, TypeError, AttributeError):
        said = answer.text
    return quote(said, limit=200)
