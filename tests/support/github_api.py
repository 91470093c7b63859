"""GitHub's pull-request API as its documentation has it: what Gitea, which the lab runs, does otherwise."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator

TOKEN = "canary-4711"


@dataclass
class GitHub:
    """One repository, `acme/gitops`; `script` answers the next requests with other statuses."""

    pulls: list[dict[str, Any]] = field(default_factory=list)
    script: list[tuple[int, dict[str, str], str]] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    hidden: int = 0
    url: str = ""

    def answer(  # noqa: PLR0911 - one answer for each of the API's paths
        self, method: str, target: str, body: dict[str, Any]
    ) -> tuple[int, Any]:
        path, query = urlsplit(target).path, parse_qs(urlsplit(target).query)
        if path == "/repos/acme/gitops":
            return 200, {"permissions": {"push": False, "pull": True}}
        if path.startswith("/repos/acme/gitops/branches/"):
            return 200, {"name": path.rpartition("/")[2], "protected": path.endswith("/main")}
        if path == "/repos/acme/gitops/pulls" and method == "GET":
            # The filter is by owner and branch, and a page beyond the last is empty.
            if self.hidden or query["page"] != ["1"]:
                self.hidden = max(0, self.hidden - 1)
                return 200, []
            found = [p for p in self.pulls if p["state"] == "open" and p["base"]["ref"] == query["base"][0]]
            return 200, [p for p in found if f"acme:{p['head']['ref']}" == query["head"][0]]
        if path == "/repos/acme/gitops/pulls" and method == "POST":
            if any(p["state"] == "open" and p["head"]["ref"] == body["head"] for p in self.pulls):
                said = f"A pull request already exists for acme:{body['head']}."
                return 422, {"message": "Validation Failed", "errors": [{"message": said}]}
            self.pulls.append(self.pull(len(self.pulls) + 1, **body))
            return 201, self.pulls[-1]
        number = int(path.rpartition("/")[2])
        self.pulls[number - 1].update(body)
        return 200, self.pulls[number - 1]

    def pull(self, number: int, *, head: str, base: str, title: str, body: str) -> dict[str, Any]:
        repo = {"full_name": "Acme/gitops"}
        return {
            "number": number,
            "html_url": f"https://github.com/acme/gitops/pull/{number}",
            "state": "open",
            "title": title,
            "body": body.replace("\n", "\r\n"),
            "head": {"ref": head, "repo": repo},
            "base": {"ref": base, "repo": repo},
            "merged": False,
            "merged_at": None,
            # Of an open pull request: the trial merge.
            "merge_commit_sha": "e" * 40,
        }


@contextmanager
def github() -> Iterator[GitHub]:
    """Serve one repository on loopback."""
    state = GitHub()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            state.requests.append(f"{self.command} {urlsplit(self.path).path}")
            headers: dict[str, str] = {}
            if state.script:
                status, headers, text = state.script.pop(0)
            elif self.headers["Authorization"] != f"Bearer {TOKEN}":
                status, text = 401, '{"message": "Bad credentials"}'
            else:
                status, answer = state.answer(self.command, self.path, json.loads(body or b"{}"))
                text = json.dumps(answer)
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(text.encode()))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(text.encode())

        do_POST = do_PATCH = do_GET  # noqa: N815 - the base class's names

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    state.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield state
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
