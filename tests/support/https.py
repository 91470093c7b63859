"""A real HTTP server on loopback for one test, in the clear or over TLS, that answers by a function."""

from __future__ import annotations

import ssl
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Certificate(Protocol):
    """What a server proves itself by: a `trustme.LeafCert`, or another one."""

    def configure_cert(self, context: ssl.SSLContext) -> None:
        """Load it."""


@dataclass(frozen=True)
class Request:
    """What a client sent."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True)
class Answer:
    """What it gets.

    Args:
        status: of HTTP.
        body: its text.
        headers: besides the length.
        hangs: it waits until the server ends.
        closes: the server closes the connection after the answer, and has not said that it will.
        drops: the server closes the connection in place of an answer.
    """

    status: int = 200
    body: str = "ok"
    headers: dict[str, str] = field(default_factory=dict)
    hangs: bool = False
    closes: bool = False
    drops: bool = False


@contextmanager
def serving(answer: Callable[[Request], Answer], certificate: Certificate | None = None) -> Iterator[str]:
    """Serve, and give the server's address, `http://127.0.0.1:4711`."""
    ended = Event()

    class Handler(BaseHTTPRequestHandler):
        # Connections are kept, as servers do.
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            # Header names are not case-sensitive.
            headers = {name.lower(): value for name, value in self.headers.items()}
            given = answer(Request(self.command, self.path, headers, body))
            if given.hangs:
                ended.wait(30)
            self.close_connection = given.closes or given.drops or given.hangs
            if given.hangs or given.drops:
                return
            self.send_response(given.status)
            for name, value in {**given.headers, "Content-Length": str(len(given.body.encode()))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(given.body.encode())

        do_POST = do_PATCH = do_GET  # noqa: N815 - the base class's names

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_args: object) -> None:
            """A client that does not trust the certificate hangs up, and that is what is tested."""

    server = Server(("127.0.0.1", 0), Handler)
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        certificate.configure_cert(context)
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"{'https' if certificate else 'http'}://127.0.0.1:{server.server_address[1]}"
    finally:
        ended.set()
        server.shutdown()
        thread.join()
        server.server_close()
