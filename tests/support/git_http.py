"""Git over HTTP with one account, and commands to see what runs."""

from __future__ import annotations

import base64
import os
import subprocess
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import TYPE_CHECKING

from pydantic import SecretStr

from slipway_host.settings import GitSettings

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator
    from pathlib import Path

TOKEN = "canary-4711"


class Backend(BaseHTTPRequestHandler):
    """Git's own smart HTTP server behind one account; some paths answer with a bare status."""

    protocol_version = "HTTP/1.1"
    root: Path

    def do_GET(self) -> None:
        path, _, query = self.path.partition("?")
        status = path.strip("/").split("/")[0]
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        basic = base64.b64encode(f"bot:{TOKEN}".encode()).decode()
        if status.isdigit():
            self._answer(int(status), {"Location": "http://elsewhere.invalid/x"}, b"")
        elif self.headers.get("Authorization") != f"Basic {basic}":
            self._answer(401, {"WWW-Authenticate": 'Basic realm="x"'}, b"")
        elif "receive-pack" in self.path and path.startswith("/read-only/"):
            self._answer(403, {}, b"")
        else:
            self._serve(path.removeprefix("/read-only"), query, body)

    do_POST = do_GET  # noqa: N815 - the base class's names

    def _serve(self, path: str, query: str, body: bytes) -> None:
        env = {
            "PATH": os.environ["PATH"],
            "GIT_PROJECT_ROOT": str(self.root),
            "GIT_HTTP_EXPORT_ALL": "1",
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "REQUEST_METHOD": self.command,
            "REMOTE_USER": "bot",
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": str(len(body)),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
        }
        done = subprocess.run(["git", "http-backend"], env=env, input=body, check=True, capture_output=True)
        head, _, content = done.stdout.partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode().splitlines())
        status = int(headers.pop("Status", "200").split()[0])
        self._answer(status, headers, content)

    def _answer(self, status: int, headers: dict[str, str], content: bytes) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


@contextmanager
def serving(root: Path, context: ssl.SSLContext | None = None) -> Iterator[int]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Here", (Backend,), {"root": root}))
    if context:
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def account(url: str, token: str | None = TOKEN) -> GitSettings:
    secret = None if token is None else SecretStr(token)
    return GitSettings(url=url, branch="main", username="bot", token=secret)
