"""R23, R35 to R15: services in three languages and a build script become a deployed repository.

The tests of this file are one story and run in their order: `init` in a repository that has only code,
`init-gitops` in an empty GitOps repository, what an administrator applies, and the first deploy.
"""

import os
import secrets
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from slipway_lab import command, gitserver, lab
from slipway_lab.kubernetes import apply, kubectl
from slipway_lab.layout import GIT, REGISTRY, Layout
from support import argocd_objects
from support.app import CALL_S, App

SERVICES = {
    "api/go.mod": "module example.com/shop/api\n\ngo 1.24\n",
    "api/main.go": """package main

import (
	"net/http"
	"os"
)

func main() {
	if len(os.Getenv("SESSION_KEY")) < 48 {
		panic("SESSION_KEY is missing")
	}
	http.HandleFunc("GET /health", func(http.ResponseWriter, *http.Request) {})
	if err := http.ListenAndServe(":4000", nil); err != nil {
		panic(err)
	}
}
""",
    "web/package.json": '{"engines": {"node": ">=20"}, "scripts": {"start": "node server.js"}}\n',
    "web/package-lock.json": '{"lockfileVersion": 3, "packages": {"": {"engines": {"node": ">=20"}}}}\n',
    "web/server.js": """require("http")
  .createServer((request, response) => response.writeHead(request.url === "/api/health" ? 200 : 404).end())
  .listen(3000);
""",
    "jobs/requirements.txt": "",
    "jobs/jobs/__main__.py": """from http.server import BaseHTTPRequestHandler, HTTPServer

PORT = 8000


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/health" else 404)
        self.end_headers()


HTTPServer(("", PORT), Handler).serve_forever()
""",
}
BUILD = """#!/bin/bash
APP_NAME=@name@-api
NAMESPACE=${NAMESPACE:-@name@}
IMAGE_REPO=@registry@/mosuon/$APP_NAME
DEVOPS_REPO=@git@/mosuon/@name@.git
trivy fs . || true
SESSION_KEY=$(openssl rand -hex 32)
kubectl create secret generic "$APP_NAME-secrets" --from-literal=SESSION_KEY="$SESSION_KEY"
"""


@dataclass(frozen=True)
class Start:
    """A repository with nothing but code, and an empty GitOps repository."""

    app: App
    gitops: Path

    def git(self, folder: Path, *arguments: str) -> str:
        git = ["git", "-C", str(folder), "-c", "user.name=t", "-c", "user.email=t@t.invalid"]
        return command.run([*git, *arguments])

    def dagger(self, *arguments: str) -> str:
        """Run dagger in the service's repository, and return what it says to people."""
        done = subprocess.run(
            [self.app.layout.bin / "dagger", *arguments],
            cwd=self.app.folder,
            env={**os.environ, "NO_COLOR": "1"},
            capture_output=True,
            text=True,
            timeout=CALL_S,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-3000:]
        return done.stderr


@pytest.fixture(scope="module")
def start(layout: Layout, module: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Start]:
    name = f"i{secrets.token_hex(4)}"
    folder = tmp_path_factory.mktemp(name) / name
    script = BUILD.replace("@name@", name).replace("@registry@", REGISTRY).replace("@git@", GIT)
    for path, text in {**SERVICES, "api/build.sh": script}.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    gitserver.create(layout, f"mosuon/{name}")
    gitops = folder.parent / "gitops"
    command.run(["git", "init", "--quiet", "--initial-branch=main", str(gitops)])
    start = Start(App(name, layout, folder), gitops)
    start.git(folder, "init", "--quiet", "--initial-branch=main")
    start.git(folder, "remote", "add", "origin", f"{GIT}/mosuon/{name}.git")
    start.git(gitops, "remote", "add", "origin", str(gitserver.repository(layout, f"mosuon/{name}")))
    apply(layout, argocd_objects.readable(layout, name, f"{GIT}/mosuon/{name}.git"))
    assert module
    yield start
    applications = ("application", name, *(f"{name}-{part}" for part in ("api", "web", "jobs")))
    kubectl(layout, "-n", "argocd", "delete", "--ignore-not-found", "--timeout=90s", *applications)
    for kind in ("appproject", "secret"):
        kubectl(layout, "-n", "argocd", "delete", kind, name, "--ignore-not-found")
    if (gitops / "cluster").exists():
        rights = gitops / "cluster" / f"rbac-{name}.yaml"
        # The namespace slipway belongs to others as well.
        kubectl(layout, "delete", "clusterrole,clusterrolebinding", f"slipway-{name}", "--ignore-not-found")
        assert rights.exists()
        for namespace in ("slipway", "argocd"):
            kubectl(
                layout,
                "-n",
                namespace,
                "delete",
                "serviceaccount,role,rolebinding",
                f"slipway-{name}",
                "--ignore-not-found",
            )
    kubectl(layout, "delete", "namespace", name, "--ignore-not-found", "--wait=false")
    shutil.rmtree(gitserver.repository(layout, f"mosuon/{name}"))


