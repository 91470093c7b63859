"""Every command of README and docs as it is written, in one shop; start.md has a test of its own."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
import venv
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from slipway_lab import argocd, command, credentials, demo, gitserver
from slipway_lab.kubernetes import kubectl
from slipway_lab.layout import GIT, REGISTRY, Layout
from support import shared_gitops
from support.app import CALL_S
from support.pages import Command, unlike
from support.typed import BESIDE, CHANGING, FIRST, INSTALLING, PREVIEWS, SETTLED, in_order, reads, typed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from support.app import App

AT_ONCE = 3
BUILD = "APP_NAME=hello\nDEVOPS_REPO=acme/devops-k8s\nIMAGE_REPO=ghcr.io/acme/$APP_NAME\ntrivy fs . || true\n"
WANTS_MORE = ("    database: {}\n", "    database: {extensions: [pg_trgm]}\n")
GIVEN = ("        JWT_SECRET: {}\n", "        JWT_SECRET: {}\n      given: [REDIS_URL]\n")


@dataclass
class Desk:
    """Where somebody reads the pages, and types what they say.

    Args:
        app: a monorepo with the services `api`, `ui` and `worker`.
        home: folder for everything that is not in the repository.
        names: what stands in the pages → what it is here.
        environ: variables.
        before: what happens in the world before a command is typed.
        trouble: what was not as the pages say.
    """

    app: App
    home: Path
    names: dict[str, str]
    environ: dict[str, str]
    before: dict[str, Callable[[], None]] = field(default_factory=dict)
    trouble: list[str] = field(default_factory=list)

    def text(self, found: str) -> str:
        """Return what the pages say, with the names of this world."""
        for old, new in self.names.items():
            found = found.replace(old, new)
        return found

    def type(self, *typed: Command) -> None:
        """Run commands one after the other, and note what is not as the page says."""
        for one in typed:
            self.before.get(one.name, bool)()
            began = time.monotonic()
            done = subprocess.run(
                ["bash", "-o", "pipefail", "-ec", self.text(one.line)],
                cwd=self._folder(one),
                env=self.environ,
                capture_output=True,
                text=True,
                timeout=CALL_S,
                check=False,
            )
            print(f"{time.monotonic() - began:5.1f} s  {one.name}")
            said = done.stderr if one.fails else done.stdout
            if (done.returncode != 0) is not one.fails:
                self.trouble.append(
                    f"$ {one.line}\nexit code {done.returncode}\n{(done.stdout + done.stderr)[-3000:]}"
                )
            elif missing := unlike(tuple(map(self.text, one.shown)), said):
                self.trouble.append(f"$ {one.line}\ndoes not say {missing}, but\n{said[-6000:]}")

    def type_side_by_side(self, *lanes: list[Command]) -> None:
        """Run the commands of each lane one after the other, a few lanes at once."""
        with ThreadPoolExecutor(AT_ONCE) as people:
            for one in [people.submit(self.type, *lane) for lane in lanes]:
                one.result()

    def _folder(self, one: Command) -> Path:
        """Return where it is typed: in the shop, or where the page is about another place, in a new one."""
        other = Path(tempfile.mkdtemp(dir=self.home)) / "hello"
        if " -m " in one.line:
            shutil.copytree(self.app.folder, other, ignore=shutil.ignore_patterns("dagger.json", ".env"))
        elif " init " in one.line:
            command.run(["git", "init", "--quiet", "--initial-branch=main", other])
            command.run(["git", "-C", other, "remote", "add", "origin", f"{GIT}/mosuon/hello.git"])
            (other / "build.sh").write_text(BUILD)
            for name in ("go.mod", "main.go", "dagger.json"):
                shutil.copy(demo.EXAMPLE / name, other)
        elif one.script:
            other.mkdir()
        else:
            return self.app.folder
        return other


@pytest.fixture(scope="module")
def desk(shop: App, layout: Layout, module: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    home = tmp_path_factory.mktemp("home")
    bare = gitserver.create(layout, f"mosuon/{shop.name}")
    _as_the_pages_have_it(shop)
    # The first deploy, one to prod, and a commit that is not deployed yet.
    first = shop.head()
    shop.deploy()
    shop.commit({"README.md": "# Shop\n"})
    prod = shop.call("deploy", "--service=api", before=["--environment=prod"])
    assert prod.code == 0, prod.error
    config = (shop.folder / "slipway.yaml").read_text()
    for old, new in (WANTS_MORE, GIVEN):
        assert old in config
        config = config.replace(old, new, 1)
    shop.commit({"slipway.yaml": config})
    names = {
        "https://github.com/acme/slipway.git": f"{GIT}/{module}.git",
        "https://github.com/acme/slipway": f"{GIT}/{module}.git",
        "https://github.com/acme/devops-k8s.git": f"{GIT}/{argocd.GITOPS}.git",
        "https://github.com/acme/gitops": f"{GIT}/{argocd.GITOPS}.git",
        "https://github.com/acme/api": f"{GIT}/mosuon/{shop.name}.git api",
        "ghcr.io/acme": f"{REGISTRY}/{shop.name}",
        "REGISTRY_USERNAME=acme-ci": f"REGISTRY_USERNAME={credentials.REGISTRY_USER}",
        "/run/secrets/registry": str(layout.credentials / "registry"),
        "/run/secrets/gh-pat": str(layout.credentials / "git-writer"),
        "/var/lib/node_exporter/": f"{home}/",
        "game-stats-": "",
        "api-secrets": f"{shop.name}-api-secrets",
        "slipway-api": f"slipway-{shop.name}",
        "Deployment/api": f"Deployment/{shop.name}-api",
        "= api:": f"= {shop.name}-api:",
        "chore(api)": f"chore({shop.name}-api)",
        "apps/api/": f"apps/{shop.name}-api/",
        "20261124T051500-1f3a": shop.receipts(f"{shop.name}-api")[0],
        "1234abcd": first[:8],
    }
    yield Desk(shop, home, names, _environ(layout, home))
    for kind in ("clusterrole,clusterrolebinding", "serviceaccount,role,rolebinding"):
        found = kubectl(layout, "get", kind, "--all-namespaces", "-o", "json")
        for one in json.loads(found)["items"]:
            if shop.name in one["metadata"]["name"] and one["metadata"].get("namespace") != shop.name:
                where = ["-n", one["metadata"]["namespace"]] if "namespace" in one["metadata"] else []
                kubectl(layout, *where, "delete", one["kind"], one["metadata"]["name"])
    shutil.rmtree(bare)


def _as_the_pages_have_it(shop: App) -> None:
    """Name the services `api`, `ui` and `worker`, with images of their own that are the same everywhere."""
    config = (shop.folder / "slipway.yaml").read_text()
    config = config[: config.index("environments:")] + config[config.index("\nservices:") + 1 :]
    config = config.replace(f"{REGISTRY}/mosuon\n", f"{REGISTRY}/{shop.name}\n").replace(
        f"[{shop.name}-api]", "[api]"
    )
    own = {
        "extends": "dev",
        "app": "{app}-{environment}",
        "namespace": f"{shop.name}-{{environment}}",
        "preview": {"from": "dev"},
    }
    config = config.replace("\nservices:\n", f"\nenvironments:\n  pr-*: {json.dumps(own)}\nservices:\n")
    for part in ("api", "ui", "worker"):
        config = config.replace(f"\n  {shop.name}-{part}:\n", f"\n  {part}:\n    app: {shop.name}-{part}\n")

    def move(work: Path) -> None:
        for part in ("api", "ui", "worker"):
            values = work / "apps" / f"{shop.name}-{part}" / "values.yaml"
            image = f"{REGISTRY}/mosuon/{shop.name}-{part}"
            assert image in values.read_text()
            values.write_text(values.read_text().replace(image, f"{REGISTRY}/{shop.name}/{part}"))

    shared_gitops.change(shop.layout, move, f"Move the images of {shop.name}")
    ignored = (shop.folder / ".gitignore").read_text()
    shop.commit(
        {"slipway.yaml": config, ".gitignore": f"{ignored}/plan.json\n/record/\n/report.html\n/reports/\n"}
    )


def _environ(layout: Layout, home: Path) -> dict[str, str]:
    """Return the variables of whoever types: accounts, and a virtual environment for what is installed."""
    venv.create(home / "venv", with_pip=True)
    # What Slipway needs is there: only itself is installed.
    needed = Path(sysconfig.get_path("purelib"))
    (home / "venv" / needed.relative_to(sys.prefix) / "needed.pth").write_text(f"{needed}\n")
    ask = home / "askpass"
    ask.write_text(
        f'#!/bin/sh\ncase "$1" in User*) echo {credentials.GIT_WRITER} ;; *) cat "$GH_PAT_FILE" ;; esac\n'
    )
    ask.chmod(0o700)
    account = f"{credentials.REGISTRY_USER}:{credentials.read(layout, 'registry')}"
    login = {"auths": {REGISTRY: {"auth": base64.b64encode(account.encode()).decode()}}}
    (home / ".docker").mkdir()
    (home / ".docker" / "config.json").write_text(json.dumps(login))
    return {
        **os.environ,
        "NO_COLOR": "1",
        "HOME": str(home),
        "PATH": f"{home / 'venv' / 'bin'}:{os.environ['PATH']}",
        "GIT_ASKPASS": str(ask),
        "GIT_USERNAME": credentials.GIT_WRITER,
        "GH_PAT_FILE": str(layout.credentials / "git-writer"),
        "REGISTRY_USERNAME": credentials.REGISTRY_USER,
        "REGISTRY_PASSWORD_FILE": str(layout.credentials / "registry"),
        "KUBECONFIG": str(layout.kubeconfig),
        "COSIGN_PASSWORD": "a-password-for-the-key",
        "NPM_TOKEN": "npm-token-of-the-docs",
        "REDIS_URL": "redis://redis.shop.svc:6379/0",
    }


def test_every_command_of_the_pages_does_what_the_page_says(desk: Desk) -> None:
    def give() -> None:
        # doctor has asked for it.
        defaults = desk.app.folder / ".env"
        defaults.write_text(defaults.read_text() + "appSecrets=env://REDIS_URL\n")

    desk.before["dagger call plan --service=api"] = give
    desk.type_side_by_side(in_order(FIRST), in_order(INSTALLING))
    _after_the_deploy(desk)
    desk.type_side_by_side(*([one] for one in in_order(SETTLED)))
    reading = [[one] for one in typed() if reads(one)]
    desk.type_side_by_side(in_order(CHANGING), in_order(BESIDE), in_order(PREVIEWS), *reading)
    assert desk.trouble == [], "\n\n".join(desk.trouble)


def _after_the_deploy(desk: Desk) -> None:
    """Take the pages' names for what the deploy has made, and publish the commit that it is of."""
    app = desk.app
    name = f"{app.name}-api"
    newest = max(app.receipts(name))
    digest = json.loads(app.receipt(newest, name))["services"][0]["digest"]
    desk.names |= {"<GitOps commit>": app.gitops_head(name), "@sha256:…": f"@{digest}"}
    published = gitserver.repository(app.layout, f"mosuon/{app.name}")
    command.run(["git", "-C", app.folder, "push", "--quiet", published, "HEAD:main"])

    def sign() -> None:
        password = desk.home / "password"
        password.write_text(desk.environ["COSIGN_PASSWORD"])
        key = [f"--cosign-key=file://{desk.home}/cosign.key", f"--cosign-password=file://{password}"]
        done = app.call("sign", "--service=api", before=key)
        assert done.code == 0, done.error

    def crash() -> None:
        short = json.dumps({"stringData": {"JWT_SECRET": "short"}})
        app.kubectl("patch", "secret", f"{name}-secrets", "--patch", short)
        pods = app.kubectl("get", "pods", "--field-selector=status.phase=Running", "-o", "name").split()
        app.kubectl("delete", next(pod for pod in pods if name in pod), "--wait=false")
        deadline = time.monotonic() + 60
        while "CrashLoopBackOff" not in app.kubectl("get", "pods"):
            assert time.monotonic() < deadline
            time.sleep(1)

    desk.before["dagger call diagnose --service=api"] = crash
    desk.before[next(one for one in BESIDE if one.startswith("cosign verify "))] = sign
