"""A container registry that answers by script, over real TLS."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator


@dataclass
class Reply:
    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    cut: int | None = None
    """Bytes of the body after which the connection ends."""


@dataclass
class Asked:
    path: str
    query: dict[str, list[str]]
    authorization: str | None
    method: str = "GET"


Guard = Callable[[Asked], Reply | None]


class Registry:
    """Answers by path; a path with several replies gives them one after the other, the last for ever."""

    def __init__(self, host: str) -> None:
        self.host = host
        self.asked: list[Asked] = []
        self.guard: Guard = lambda _asked: None
        self.replies: dict[str, list[Reply]] = {}

    def answer(self, asked: Asked) -> Reply:
        self.asked.append(asked)
        refusal = self.guard(asked)
        if refusal:
            return refusal
        replies = self.replies.get(asked.path, [Reply(404)])
        return replies.pop(0) if len(replies) > 1 else replies[0]

    def times(self, path: str) -> int:
        return sum(asked.path == path for asked in self.asked)


@contextmanager
def registry_server(context: ssl.SSLContext) -> Iterator[Registry]:
    """Serve on a free port of 127.0.0.1 for the block's time."""

    class Handler(BaseHTTPRequestHandler):
        timeout = 10

        def do_GET(self) -> None:
            url = urlsplit(self.path)
            asked = Asked(url.path, parse_qs(url.query), self.headers.get("Authorization"), self.command)
            reply = found.answer(asked)
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(reply.body)))
            self.end_headers()
            self.wfile.write(reply.body[: reply.cut])

        do_POST = do_DELETE = do_GET  # noqa: N815 - the base class's names

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's own name
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        # Not in the thread that accepts: a client that gives up in the middle would block it for ever.
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        found = Registry(f"127.0.0.1:{server.server_address[1]}")
        thread = Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield found
        finally:
            server.shutdown()
            thread.join()
