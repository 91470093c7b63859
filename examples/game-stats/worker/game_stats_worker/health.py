"""Answers `/health` in a thread of its own, so that a slow database does not keep the answer back."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Pulse:
    """When the last round ended well; says itself whether that is too long ago.

    Args:
        limit_s: seconds after which silence is a failure.
        clock: counts seconds.
    """

    def __init__(self, limit_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._limit_s, self._clock = limit_s, clock
        self._status, self._last = "starting", float("-inf")

    def beat(self, status: str) -> None:
        """A round ended well."""
        self._status, self._last = status, self._clock()

    def fail(self, status: str) -> None:
        """A round failed: one alone changes nothing yet, since a database may restart."""
        if not self.healthy:
            self._status = status

    @property
    def healthy(self) -> bool:
        """Whether the last good round is recent enough."""
        return self._clock() - self._last <= self._limit_s

    @property
    def status(self) -> str:
        """What to say of it."""
        return self._status if self.healthy or self._last == float("-inf") else f"stale: {self._status}"


@contextlib.contextmanager
def serving(port: int, pulse: Pulse, revision: str) -> Iterator[int]:
    """Answer while the block runs; give the port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path.partition("?")[0] != "/health":
                self._answer(HTTPStatus.NOT_FOUND, {"error": "not found"})
                return
            code = HTTPStatus.OK if pulse.healthy else HTTPStatus.SERVICE_UNAVAILABLE
            self._answer(code, {"status": pulse.status, "version": revision})

        def _answer(self, code: HTTPStatus, body: dict[str, str]) -> None:
            content = json.dumps(body).encode() + b"\n"
            self.send_response(code)
            self.send_header("Content-Type", "application/json")
            self.send_header("Cache-Control", "no-store")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Say nothing: probes ask every second."""

    server = ThreadingHTTPServer(("", port), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, name="health", daemon=True)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
