"""A webhook inside the lab, over TLS that the lab's authority vouches for: `dagger call` can reach it."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from slipway_lab.layout import HOST, Layout
from slipway_lab.sandbox import Sandbox

# Prints its port, and then the body of each request, until its input ends.
RECEIVE = """
import http.server, ssl, sys, threading
class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()
        print(self.path, body.decode(), flush=True)
    def log_message(self, *words):
        pass
server = http.server.ThreadingHTTPServer((sys.argv[1], 0), Handler)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[2], sys.argv[3])
server.socket = context.wrap_socket(server.socket, server_side=True)
threading.Thread(target=server.serve_forever, daemon=True).start()
print(server.server_address[1], flush=True)
sys.stdin.read()
"""
PATH = "/services/T0canary/B0canary"


@dataclass
class Receiver:
    """Its address, and when the block has ended, what it got: path and document."""

    url: str
    got: list[tuple[str, dict[str, Any]]] = field(default_factory=list)


@contextmanager
def receiving(layout: Layout) -> Iterator[Receiver]:
    """Receive messages while the block runs."""
    pki = layout.state / "pki"
    certificate = [str(pki / "server.pem"), str(pki / "server.key")]
    process = subprocess.Popen(
        [*Sandbox(layout).enter(), sys.executable, "-c", RECEIVE, HOST, *certificate],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    receiver = Receiver(f"https://{HOST}:{process.stdout.readline().strip()}{PATH}")
    try:
        yield receiver
    finally:
        out, _ = process.communicate(timeout=30)
    for line in out.splitlines():
        path, _, body = line.partition(" ")
        receiver.got.append((path, json.loads(body)))
