"""An answer of Kubernetes' API that goes on for as long as both sides want: a watch, a log that is followed.

Such answers live longer than requests: their threads are not counted, so that many of them cannot
starve the requests.
"""

from __future__ import annotations

import threading
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread

from slipway_host.errors import ServiceUnavailableError, quote
from slipway_host.kube_http import Request, open_answer, refused

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from urllib3 import BaseHTTPResponse

    from slipway_host.kube_session import Session


class Stream:
    """An open answer: lines, until one side closes it."""

    def __init__(self, response: BaseHTTPResponse, request: Request) -> None:
        self._chunks = response.stream(2**16)
        self._response = response
        self._request = request
        self._rest = b""

    def read(self) -> list[bytes]:
        """Return the next lines; empty when the server has closed the connection."""
        import urllib3

        try:
            while True:
                self._rest += next(self._chunks)
                *lines, self._rest = self._rest.split(b"\n")
                found = [line for line in lines if line]
                if found:
                    return found
        except StopIteration:
            last, self._rest = self._rest, b""
            return [last] if last else []
        except (urllib3.exceptions.HTTPError, OSError, ValueError, AttributeError) as error:
            raise ServiceUnavailableError(f"{self._request}: {quote(str(error))}") from error

    async def close(self) -> None:
        """End the answer, and the thread that reads from it."""
        # Shutting the socket wakes the thread that reads from it; closing waits for that thread.
        with suppress(OSError, RuntimeError, ValueError):
            self._response.shutdown()
        with anyio.move_on_after(2, shield=True):
            await anyio.to_thread.run_sync(self._response.close, abandon_on_cancel=True)


async def lines(
    session: Session, request: Request, limiter: anyio.CapacityLimiter
) -> AsyncGenerator[list[bytes]]:
    """Yield an answer's lines as they come; closing the generator ends the answer at once.

    Raises:
        DeliveryError: the server refuses it, or the connection breaks.
    """
    stream = await session.authorized(partial(_open, session, request, limiter))
    try:
        while found := await anyio.to_thread.run_sync(stream.read, abandon_on_cancel=True, limiter=limiter):
            yield found
    finally:
        await stream.close()


async def _open(session: Session, request: Request, limiter: anyio.CapacityLimiter) -> Stream:
    abandoned = threading.Event()

    def start() -> Stream:
        response = open_answer(session.api, request)
        if abandoned.is_set():
            response.close()
        elif response.status != 200:  # noqa: PLR2004 - such an answer knows no other success
            try:
                raise refused(request, response.status, response.read())
            finally:
                response.close()
        return Stream(response, request)

    try:
        return await anyio.to_thread.run_sync(start, abandon_on_cancel=True, limiter=limiter)
    except anyio.get_cancelled_exc_class():
        abandoned.set()
        raise
