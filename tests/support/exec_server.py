"""A websocket server that plays API server and kubelet for commands in containers."""

from __future__ import annotations

import base64
import hashlib
import json
import struct
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from pydantic import SecretStr

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

V4, V5 = "v4.channel.k8s.io", "v5.channel.k8s.io"
STDIN, STDOUT, STDERR, STATUS, CLOSE = 0, 1, 2, 3, 255
BINARY, CLOSING = 2, 8


class Peer:
    """The server's end of one command."""

    def __init__(self, handler: BaseHTTPRequestHandler) -> None:
        self.reader, self.writer = handler.rfile, handler.wfile
        self.longest = 0

    def send(self, channel: int, data: bytes | dict[str, Any]) -> None:
        text = data if isinstance(data, bytes) else json.dumps(data).encode()
        self._frame(BINARY, bytes([channel]) + text)

    def close(self) -> None:
        self._frame(CLOSING, struct.pack(">H", 1000))

    def _frame(self, opcode: int, payload: bytes) -> None:
        size = len(payload)
        length = bytes([size]) if size < 126 else bytes([126]) + struct.pack(">H", size)
        self.writer.write(bytes([0x80 | opcode]) + length + payload)

    def receive(self) -> tuple[int, bytes] | None:
        """Return channel and data of the next frame, None when the client has hung up."""
        head = self.reader.read(2)
        if len(head) < 2 or head[0] & 0x0F == CLOSING:
            return None
        size = head[1] & 0x7F
        if size == 126:
            size = struct.unpack(">H", self.reader.read(2))[0]
        elif size == 127:
            size = struct.unpack(">Q", self.reader.read(8))[0]
        mask, data = self.reader.read(4), self.reader.read(size)
        self.longest = max(self.longest, size)
        plain = bytes(byte ^ mask[place % 4] for place, byte in enumerate(data))
        return plain[0], plain[1:]

    def stdin(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            frame = self.receive()
            assert frame
            assert frame[0] == STDIN
            data += frame[1]
        return data


class Node:
    """One websocket endpoint; `command` is what runs behind it."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.protocol = V5
        self.refusal: tuple[int, bytes] | None = None
        self.tokens: list[str] = []
        self.good = ""
        self.asked: list[dict[str, list[str]]] = []
        self.command: Callable[[Peer], None] = succeed
        self.ended = Event()


def succeed(peer: Peer) -> None:
    peer.send(STATUS, {"status": "Success"})
    peer.close()


def kubeconfig(node: Node, **user: str) -> SecretStr:
    document = {
        "clusters": [{"name": "c", "cluster": {"server": node.url}}],
        "users": [{"name": "u", "user": user or {"token": "x"}}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "x",
    }
    return SecretStr(json.dumps(document))


@contextmanager
def exec_server() -> Iterator[Node]:
    """Serve on a free port of 127.0.0.1 for the block's time."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.close_connection = True
            url = urlsplit(self.path)
            found.asked.append(parse_qs(url.query))
            token = self.headers.get("Authorization", "").removeprefix("Bearer ")
            found.tokens.append(token)
            refusal = found.refusal or ((401, b"Unauthorized") if found.good not in {"", token} else None)
            if refusal:
                self.send_response(refusal[0])
                self.send_header("Content-Length", str(len(refusal[1])))
                self.end_headers()
                self.wfile.write(refusal[1])
                return
            offered = self.headers["Sec-WebSocket-Protocol"].replace(" ", "").split(",")
            assert found.protocol in offered
            key = self.headers["Sec-WebSocket-Key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
            self.send_response(101)
            self.send_header("Upgrade", "websocket")
            self.send_header("Connection", "Upgrade")
            accept = base64.b64encode(hashlib.sha1(key.encode()).digest())  # noqa: S324 - RFC 6455
            self.send_header("Sec-WebSocket-Accept", accept.decode())
            self.send_header("Sec-WebSocket-Protocol", found.protocol)
            self.end_headers()
            with suppress(OSError):
                found.command(Peer(self))
            found.ended.set()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's own name
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        found = Node(f"http://127.0.0.1:{server.server_address[1]}")
        thread = Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield found
        finally:
            server.shutdown()
            thread.join()
