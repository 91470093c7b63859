"""R29: a preview of a service, made below a root Application, deployed, and taken away again."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from slipway_lab import credentials, gitserver
from slipway_lab.kubernetes import apply, kubectl
from slipway_lab.layout import GIT, REGISTRY
from support import argocd_objects
from support.administrator import administer, drop
from support.host_side import HostSide, host_side
from support.world_images import Images
from support.worlds import TEMPLATE, deployment

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from slipway_lab.layout import Layout

PRESENT = ("-n", "argocd", "get", "applications", "-o", "jsonpath={.items[*].metadata.name}")


@dataclass(frozen=True)
class Place:
    """A GitOps repository whose root Application has the one of service `api` in dev, and its clone."""

    here: HostSide
    name: str

    def run(self, environment: str, *words: str, code: int = 0) -> str:
        accounts = {
            **self.here.accounts(),
            "GIT_USERNAME": credentials.GIT_WRITER,
            "GH_PAT": credentials.read(self.here.layout, "git-writer"),
        }
        done = self.here.run(words[0], f"--environment={environment}", *words[1:], **accounts)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stderr if code else done.stdout

    def git(self, *words: str) -> str:
        bare = str(gitserver.repository(self.here.layout, f"slipway/{self.name}"))
        return subprocess.run(["git", "-C", bare, *words], check=True, capture_output=True, text=True).stdout

    def applications(self) -> set[str]:
        return {app for app in kubectl(self.here.layout, *PRESENT).split() if app.startswith(self.name)}

    def namespaces(self) -> set[str]:
        said = kubectl(self.here.layout, "get", "namespaces", "-o", "jsonpath={.items[*].metadata.name}")
        return {name for name in said.split() if name.startswith(self.name)}

    def databases(self) -> set[str]:
        query = f"SELECT datname FROM pg_database WHERE datname LIKE '{self.name}%'"
        return set(administer(self.here.layout, f"{query};\n").split())


@pytest.fixture
def place(layout: Layout, run_id: str, tmp_path: Path) -> Iterator[Place]:
    images = Images(layout, f"{run_id}/api")
    repository = f"{GIT}/slipway/{run_id}.git"
    own = "{environment}"
    here = host_side(
        layout,
        tmp_path,
        run_id,
        {"app": run_id, "database": {}},
        gitops={"repository": repository},
        environments={
            "pr-*": {
                "extends": "dev",
                "app": f"{{app}}-{own}",
                "namespace": f"{run_id}-{own}",
                "preview": {"from": "dev", "values": {"greeting": "of {environment}"}},
            }
        },
    )
    images.push(here.commit[:8], labels=here.labels)
    image = json.dumps({"repository": f"{REGISTRY}/{images.repository}", "tag": here.commit[:8]}, indent=2)
    greeting = [{"name": "GREETING", "value": "{{ .Values.greeting }}"}]
    # As pods have it: until a deploy has made the Secret, they do not start.
    needs = [{"secretRef": {"name": f"{run_id}-secrets"}}]
    objects = json.dumps([deployment(env=greeting, envFrom=needs)])
    values = f"image: {image}\ngreeting: of dev\nobjects: {objects}\n"
    app = argocd_objects.application(
        run_id,
        repository,
        "chart",
        values=f"../apps/{run_id}/values.yaml",
        options=("CreateNamespace=true",),
    )
    del app["spec"]["source"]["helm"]["releaseName"]  # Argo CD's own default is its name
    seed = {
        "chart/Chart.yaml": "apiVersion: v2\nname: app\nversion: 0.1.0\n",
        "chart/templates/all.yaml": TEMPLATE,
        f"apps/{run_id}/values.yaml": values,
        f"apps/{run_id}/app.yaml": json.dumps(app, indent=2),
    }
    for path, text in seed.items():
        (tmp_path / "seed" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "seed" / path).write_text(text)
    gitserver.publish(layout, f"slipway/{run_id}", tmp_path / "seed", message="seed")
    directory = {"recurse": True, "include": "*/app.yaml"}
    finalizers = [argocd_objects.FINALIZER]
    root = argocd_objects.application(
        f"{run_id}-root", repository, "apps", namespace="argocd", finalizers=finalizers
    )
    root["spec"]["source"]["directory"] = directory
    apply(layout, root)
    place = Place(here, run_id)
    yield place
    kubectl(layout, "-n", "argocd", "delete", "application", f"{run_id}-root", "--timeout=90s")
    left = place.namespaces()
    kubectl(layout, "delete", "namespace", *left, run_id, "--ignore-not-found", "--wait=false")
    drop(layout, run_id, f"{run_id}_pr_7")
    images.remove()
    shutil.rmtree(gitserver.repository(layout, f"slipway/{run_id}"))


def test_a_preview_is_made_deployed_and_taken_away(place: Place, layout: Layout) -> None:
    name, app, tag = place.name, f"{place.name}-pr-7", place.here.commit[:8]
    assert "no previews" in place.run("dev", "previews")
    assert place.run("dev", "preview", code=1).endswith(
        "is pr-*. Landed: nothing. Next: slipway-host config\n"
    )

    early = place.run("pr-7", "deploy", code=1)
    assert f"preflight: Argo CD has no Application {app}" in early
    assert early.endswith("Next: slipway-host preview --environment=pr-7 --service=api\n")
    assert f"Application {app}, namespace {app}: made" in place.run("pr-7", "preview")
    head = place.git("rev-parse", "main")
    assert place.git("log", "-1", "--format=%s", "main") == f"chore({app}): add preview\n"
    copy = place.git("show", f"main:apps/{app}/values.yaml")
    assert copy == place.git("show", f"main:apps/{name}/values.yaml")
    assert "there already" in place.run("pr-7", "preview")
    assert place.git("rev-parse", "main") == head

    assert f"{tag} in pr-7, namespace {app}" in place.run("pr-7", "deploy")
    greeting = "jsonpath={.spec.template.spec.containers[0].env[0].value}"
    assert kubectl(layout, "-n", app, "get", "deployment", name, "-o", greeting) == "of pr-7"
    (seen,) = json.loads(place.run("pr-7", "status", "--as-json"))
    assert (seen["images"][0]["tag"], seen["namespace"]) == (tag, app)
    (listed,) = json.loads(place.run("dev", "previews", "--as-json"))
    assert (listed["environment"], listed["app"], listed["tag"]) == ("pr-7", app, tag)
    assert place.databases() == {f"{name}_pr_7"}

    refused = place.run("pr-7", "remove-preview", "--confirm=pr-8", code=1)
    assert "--confirm has to be pr-7: its databases and everything in them go" in refused
    assert place.applications() == {name, app, f"{name}-root"}
    said = place.run("pr-7", "remove-preview", "--confirm=pr-7")
    assert f"{app}: removed folder, Application, database {name}_pr_7" in said
    assert f"namespace {app}: removed" in said
    assert (place.applications(), place.databases()) == ({name, f"{name}-root"}, set())
    assert app not in place.namespaces()
    assert place.git("ls-tree", "--name-only", "main", "apps/") == f"apps/{name}\n"
    head = place.git("rev-parse", "main")
    assert f"{app}: nothing is there" in place.run("pr-7", "remove-preview", "--confirm=pr-7")
    assert place.git("rev-parse", "main") == head
