"""A proxy in front of a real registry that fails by script; run inside the lab's namespaces.

Usage: python faulty_registry.py PORT UPSTREAM CERTIFICATE KEY, and on standard input's first line a JSON
list of faults: {"method", "path" (a regular expression), "times", and one of "status" (with "headers"), "cut"
(bytes of the request that are read before the connection closes), "mute" (it acts, and its answer is lost)}.
Prints one line of JSON for each request, and ends with its input.
"""

import http.client
import json
import re
import ssl
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

LOCK = threading.Lock()
HOP = {"connection", "transfer-encoding", "content-length", "host"}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    faults: list[dict]  # type: ignore[type-arg]
    upstream: tuple[str, ssl.SSLContext]

    def log_message(self, *_: object) -> None:
        """Stay silent: standard output is the record."""

    def handle_one(self) -> None:
        fault = self.take()
        with LOCK:
            print(json.dumps([self.command, self.path, fault]), flush=True)
        if fault and "status" in fault:
            self.read_body()
            self.send_response(fault["status"])
            body = json.dumps({"errors": [{"code": "FAULT", "message": "by script"}]}).encode()
            for name, value in {**fault.get("headers", {}), "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)
            return
        if fault and "cut" in fault:
            self.rfile.read(min(fault["cut"], int(self.headers.get("Content-Length") or fault["cut"])))
            self.close_connection = True
            self.connection.close()
            return
        status, headers, body = self.forward(self.read_body())
        if fault and fault.get("mute"):
            self.close_connection = True
            self.connection.close()
            return
        self.send_response(status)
        for name, value in headers:
            if name.lower() not in HOP:
                self.send_header(name, value.replace(self.upstream[0], self.headers["Host"]))
        self.send_header("Content-Length", str(len(body)) if self.command != "HEAD" else self.length(headers))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = handle_one  # noqa: N815 - http.server's names

    @staticmethod
    def length(headers: list[tuple[str, str]]) -> str:
        return next((value for name, value in headers if name.lower() == "content-length"), "0")

    def take(self) -> dict | None:  # type: ignore[type-arg]
        with LOCK:
            for fault in self.faults:
                fits = fault["method"] == self.command and re.search(fault["path"], self.path)
                if fits and fault["times"] > 0:
                    fault["times"] -= 1
                    return dict(fault)
        return None

    def read_body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            body = b""
            while size := int(self.rfile.readline().split(b";")[0], 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return body
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def forward(self, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
        host, context = self.upstream
        client = http.client.HTTPSConnection(host, context=context, timeout=30)
        headers = {name: value for name, value in self.headers.items() if name.lower() not in HOP}
        client.request(self.command, self.path, body=body, headers={**headers, "Host": host})
        answer = client.getresponse()
        found = answer.status, answer.getheaders(), answer.read()
        client.close()
        return found


def main() -> None:
    port, upstream, certificate, key = sys.argv[1:]
    Handler.faults = json.loads(sys.stdin.readline())
    Handler.upstream = (upstream, ssl.create_default_context())
    server = ThreadingHTTPServer(("10.86.0.1", int(port)), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(json.dumps("ready"), flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
