"""Services of a test session's own on the lab: source, images, GitOps repository, Applications."""

import json
import os
import secrets
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from slipway_lab import argocd, command, credentials, demo, gitserver, lab
from slipway_lab.kubernetes import apply, kubeconfig_path, kubectl
from slipway_lab.layout import GIT, REGISTRY, Layout
from support import argocd_objects
from support.administrator import administer, drop

DRIVER = Path(__file__).with_name("driver.py")
OVER_SERVER = "slipway-server.yaml"  # the same services, by Argo CD's own API
GIT_AS: tuple[str, ...] = ("-c", "user.name=t", "-c", "user.email=t@t.invalid")
PLUGIN = """\
#!{python}
# An exec plugin as cloud providers have them: prints the account that is in its folder.
import json, pathlib, sys
here = pathlib.Path(__file__).parent
with (here / "calls").open("a") as calls:
    calls.write("asked\\n")
kind = {{"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential"}}
print(json.dumps({{**kind, "status": {{"token": (here / "token").read_text()}}}}))
"""


@dataclass(frozen=True)
class Ended:
    """How a process ended, and the effects that it had on the lab, in order."""

    code: int
    out: str
    err: str
    effects: list[str]


class World:
    """`count` services of one commit, each with an Application, a namespace and a database of its own.

    Args:
        layout: the lab.
        scratch: an empty folder.
        count: how many.
    """

    def __init__(self, layout: Layout, scratch: Path, count: int) -> None:
        self.layout = layout
        self.name = f"k{secrets.token_hex(3)}"
        self.services = [f"{self.name}-{number:02d}" for number in range(count)]
        self.scratch = scratch
        self.source = scratch / "source"
        self.gitops = f"mosuon/{self.name}"
        self.bare = gitserver.repository(layout, self.gitops)
        self.plugin = scratch / "plugin"
        self.pushed = ""

    def up(self) -> None:
        """Make all of it, and push the images by `dagger call push`."""
        self._make_source()
        self._make_gitops()
        self._make_plugin()
        self.push()

    def down(self) -> None:
        """Remove all of it."""
        for service in self.services:
            self.remove(service)
        kubectl(self.layout, "-n", "argocd", "delete", "secret", self.name, "--ignore-not-found")
        shutil.rmtree(self.bare)

    def push(self) -> None:
        """Build and push the images of HEAD."""
        done = self.dagger("push")
        assert done.code == 0, done.err[-3000:]
        self.pushed = done.out

    def dagger(self, *arguments: str, before: Sequence[str] = (), progress: str = "--silent") -> Ended:
        """Run `dagger call` on the source, with the pipeline's accounts on the lab."""
        accounts = []
        for line in lab.local_defaults(self.layout).splitlines():
            name, _, value = line.partition("=")
            flag = "".join(f"-{letter.lower()}" if letter.isupper() else letter for letter in name)
            accounts.append(f"--{flag}={value}")
        words = [str(self.layout.bin / "dagger"), "-m", str(lab.PROJECT), progress, "call"]
        done = subprocess.run(
            [*words, f"--source={self.source}", *accounts, *before, *arguments],
            cwd=self.scratch,
            env={**os.environ, "NO_COLOR": "1"},
            capture_output=True,
            text=True,
            timeout=900,
            check=False,
        )
        return Ended(done.returncode, done.stdout, done.stderr, [])

    def environment(self, **more: str) -> dict[str, str]:
        """Return the environment of a machine that has the accounts, with nothing else of this process."""
        read = {
            "REGISTRY_PASSWORD": credentials.read(self.layout, "registry"),
            "GH_PAT": credentials.read(self.layout, "git-writer"),
            "POSTGRES_PASSWORD": credentials.read(self.layout, "postgres"),
        }
        return {
            **read,
            "REGISTRY_USERNAME": credentials.REGISTRY_USER,
            "GIT_USERNAME": credentials.GIT_WRITER,
            "KUBECONFIG": str(self.plugin / "kubeconfig"),
            "PATH": os.environ["PATH"],
            "HOME": str(self.scratch),
            "TMPDIR": str(self.temporary),
            "PYTHONPATH": str(lab.PROJECT / "ci"),
            "SSL_CERT_FILE": str(self.layout.trust),
            "NO_COLOR": "1",
            **more,
        }

    @property
    def temporary(self) -> Path:
        """The folder for temporary files of what `start` starts."""
        folder = self.scratch / "tmp"
        folder.mkdir(exist_ok=True)
        return folder

    def start(self, *arguments: str, driver: Sequence[str] = (), **more: str) -> "subprocess.Popen[str]":
        """Start `slipway-host` under the driver, which writes its effects to a log."""
        return subprocess.Popen(
            [sys.executable, DRIVER, f"--log={self.scratch / 'effects'}", *driver, "--", *arguments],
            cwd=self.source,
            env=self.environment(**more),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            text=True,
        )

    def host(self, *arguments: str, driver: Sequence[str] = (), **more: str) -> Ended:
        """Run `slipway-host` to its end."""
        (self.scratch / "effects").unlink(missing_ok=True)
        process = self.start(*arguments, driver=driver, **more)
        out, err = process.communicate(timeout=400)
        return Ended(process.returncode, out, err, self.effects())

    def effects(self) -> list[str]:
        """Return the effects of the last process so far."""
        log = self.scratch / "effects"
        return log.read_text().splitlines() if log.exists() else []

    def add(self, service: str, *, automated: bool = True) -> None:
        """Register a service's Application at Argo CD.

        One that is not automated makes nothing by itself: even the namespace is the deploy's to make.
        """
        apply(self.layout, self._application(service, automated=automated))

    def remove(self, service: str) -> None:
        """Remove a service's Application, namespace, database and role."""
        words = ("-n", "argocd", "delete", "application", service, "--ignore-not-found", "--timeout=60s")
        kubectl(self.layout, *words)
        kubectl(self.layout, "delete", "namespace", service, "--ignore-not-found", "--wait=false")
        name = service.replace("-", "_")
        drop(self.layout, name)

    def catalog(self, service: str) -> str:
        """Return what PostgreSQL's catalogs say of a service's role and database."""
        name = service.replace("-", "_")
        return administer(
            self.layout,
            f"SELECT row_to_json(r) FROM pg_authid r WHERE rolname = '{name}';\n"
            f"SELECT row_to_json(d) FROM (SELECT oid, datname, datdba, datacl, datallowconn, datconnlimit, "
            f"encoding, datcollate FROM pg_database WHERE datname = '{name}') d;\n"
            f"SELECT row_to_json(m) FROM pg_auth_members m JOIN pg_roles r ON r.oid = m.roleid "
            f"WHERE rolname = '{name}';\n",
        )

    def get(self, kind: str, name: str, namespace: str) -> dict[str, Any]:
        """Return an object, {} where there is none."""
        said = kubectl(self.layout, "-n", namespace, "get", kind, name, "-o", "json", "--ignore-not-found")
        return dict(json.loads(said)) if said.strip() else {}

    def secret(self, service: str) -> dict[str, str]:
        """Return the data of a service's Secret, {} where there is none."""
        data: dict[str, str] = self.get("secret", f"{service}-secrets", service).get("data", {})
        return data

    def versions(self, service: str) -> list[str]:
        """Return the resourceVersions of what a deploy makes in a namespace."""
        objects = {"secret": [f"{service}-secrets", "registry-credentials"], "deployment": [service]}
        names = [(kind, name) for kind, listed in objects.items() for name in listed]
        versions = [str(self.get(*one, service)["metadata"]["resourceVersion"]) for one in names]
        return [*versions, str(self.get("namespace", service, "")["metadata"]["resourceVersion"])]

    def head(self) -> str:
        """Return the newest commit of the GitOps branch."""
        return self.git("rev-parse", "main").strip()

    def git(self, *arguments: str) -> str:
        """Run git in the bare GitOps repository."""
        return command.run(["git", "-C", self.bare, *arguments])

    def _make_source(self) -> None:
        shutil.copytree(demo.EXAMPLE, self.source)
        (self.source / "dagger.json").unlink()
        shutil.rmtree(self.source / ".github")
        service = {"buildArgs": {"REVISION": "{commit}"}, "database": {}}
        one: dict[str, Any] = {**service, "secrets": {"generate": {"JWT_SECRET": {}}}, "context": "."}
        config: dict[str, Any] = {
            "registry": f"{REGISTRY}/mosuon",
            "gitops": {"repository": f"{GIT}/{self.gitops}.git"},
            "scanner": {"databases": ["10.86.0.1:5001/aquasecurity/trivy-db:2"]},
            "services": {name: {**one, "namespace": name} for name in self.services},
        }
        server = {"server": argocd.URL, "ca": self.layout.ca.read_text()}
        for name, more in {"slipway.yaml": {}, OVER_SERVER: {"argocd": server}}.items():
            (self.source / name).write_text(json.dumps({**config, **more}, indent=2) + "\n")
        command.run(["git", "init", "--quiet", "--initial-branch=main", self.source])
        self.commit_source("Start")

    def commit_source(self, message: str) -> str:
        """Commit the source's files and return the commit."""
        command.run(["git", "-C", self.source, "add", "--all"])
        command.run(["git", "-C", self.source, *GIT_AS, "commit", "--quiet", "--message", message])
        return command.run(["git", "-C", self.source, "rev-parse", "HEAD"]).strip()

    def _make_gitops(self) -> None:
        gitserver.create(self.layout, self.gitops)
        work = self.scratch / "gitops"
        shutil.copytree(lab.SEED / "charts", work / "charts")
        values = (lab.SEED / "apps" / demo.SERVICE / "values.yaml").read_text()
        for service in self.services:
            file = work / "apps" / service / "values.yaml"
            file.parent.mkdir(parents=True)
            file.write_text(
                values.replace(demo.SERVICE, service).replace("replicaCount: 2", "replicaCount: 1")
            )
        command.run(["git", "init", "--quiet", "--initial-branch=main", work])
        command.run(["git", "-C", work, "add", "--all"])
        command.run(["git", "-C", work, *GIT_AS, "commit", "--quiet", "--message", "seed"])
        command.run(["git", "-C", work, "push", "--quiet", self.bare, "main"])
        apply(self.layout, argocd_objects.readable(self.layout, self.name, f"{GIT}/{self.gitops}.git"))

    def _application(self, service: str, *, automated: bool) -> Mapping[str, Any]:
        return argocd_objects.application(
            service,
            f"{GIT}/{self.gitops}.git",
            "charts/app",
            values=f"../../apps/{service}/values.yaml",
            automated=automated,
            options=("CreateNamespace=true", "ServerSideApply=true"),
            finalizers=[argocd_objects.FINALIZER],
        )

    def _make_plugin(self) -> None:
        """Write a kubeconfig whose account an exec plugin gives: the pipeline's own."""
        self.plugin.mkdir()
        document = json.loads(kubeconfig_path(self.layout, "deployer").read_text())
        (self.plugin / "token").write_text(document["users"][0]["user"]["token"])
        (self.plugin / "token").chmod(0o600)
        # A command with a slash is meant from the kubeconfig's folder, as kubectl has it.
        plugin = {"command": "./account", "apiVersion": "client.authentication.k8s.io/v1"}
        document["users"][0]["user"] = {"exec": {**plugin, "interactiveMode": "Never"}}
        (self.plugin / "kubeconfig").write_text(json.dumps(document))
        (self.plugin / "account").write_text(PLUGIN.format(python=sys.executable))
        (self.plugin / "account").chmod(0o700)
