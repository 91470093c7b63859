"""A Kubernetes API server that answers by script, over real HTTP."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from pydantic import SecretStr

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Json = dict[str, Any]
TOKEN = "canary-4711"


@dataclass
class Reply:
    status: int = 200
    body: Json | bytes = field(default_factory=dict)
    drop: bool = False
    """Close the connection instead of answering."""
    hold: Event | None = None
    """After the body, keep the connection open until this is set."""


@dataclass
class Asked:
    method: str
    path: str
    query: dict[str, list[str]]
    headers: dict[str, str]
    body: Any


class ApiServer:
    """Answers by path; several replies come one after the other, the last for ever."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.asked: list[Asked] = []
        self.replies: dict[str, list[Reply]] = {}
        self.guard: Callable[[Asked], Reply | None] = lambda _asked: None
        self.hung_up = Event()

    def answer(self, asked: Asked) -> Reply:
        self.asked.append(asked)
        refusal = self.guard(asked)
        if refusal:
            return refusal
        key = f"watch {asked.path}" if "watch" in asked.query else asked.path
        replies = self.replies.get(key, [Reply(404, status(404, "not found"))])
        return replies.pop(0) if len(replies) > 1 else replies[0]

    def kubeconfig(self, **user: Any) -> SecretStr:
        document = {
            "clusters": [{"name": "c", "cluster": {"server": self.url}}],
            "users": [{"name": "u", "user": user or {"token": TOKEN}}],
            "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
            "current-context": "x",
        }
        return SecretStr(json.dumps(document))


def status(code: int, message: str) -> Json:
    return {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "message": message}


@contextmanager
def api_server() -> Iterator[ApiServer]:
    """Serve on a free port of 127.0.0.1 for the block's time."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.close_connection = True
            url = urlsplit(self.path)
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length)) if length else None
            headers = {name.lower(): value for name, value in self.headers.items()}
            asked = Asked(self.command, url.path, parse_qs(url.query), headers, body)
            reply = found.answer(asked)
            if reply.drop:
                return
            self.send_response(reply.status)
            data = reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body).encode()
            if reply.hold:
                # As API servers do: each event is a chunk, and can be read when it comes.
                self.send_header("Transfer-Encoding", "chunked")
                data = f"{len(data):x}\r\n".encode() + data + b"\r\n" if data else b""
            self.send_header("Connection", "close")
            self.end_headers()
            self.wfile.write(data)
            self.wfile.flush()
            if reply.hold:
                self.connection.settimeout(0.02)
                while not reply.hold.is_set():
                    try:
                        if not self.connection.recv(1):
                            found.hung_up.set()
                            return
                    except TimeoutError:
                        continue
                    except OSError:
                        found.hung_up.set()
                        return

        do_POST = do_PATCH = do_DELETE = do_GET  # noqa: N815 - the base's own names

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's own name
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        found = ApiServer(f"http://127.0.0.1:{server.server_address[1]}")
        thread = Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield found
        finally:
            server.shutdown()
            thread.join()