def test_init_writes_what_is_missing_and_leaves_the_rest(start: Start) -> None:
    folder = start.app.folder
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    # The first calls of all, as a new user makes them.
    start.dagger("init", f"--blueprint={GIT}/slipway/slipway.git")
    said = start.dagger("--progress=plain", "call", "init", "--from=api/build.sh", "export", "--path=.")
    assert "Trivy's result is thrown away" in said
    assert "git add slipway.yaml" in said
    assert {path: path.read_bytes() for path in before} == before
    new = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert {"slipway.yaml", "dagger.json", "api/Dockerfile", "web/Dockerfile", "jobs/Dockerfile"} <= new
    assert f"  {start.app.name}-api:\n" in (folder / "slipway.yaml").read_text()


def test_init_again_writes_nothing(start: Start) -> None:
    folder = start.app.folder
    (folder / ".env").write_text(lab.local_defaults(start.app.layout))
    config = folder / "slipway.yaml"
    # The lab has no internet: its own mirror of the vulnerability database.
    config.write_text(
        config.read_text() + "\nscanner:\n  databases: [10.86.0.1:5001/aquasecurity/trivy-db:2]\n"
    )
    start.git(folder, "add", "--all")
    start.git(folder, "commit", "--quiet", "--message", "Deliver by Slipway")
    said = start.app.call("init", "export", "--path=.")
    assert said.code == 0, said.error
    assert start.git(folder, "status", "--porcelain") == ""


def test_init_gitops_fills_an_empty_repository(start: Start) -> None:
    said = start.app.call("init-gitops", f"--folder={start.gitops}", "export", f"--path={start.gitops}")
    assert said.code == 0, said.error
    start.git(start.gitops, "add", "--all")
    start.git(start.gitops, "commit", "--quiet", "--message", "Add the shop")
    start.git(start.gitops, "push", "--quiet", "origin", "HEAD:main")


def test_what_was_written_deploys_as_it_is(start: Start) -> None:
    layout = start.app.layout
    for path in ("cluster", "root.yaml"):
        kubectl(layout, "apply", "--server-side", "-f", str(start.gitops / path))
    _wait_for_applications(start)
    receipt = start.app.deploy()
    services = {service["service"]: service for service in receipt["services"]}
    assert services.keys() == {f"{start.app.name}-{part}" for part in ("api", "jobs", "web")}
    for service in services.values():
        assert service["status"] == "Deployed"
        assert {pod["image_id"].partition("@")[2] for pod in service["pods"]} == {service["digest"]}
    app = start.app.get("deployment", f"{start.app.name}-api")
    assert app["spec"]["template"]["spec"]["containers"][0]["lifecycle"]["preStop"] == {
        "sleep": {"seconds": 5}
    }


def _wait_for_applications(start: Start) -> None:
    names = [f"{start.app.name}-{part}" for part in ("api", "web", "jobs")]
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        there = kubectl(start.app.layout, "-n", "argocd", "get", "applications", "-o", "name")
        if all(f"application.argoproj.io/{name}" in there.split() for name in names):
            return
        time.sleep(1)
    pytest.fail(f"the root application brought in none of {', '.join(names)}")
