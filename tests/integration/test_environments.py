"""R2: two environments of one service on one branch and in one Argo CD, each with what is its own."""

from __future__ import annotations

import json
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from slipway_lab import credentials, gitserver
from slipway_lab.kubernetes import apply, kubectl
from slipway_lab.layout import GIT, REGISTRY
from support import argocd_objects
from support.administrator import drop
from support.host_side import HostSide, host_side
from support.world_images import Images
from support.worlds import TEMPLATE, deployment

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from slipway_lab.layout import Layout

PATTERN = "{app}-{environment}"


def application(name: str, environment: str) -> dict[str, Any]:
    return argocd_objects.application(
        f"{name}-{environment}",
        f"{GIT}/slipway/{name}.git",
        "chart",
        values=f"../envs/{environment}/api/values.yaml",
        options=("CreateNamespace=true",),
        finalizers=[argocd_objects.FINALIZER],
    )


@pytest.fixture
def here(layout: Layout, run_id: str, tmp_path: Path) -> Iterator[HostSide]:
    """Two applications of one repository, and a clone of their service."""
    images = Images(layout, f"{run_id}/api")
    here = host_side(
        layout,
        tmp_path,
        run_id,
        {"app": run_id, "database": {}},
        namespace=None,
        gitops={
            "repository": f"{GIT}/slipway/{run_id}.git",
            "values": "envs/{environment}/{service}/values.yaml",
        },
        environments={
            "dev": {"app": PATTERN},
            "eu": {"extends": "dev", "rollback": "automatic"},
        },
    )
    images.push(here.commit[:8], labels=here.labels)
    image = json.dumps({"repository": f"{REGISTRY}/{images.repository}", "tag": "none"}, indent=2)
    seed = {
        "chart/Chart.yaml": "apiVersion: v2\nname: app\nversion: 0.1.0\n",
        "chart/templates/all.yaml": TEMPLATE,
        **{
            f"envs/{name}/api/values.yaml": f"image: {image}\nobjects: {json.dumps([deployment()])}\n"
            for name in ("dev", "eu")
        },
    }
    for path, text in seed.items():
        (tmp_path / "seed" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "seed" / path).write_text(text)
    gitserver.publish(layout, f"slipway/{run_id}", tmp_path / "seed", message="seed")
    for name in ("dev", "eu"):
        apply(layout, application(run_id, name))
    yield here
    names = [f"{run_id}-dev", f"{run_id}-eu"]
    kubectl(layout, "-n", "argocd", "delete", "application", *names, "--ignore-not-found", "--timeout=60s")
    kubectl(layout, "delete", "namespace", *names, "--ignore-not-found", "--wait=false")
    drop(layout, *(name.replace("-", "_") for name in names))
    images.remove()
    shutil.rmtree(gitserver.repository(layout, f"slipway/{run_id}"))


def test_each_environment_has_its_own_application_file_secret_and_history(
    here: HostSide, layout: Layout, run_id: str
) -> None:
    def run(environment: str, *words: str) -> str:
        accounts = {
            **here.accounts(),
            "GIT_USERNAME": credentials.GIT_WRITER,
            "GH_PAT": credentials.read(layout, "git-writer"),
        }
        done = here.run(words[0], f"--environment={environment}", *words[1:], **accounts)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def gitops(*words: str) -> str:
        bare = str(gitserver.repository(layout, f"slipway/{run_id}"))
        return subprocess.run(["git", "-C", bare, *words], check=True, capture_output=True, text=True).stdout

    tag = here.commit[:8]
    untouched = gitops("show", "main:envs/dev/api/values.yaml")
    assert f"{tag} in eu, namespace {run_id}-eu" in run("eu", "deploy")
    assert gitops("show", "main:envs/dev/api/values.yaml") == untouched
    assert (
        gitops("log", "-1", "--format=%s", "main").strip() == f"chore({run_id}-eu): update image tag to {tag}"
    )
    assert f"{tag} in dev, namespace {run_id}-dev" in run("dev", "deploy")
    # The branch has moved since, by a commit that is about the other one.
    assert "Nothing to do" in run("eu", "deploy")

    passwords = set()
    for name in ("dev", "eu"):
        app = f"{run_id}-{name}"
        said = kubectl(layout, "-n", app, "get", "secret", f"{app}-secrets", "-o", "json")
        passwords.add(json.loads(said)["data"]["DATABASE_URL"])
        entry, *_ = json.loads(run(name, "history", "--as-json"))["api"]
        assert (entry["tag"], entry["kind"]) == (tag, "deploy")
        (seen,) = json.loads(run(name, "status", "--as-json"))
        assert (seen["images"][0]["tag"], seen["namespace"]) == (tag, app)
    assert len(passwords) == 2
    kept = gitops("ls-tree", "-r", "--name-only", "slipway-receipts").split()
    assert {path.rpartition("/")[0] for path in kept} == {
        "envs/dev/api/receipts/dev",
        "envs/eu/api/receipts/eu",
    }
