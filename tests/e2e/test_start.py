"""The page for new users, as it is written: an empty folder, a deploy, a break, the way back, the figures."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from slipway_lab import command, credentials, gitserver
from slipway_lab.kubernetes import apply, kubeconfig_path, kubectl
from slipway_lab.layout import GIT, REGISTRY, Layout
from support import argocd_objects
from support.app import CALL_S
from support.pages import Command, File, steps

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = Path(__file__).parents[2] / "docs" / "start.md"
MIRROR = "\nscanner:\n  databases: [10.86.0.1:5001/aquasecurity/trivy-db:2]\n"
"""The lab has no internet."""


@pytest.fixture
def name(layout: Layout) -> Iterator[str]:
    """Name of the service; all that the page makes of it goes at the end."""
    found = f"n{secrets.token_hex(4)}"
    bare = gitserver.create(layout, f"mosuon/{found}-k8s")
    root = f"{found}-k8s"
    apply(layout, argocd_objects.readable(layout, root, f"{GIT}/mosuon/{root}.git"))
    yield found
    kubectl(
        layout, "-n", "argocd", "delete", "application", root, found, "--ignore-not-found", "--timeout=90s"
    )
    kubectl(layout, "-n", "argocd", "delete", "appproject", found, "--ignore-not-found")
    kubectl(layout, "-n", "argocd", "delete", "secret", root, "--ignore-not-found")
    account = f"slipway-{found}"
    kubectl(layout, "delete", "clusterrole,clusterrolebinding", account, "--ignore-not-found")
    for namespace in ("slipway", "argocd"):
        rights = "serviceaccount,role,rolebinding"
        kubectl(layout, "-n", namespace, "delete", rights, account, "--ignore-not-found")
    kubectl(layout, "delete", "namespace", found, "--ignore-not-found", "--wait=false")
    shutil.rmtree(bare)


def test_page_for_new_users_is_true(layout: Layout, module: str, name: str, tmp_path: Path) -> None:
    # R1, R3, R16, R18 to R20, R22, R23 and R31, as somebody meets them on the first day.
    names = {
        "https://github.com/acme/slipway": f"{GIT}/{module}.git",
        "https://github.com/acme/devops-k8s.git": f"{GIT}/mosuon/{name}-k8s.git",
        "ghcr.io/acme": f"{REGISTRY}/mosuon",
        "registryUsername=acme-ci": f"registryUsername={credentials.REGISTRY_USER}",
        "gitUsername=acme-ci": f"gitUsername={credentials.GIT_WRITER}",
        "hello": name,
    }
    ask = tmp_path / "askpass"
    ask.write_text(
        f'#!/bin/sh\ncase "$1" in User*) echo {credentials.GIT_WRITER} ;; *) echo "$GH_PAT" ;; esac\n'
    )
    ask.chmod(0o700)
    environ = {
        **os.environ,
        "NO_COLOR": "1",
        "HOME": str(tmp_path),
        "GIT_ASKPASS": str(ask),
        "REGISTRY_PASSWORD": credentials.read(layout, "registry"),
        "GH_PAT": credentials.read(layout, "git-writer"),
    }
    (tmp_path / ".kube").mkdir()
    (tmp_path / ".kube" / "config").symlink_to(kubeconfig_path(layout, "deployer"))
    command.run(["git", "config", "--file", tmp_path / ".gitconfig", "user.name", "New User"])
    command.run(["git", "config", "--file", tmp_path / ".gitconfig", "user.email", "new@user.invalid"])
    folder, said = tmp_path, []
    for step in steps(PAGE, names):
        if isinstance(step, File):
            (tmp_path / step.path).parent.mkdir(exist_ok=True)
            (tmp_path / step.path).write_text(step.text)
            continue
        done = _run(step, folder, environ)
        said.append((step.line, done.stdout))
        folder = Path(done.stdout.splitlines()[-1])
        if " init --name" in step.line:
            config = folder / "slipway.yaml"
            config.write_text(config.read_text() + MIRROR)

    deployed, failed = (text for line, text in said if line == "dagger call deploy")
    assert f"Deployed {name} " in deployed
    assert "no licence" in failed
    told = dict(said)
    assert "crashes" in told["dagger call diagnose"]
    assert "rolled back from" in told["dagger call rollback"]
    assert "rollback" in told["dagger call history"]
    assert "1 failed deployment" in told["dagger call kpis"]
    assert (folder / "report.html").read_text().startswith("<!doctype html>")


def _run(step: Command, folder: Path, environ: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run a line in a folder; where it ends, the next one begins: the output's last line says where."""
    done = subprocess.run(
        ["bash", "-c", f"{step.line}\ncode=$?\necho\npwd\nexit $code"],
        cwd=folder,
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=CALL_S,
        check=False,
    )
    assert (done.returncode != 0) is step.fails, f"{step.line}\n{done.stdout[-4000:]}"
    return done
