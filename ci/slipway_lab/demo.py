"""The main job on the lab: the example, as a repository of its own, deployed by `dagger call deploy`."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from typing import TYPE_CHECKING

from slipway_lab import command, gitserver, lab
from slipway_lab.errors import LabError
from slipway_lab.kubernetes import kubectl
from slipway_lab.layout import GIT

if TYPE_CHECKING:
    from pathlib import Path

    from slipway_lab.layout import Layout
    from slipway_lab.progress import Progress

SERVICE = "game-stats-api"
NAMESPACE = "game-stats"
EXAMPLE = lab.PROJECT / "examples" / "game-stats" / "api"
MODULE = "slipway/slipway"
"""Repository on the lab's git server that the example's `blueprint` names."""


def publish_module(layout: Layout) -> None:
    """Put the project's present files on the lab's git server, where other repositories find the module."""
    gitserver.publish(layout, MODULE, lab.PROJECT, message="Slipway as it stands in the checkout")


def checkout(layout: Layout, source: Path = EXAMPLE, *, name: str = SERVICE) -> Path:
    """Return a repository that holds the example's present files as its HEAD, with its `.env`."""
    folder = layout.state / "demo" / name
    git: list[str | Path] = [
        "git",
        "-C",
        folder,
        "-c",
        "user.name=Mosuon",
        "-c",
        "user.email=team@mosuon.invalid",
    ]
    if not (folder / ".git").exists():
        folder.mkdir(parents=True, exist_ok=True)
        command.run(["git", "init", "--quiet", "--initial-branch=main", folder])
        command.run([*git, "remote", "add", "origin", f"{GIT}/mosuon/{name}.git"])
    for entry in folder.iterdir():
        if entry.name not in {".git", ".env"}:
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
    shutil.copytree(source, folder, dirs_exist_ok=True)
    defaults = folder / ".env"
    defaults.touch(mode=0o600)
    defaults.write_text(lab.local_defaults(layout))
    command.run([*git, "add", "--all"])
    if command.run([*git, "status", "--porcelain"]):
        command.run([*git, "commit", "--quiet", "--message", f"{name} as it stands in the examples"])
    return folder


def call(layout: Layout, folder: Path, *arguments: str) -> None:
    """Run `dagger call` in a repository; both streams are the caller's."""
    words = [str(layout.bin / "dagger"), "call", "--progress=logs", *arguments]
    done = subprocess.run(words, cwd=folder, env={**os.environ, **lab.variables(layout)}, check=False)
    if done.returncode:
        raise LabError(
            f"dagger call {' '.join(arguments)} ended with {done.returncode}: its own line is above"
        )


def run(layout: Layout, progress: Progress) -> None:
    """Bring the lab up, deploy the example, and ask the service through the cluster's Service."""
    lab.up(layout, progress)
    publish_module(layout)
    folder = checkout(layout)
    progress.say(f"$ cd {folder} && dagger call --progress=logs deploy")
    call(layout, folder, "deploy")
    service = kubectl(layout, "-n", NAMESPACE, "get", "service", SERVICE, "-o", "json")
    address = json.loads(service)["spec"]["clusterIP"]
    answer = lab.inside(layout, ["curl", "-sS", "--max-time", "10", f"http://{address}/health"])
    progress.say(f"$ curl http://{SERVICE}.{NAMESPACE}.svc/health\n{answer.strip()}")
