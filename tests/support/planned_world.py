"""One service with everything that a plan is about: registry, GitOps repository, Application, database."""

from __future__ import annotations

import json
import secrets
import shutil
import subprocess
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from slipway_host import rbac_manifests, rights, targets
from slipway_host.loader import load_config
from slipway_lab import credentials, gitserver
from slipway_lab.kubernetes import apply, kubeconfig_path, kubectl
from slipway_lab.layout import GIT, REGISTRY, Layout
from support import argocd_objects
from support.administrator import administer, drop
from support.host_side import HostSide, host_side
from support.world_images import Images
from support.worlds import deployment

if TYPE_CHECKING:
    from pathlib import Path

Json = dict[str, Any]
# Before its first deploy, nothing of the service is there.
TEMPLATE = """\
{{- if .Values.image.tag }}
{{- range .Values.objects }}
---
{{ tpl (toJson .) $ }}
{{- end }}
{{- end }}
"""
ASK = """\
import os, urllib.request
print("asked", urllib.request.urlopen(os.environ["SMOKE_URL"] + "/health").status)
"""
VALUES = """\
# Of application {name}.
image:
  repository: {repository}
  tag: ""  # written by the pipeline
objects: {objects}
"""


@dataclass
class PlannedWorld:
    """A service `api`, whose Application, namespace and database have the world's own name.

    Args:
        layout: the lab.
        folder: for clones.
        said: everything that `slipway-host` has printed.
    """

    layout: Layout
    folder: Path
    name: str = field(default_factory=lambda: f"plan{secrets.token_hex(3)}")
    said: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.repository, self.work = f"slipway/{self.name}", self.folder / "gitops"
        self.images = Images(self.layout, f"{self.name}/api")
        service = {
            "app": self.name,
            "database": {"extensions": ["pg_trgm"], "readOnly": [f"{self.name}_reader"]},
            "secrets": {"generate": {"JWT_SECRET": {}}},
            "health": {"port": 4000},
            "smoke": {"command": ["python3", "-c", ASK], "runAsUser": 65534},
            "load": {"path": "/health", "ratePerS": 20, "durationS": 1, "budget": {"p95Ms": 5000}},
        }
        gitops = {"repository": f"{GIT}/{self.repository}.git"}
        self.here: HostSide = host_side(self.layout, self.folder, self.name, service, gitops=gitops)

    @property
    def values(self) -> str:
        return f"apps/{self.name}/values.yaml"

    def up(self) -> None:
        """Make repository, Application and the first image."""
        source = self.folder / "seed"
        objects = json.dumps([deployment()])
        repository = f"{REGISTRY}/{self.images.repository}"
        text = VALUES.format(name=self.name, repository=repository, objects=objects)
        files = {
            "chart/Chart.yaml": "apiVersion: v2\nname: app\nversion: 0.1.0\n",
            "chart/templates/all.yaml": TEMPLATE,
            self.values: text,
            "apps/other/values.yaml": 'image:\n  tag: ""\n',
        }
        for path, content in files.items():
            (source / path).parent.mkdir(parents=True, exist_ok=True)
            (source / path).write_text(content)
        gitserver.publish(self.layout, self.repository, source, message="seed")
        bare = gitserver.repository(self.layout, self.repository)
        subprocess.run(["git", "clone", "--quiet", bare, self.work], check=True)
        apply(self.layout, self.application())
        self.push_image()

    def down(self) -> None:
        """Take everything away again."""
        kubectl(self.layout, "-n", "argocd", "delete", "application", self.name, "--ignore-not-found")
        kubectl(self.layout, "delete", "namespace", self.name, "--ignore-not-found", "--wait=false")
        drop(self.layout, self.name, f"{self.name}_reader")
        self.images.remove()
        shutil.rmtree(gitserver.repository(self.layout, self.repository))

    def application(self) -> Json:
        return argocd_objects.application(
            self.name,
            f"{GIT}/{self.repository}.git",
            "chart",
            values=f"../{self.values}",
            finalizers=[argocd_objects.FINALIZER],
        )

    def push_image(self, label: str = "") -> None:
        """Put an image of HEAD into the registry; another label makes another digest."""
        self.images.push(self.here.commit[:8], label=label, labels=self.here.labels)

    def commit_source(self, message: str) -> None:
        """Make a new commit of the service."""
        git = ["git", "-C", str(self.here.folder), "-c", "user.name=t", "-c", "user.email=t@t.invalid"]
        subprocess.run([*git, "commit", "--quiet", "--allow-empty", "--message", message], check=True)
        head = subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True)
        self.here = replace(self.here, commit=head.stdout.strip())

    def commit_gitops(self, path: str, text: str, *, message: str) -> str:
        """Change one file of the GitOps repository as somebody else, and return what it held."""
        git = ["git", "-C", str(self.work), "-c", "user.name=Amy", "-c", "user.email=amy@t.invalid"]
        subprocess.run([*git, "pull", "--quiet", "--ff-only"], check=True)
        file = self.work / path
        before = file.read_text() if file.exists() else ""
        file.write_text(text)
        subprocess.run([*git, "add", "--all"], check=True)
        subprocess.run([*git, "commit", "--quiet", "--message", message], check=True)
        subprocess.run([*git, "push", "--quiet", "origin", "HEAD:main"], check=True)
        return before

    def gitops(self, *arguments: str) -> str:
        """Run git in the GitOps repository itself."""
        bare = str(gitserver.repository(self.layout, self.repository))
        done = subprocess.run(["git", "-C", bare, *arguments], check=True, capture_output=True, text=True)
        return done.stdout

    def run(self, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
        """Run `slipway-host` with the pipeline's accounts."""
        accounts = {
            **self.here.accounts(),
            "GIT_USERNAME": credentials.GIT_WRITER,
            "GH_PAT": credentials.read(self.layout, "git-writer"),
        }
        done = self.here.run(*words, **{**accounts, **more})
        self.said += [done.stdout, done.stderr]
        return done

    def objects(self, kinds: str, namespace: str = "") -> list[Json]:
        """Return objects of a namespace, its own without one."""
        said = kubectl(self.layout, "-n", namespace or self.name, "get", kinds, "-o", "json")
        found: list[Json] = json.loads(said)["items"]
        return found

    def snapshot(self) -> Json:
        """Return all that a deploy could change: registry, git, Kubernetes, database catalogue."""
        kinds = "secrets,deployments,replicasets,pods,jobs,services,serviceaccounts,roles,rolebindings"
        said = kubectl(self.layout, "-n", "argocd", "get", "application", self.name, "-o", "json")
        app = json.loads(said)
        spaces = [one for one in self.objects("namespaces") if one["metadata"]["name"] == self.name]
        storage = self.layout.state / "registry/docker/registry/v2/repositories" / self.name
        catalogue = (
            f"SELECT json_agg(r ORDER BY rolname) FROM pg_authid r WHERE rolname LIKE '{self.name}%';\n"
            f"SELECT json_agg(d ORDER BY datname) FROM pg_database d WHERE datname = '{self.name}';\n"
            f"SELECT count(*) FROM pg_auth_members WHERE roleid::regrole::text LIKE '{self.name}%';\n"
        )
        return {
            "registry": sorted(str(path) for path in storage.rglob("*")),
            "git": self.gitops("for-each-ref"),
            "cluster": [
                (one["kind"], one["metadata"]["name"], one["metadata"]["resourceVersion"])
                for one in [*spaces, *self.objects(kinds)]
            ],
            # The controller itself writes the status whenever it compares.
            "application": [app["spec"], app.get("operation"), app["metadata"].get("annotations")],
            "database": administer(self.layout, catalogue),
        }

    def planner(self) -> Path:
        """Make an account that has the rights to plan and no other, and return its kubeconfig."""
        config = load_config(json.dumps(self.here.config), path="slipway.yaml")
        target = targets.target_of(config, "api", environment="dev", commit=self.here.commit)
        every = rights.rights(target, targets.postgres_settings(config, admin_password=None))
        documents = rbac_manifests.manifests(
            rights.for_plan(target, every), account=self.name, namespace=self.name, namespaces=[self.name]
        )
        apply(self.layout, *documents)
        document = json.loads(kubeconfig_path(self.layout, "deployer").read_text())
        token = kubectl(self.layout, "-n", self.name, "create", "token", self.name, "--duration=1h").strip()
        document["users"][0]["user"] = {"token": token}
        path = self.folder / "planner.kubeconfig"
        path.touch(mode=0o600)
        path.write_text(json.dumps(document))
        return path

    def planner_down(self) -> None:
        """Remove what of that account is outside the namespace."""
        for namespace in ("argocd", "infra"):
            kubectl(
                self.layout, "-n", namespace, "delete", "role,rolebinding", self.name, "--ignore-not-found"
            )
        kubectl(self.layout, "delete", "clusterrole,clusterrolebinding", self.name, "--ignore-not-found")
