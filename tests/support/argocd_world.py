"""Applications of a test's own, all from one repository, for Argo CD's own API."""

from __future__ import annotations

import json
import shutil
import time
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from pydantic import SecretStr

from slipway_host import argocd, gitops
from slipway_host.settings import GitSettings, Target
from slipway_lab import argocd as lab_argocd
from slipway_lab import credentials, gitserver
from slipway_lab.kubernetes import apply, kubectl
from slipway_lab.layout import GIT
from support import argocd_objects
from support.target import api_target

if TYPE_CHECKING:
    from slipway_host.applications_server import ServerApplications
    from slipway_host.results import StageResult
    from slipway_lab.layout import Layout

Json = dict[str, Any]
RUNNING_S = 60
NAMES = ("manual", "automatic", "hooked", "broken", "window")
BY_HAND = {"syncOptions": ["CreateNamespace=true"]}


def deployment(name: str, pod: Json) -> Json:
    labels = {"app": name}
    template = {"metadata": {"labels": labels}, "spec": pod}
    spec = {"replicas": 1, "selector": {"matchLabels": labels}, "template": template}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": spec}


@dataclass
class World:
    """Applications of the tests' own, all from one repository, whose commits the tests make.

    Args:
        layout: the lab.
        name: namespace of what they deploy, and beginning of their names.
    """

    layout: Layout
    name: str
    version: int = 0
    lines: list[str] = field(default_factory=list)

    @property
    def repository(self) -> str:
        return f"slipway/{self.name}"

    @property
    def git(self) -> GitSettings:
        token = SecretStr(credentials.read(self.layout, "git-writer"))
        url = f"{GIT}/{self.repository}.git"
        return GitSettings(url=url, branch="main", username=credentials.GIT_WRITER, token=token)

    def target(self, app: str) -> Target:
        return api_target(
            app=f"{self.name}-{app}", namespace=self.name, argocd_server=lab_argocd.URL, values="values.yaml"
        )

    def publish(self, *, sleep_s: int = 0) -> str:
        """Commit another version of everything, whose hook sleeps, and return the commit."""
        self.version += 1
        source = self.layout.run / self.name
        hook = {"argocd.argoproj.io/hook": "PreSync"}
        container = {
            "name": "hook",
            "image": "docker.io/library/postgres:17",
            "imagePullPolicy": "IfNotPresent",
            "command": ["sleep", str(sleep_s)],
        }
        pod = {"containers": [container], "restartPolicy": "Never", "terminationGracePeriodSeconds": 0}
        port = {**container, "ports": [{"containerPort": 99999}]}
        for app in NAMES:
            settings = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": f"{app}-settings"}}
            files: dict[str, Json] = {"settings": {**settings, "data": {"version": str(self.version)}}}
            if app == "hooked":
                meta = {"name": "hook", "annotations": hook}
                job = {"backoffLimit": 0, "template": {"spec": pod}}
                files["hook"] = {"apiVersion": "batch/v1", "kind": "Job", "metadata": meta, "spec": job}
            if app == "broken":
                files["workload"] = deployment("workload", {"containers": [port]})
            for file, body in files.items():
                (source / app).mkdir(parents=True, exist_ok=True)
                (source / app / f"{file}.json").write_text(json.dumps(body))
        gitserver.publish(self.layout, self.repository, source, message=f"version {self.version}")
        return gitserver.head_of(self.layout, self.repository)

    def up(self) -> None:
        self.publish()
        apply(self.layout, argocd_objects.closed_project(self.name))
        apply(self.layout, *(self.application(app) for app in NAMES))

    def application(self, app: str) -> Json:
        return argocd_objects.application(
            f"{self.name}-{app}",
            self.git.url,
            app,
            namespace=self.name,
            project=self.name if app == "window" else "default",
            automated=app == "automatic",
            options=BY_HAND["syncOptions"],
        )

    def read(self, app: str) -> Json:
        said = kubectl(self.layout, "-n", "argocd", "get", "application", f"{self.name}-{app}", "-o", "json")
        found: Json = json.loads(said)
        return found

    def by_mallory(self, app: str, revision: str) -> None:
        """Have somebody else sync, and return once that runs."""
        wanted = {"initiatedBy": {"username": "mallory"}, "sync": {"revision": revision}}
        name = f"{self.name}-{app}"
        patch = json.dumps({"operation": wanted, "status": {"operationState": None}})
        kubectl(self.layout, "-n", "argocd", "patch", "application", name, "--type=merge", "--patch", patch)
        until = time.monotonic() + RUNNING_S
        while self.initiator(app) != "mallory":
            assert time.monotonic() < until
            time.sleep(0.2)

    def initiator(self, app: str) -> str:
        """Return who asked for the latest operation that the controller has taken up."""
        operation = self.read(app)["status"].get("operationState", {}).get("operation", {})
        return str(operation.get("initiatedBy", {}).get("username", ""))

    async def sync(
        self, applications: ServerApplications, app: str, commit: str, *, terminate: bool = False
    ) -> StageResult:
        """Sync as the stage does."""
        self.lines.clear()
        return await argocd.sync(
            applications,
            self.target(app),
            commit=commit,
            contains=partial(gitops.contains, self.git, commit),
            run_id="run-1",
            report=self.lines.append,
            deadline_s=RUNNING_S,
            terminate=terminate,
        )

    def down(self) -> None:
        names = [f"{self.name}-{app}" for app in NAMES]
        kubectl(self.layout, "-n", "argocd", "delete", "application", *names, "--timeout=60s")
        kubectl(self.layout, "-n", "argocd", "delete", "appproject", self.name)
        kubectl(self.layout, "delete", "namespace", self.name, "--ignore-not-found", "--wait=false")
        shutil.rmtree(self.layout.run / self.name)
        shutil.rmtree(gitserver.repository(self.layout, self.repository))
