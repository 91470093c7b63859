"""Sends one document to a webhook whose address is a secret, and never shows that address."""

from __future__ import annotations

import hashlib
import hmac
import logging
import re
import ssl
from contextvars import ContextVar
from http import HTTPStatus
from typing import TYPE_CHECKING

import anyio

from slipway_host.errors import DeliveryError, ServiceUnavailableError, SettingsError, TerminalError

if TYPE_CHECKING:
    from pydantic import SecretStr

SIGNATURE = "X-Slipway-Signature-256"
PAUSE_S = 1.0
TRIES = 2
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
# The reasons that Slack gives, `no_service` or `invalid_token`; anything longer may repeat the address.
_REASON = re.compile(r"[a-z]+(_[a-z]+){1,5}")
_SENDING: ContextVar[bool] = ContextVar("sending", default=False)


class _Unlogged(logging.Filter):
    """Drops what HTTP libraries log of a request to a secret address."""

    def filter(self, record: logging.LogRecord) -> bool:  # noqa: ARG002 - the base class's signature
        return not _SENDING.get()


_UNLOGGED = _Unlogged()


def signature(key: SecretStr, body: bytes) -> str:
    """Return what a receiver compares: `sha256=` and the HMAC of the body in hexadecimal, as GitHub signs."""
    return f"sha256={hmac.new(key.get_secret_value().encode(), body, hashlib.sha256).hexdigest()}"


async def send(url: SecretStr, body: bytes, *, key: SecretStr | None = None) -> None:
    """Send a JSON document; a server that is away for a moment is asked twice.

    Args:
        url: https, or http on this machine.
        body: JSON in UTF-8.
        key: signs the body; None signs nothing.

    Raises:
        SettingsError: the address is none that can be used.
        TerminalError: the server refuses the document, or redirects it.
        ServiceUnavailableError: it does not answer, or answers 429 or 5xx.
    """
    signed = {SIGNATURE: signature(key, body)} if key else {}
    headers = {"Content-Type": "application/json", "User-Agent": "slipway", **signed}
    for name in ("httpx", "httpcore", "httpcore.connection", "httpcore.http11", "httpcore.proxy"):
        logging.getLogger(name).addFilter(_UNLOGGED)
    token = _SENDING.set(True)
    try:
        for left in reversed(range(TRIES)):
            try:
                await _once(url, body, headers)
            except ServiceUnavailableError:
                if not left:
                    raise
                await anyio.sleep(PAUSE_S)
            else:
                return
    finally:
        _SENDING.reset(token)


async def _once(url: SecretStr, body: bytes, headers: dict[str, str]) -> None:
    import httpx

    try:
        address = httpx.URL(url.get_secret_value())
    except httpx.InvalidURL:
        raise SettingsError("its address is no URL") from None
    if address.scheme != "https" and not (address.scheme == "http" and address.host in LOOPBACK):
        raise SettingsError("its address does not start with https://")
    try:
        async with httpx.AsyncClient(
            # The system's authorities, as for every other server.
            verify=ssl.create_default_context(),
            # Whoever holds the address decides where messages go, and not what answers there.
            follow_redirects=False,
        ) as client:
            answer = await client.post(address, content=body, headers=headers)
    # What httpx says may hold the address: `from None` and words of our own.
    except httpx.ConnectError as error:
        if "CERTIFICATE" in str(error).upper():
            raise TerminalError("its certificate is not valid here") from None
        raise ServiceUnavailableError("no connection to its server") from None
    except httpx.HTTPError as error:
        raise ServiceUnavailableError(f"its server does not answer ({type(error).__name__})") from None
    if not answer.is_success:
        raise _refusal(answer)


def _refusal(answer: object) -> DeliveryError:
    import httpx

    assert isinstance(answer, httpx.Response)  # noqa: S101 - the type is imported lazily
    status = answer.status_code
    if answer.is_redirect:
        return TerminalError(f"its server redirects elsewhere ({status}), which is not followed")
    words = answer.text[:80].strip()
    reason = f" {words}" if _REASON.fullmatch(words) else ""
    said = f"its server answers {status}{reason}"
    busy = status == HTTPStatus.TOO_MANY_REQUESTS or answer.is_server_error
    return ServiceUnavailableError(said) if busy else TerminalError(said)
