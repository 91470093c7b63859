"""A repository of a test's own on the lab's Gitea."""

from __future__ import annotations

import base64
import time
from typing import TYPE_CHECKING, Any

import httpx
from pydantic import SecretStr

from slipway_host.settings import GitSettings, PullRequestSettings
from slipway_lab import gitea

if TYPE_CHECKING:
    import ssl

    from slipway_lab.layout import Layout


class Repository:
    """What a person does at the server: look, merge, close, read files."""

    def __init__(self, layout: Layout, name: str, trust: ssl.SSLContext) -> None:
        self.name, self.token, self.layout = name, gitea.token(layout), layout
        self._client = httpx.Client(
            base_url=f"{gitea.URL}/api/v1",
            verify=trust,
            headers={"Authorization": f"token {self.token}"},
            timeout=30,
        )

    def call(self, method: str, path: str, document: object = None) -> Any:
        answer = self._client.request(method, path.lstrip("/"), json=document)
        answer.raise_for_status()
        return answer.json() if answer.content else None

    def create(self, files: dict[str, str]) -> None:
        self.call("POST", "/user/repos", {"name": self.name, "auto_init": True, "default_branch": "main"})
        for path, text in files.items():
            self.put(path, text)

    def put(self, path: str, text: str, *, branch: str = "main") -> None:
        content = base64.b64encode(text.encode()).decode()
        document = {"content": content, "branch": branch, "message": f"set {path}"}
        there = self._client.get(f"{self._repo}/contents/{path}".lstrip("/"), params={"ref": branch})
        if there.is_success:
            self.call("PUT", f"{self._repo}/contents/{path}", {**document, "sha": there.json()["sha"]})
        else:
            self.call("POST", f"{self._repo}/contents/{path}", document)

    def delete(self) -> None:
        self.call("DELETE", self._repo)
        self._client.close()

    def pulls(self, state: str = "open") -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.call("GET", f"{self._repo}/pulls?state={state}")
        return found

    def merge(self, number: int, style: str) -> None:
        document = {"Do": style}
        if style == "squash":
            # What the merge form of the web page proposes: the description, and lines of Gitea's own.
            request = self.call("GET", f"{self._repo}/pulls/{number}")
            document["MergeTitleField"] = f"{request['title']} (#{number})"
            document["MergeMessageField"] = f"{request['body']}\n\n-----\n\nReviewed-on: {gitea.URL}/x"
        path, until = f"{self._repo}/pulls/{number}/merge".lstrip("/"), time.monotonic() + 20
        answer = self._client.post(path, json=document)
        # "Please try again later": it has not looked yet whether the branches fit.
        while answer.status_code == httpx.codes.METHOD_NOT_ALLOWED and time.monotonic() < until:
            time.sleep(0.2)
            answer = self._client.post(path, json=document)
        answer.raise_for_status()

    def close(self, number: int) -> None:
        self.call("PATCH", f"{self._repo}/pulls/{number}", {"state": "closed"})

    def protect(self, branch: str = "main") -> None:
        """Let nobody push to a branch, the owner neither."""
        self.call("POST", f"{self._repo}/branch_protections", {"branch_name": branch, "enable_push": False})

    def head(self, branch: str = "main") -> str:
        return str(self.call("GET", f"{self._repo}/branches/{branch}")["commit"]["id"])

    def text(self, path: str, branch: str = "main") -> str:
        found = self.call("GET", f"{self._repo}/contents/{path}?ref={branch}")
        return base64.b64decode(found["content"]).decode()

    def settings(self, *, wait: bool = False, wait_s: float = 60) -> GitSettings:
        return GitSettings(
            url=f"{gitea.URL}/{gitea.USER}/{self.name}.git",
            branch="main",
            username=gitea.USER,
            token=SecretStr(self.token),
            pull_request=PullRequestSettings(
                api="gitea",
                url=f"{gitea.URL}/api/v1",
                owner=gitea.USER,
                repository=self.name,
                environment="prod",
                wait=wait,
                wait_s=wait_s,
            ),
        )

    @property
    def _repo(self) -> str:
        return f"/repos/{gitea.USER}/{self.name}"
