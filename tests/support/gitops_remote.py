"""A GitOps repository at a bare remote, with a rival's work tree beside it."""

from __future__ import annotations

import os
import subprocess
from dataclasses import replace
from typing import TYPE_CHECKING

from slipway_host.commit_message import TEMPLATE
from slipway_host.gitops import GitOpsResult, commit_images
from slipway_host.image_change import ImageChange
from slipway_host.progress import silent
from slipway_host.settings import GitSettings

if TYPE_CHECKING:
    from pathlib import Path

VALUES = "# {app}\nimage:\n  repository: x\n  tag: latest  # set by the pipeline\n"


class Remote:
    """A bare repository with three applications, and a work tree of somebody else."""

    def __init__(self, folder: Path, branch: str = "main") -> None:
        self.bare, self.work, self._home = folder / "gitops.git", folder / "work", folder
        self.git("init", "-q", "--bare", f"--initial-branch={branch}", str(self.bare), at=folder)
        self.git("config", "uploadpack.allowFilter", "true", at=self.bare)
        self.git("clone", "-q", str(self.bare), str(self.work), at=folder)
        self.git("symbolic-ref", "HEAD", f"refs/heads/{branch}")
        self.branch = branch
        self.put({path(app): VALUES.format(app=app) for app in ("api", "ui", "worker")})

    @property
    def settings(self) -> GitSettings:
        return GitSettings(url=f"file://{self.bare}", branch="main")

    def git(self, *arguments: str, at: Path | None = None, stdin: str = "") -> str:
        names = {
            f"GIT_{who}_{what}": "rival@x" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")
        }
        env = {"PATH": os.environ["PATH"], "HOME": str(self._home), "GIT_CONFIG_NOSYSTEM": "1"}
        done = subprocess.run(
            ["git", *arguments],
            cwd=at or self.work,
            env=env | names,
            check=True,
            capture_output=True,
            text=True,
            input=stdin,
        )
        return done.stdout.strip()

    def put(self, files: dict[str, str], message: str = "by hand") -> str:
        for name, text in files.items():
            file = self.work / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        self.git("add", "--all")
        self.git("commit", "-q", "--allow-empty", "-m", message)
        self.git("push", "-q", "origin", f"HEAD:{self.branch}")
        return self.head()

    def pull(self) -> None:
        self.git("pull", "-q", "--ff-only", "origin", self.branch)

    def head(self) -> str:
        return self.git("rev-parse", self.branch, at=self.bare)

    def log(self, form: str, *more: str) -> str:
        return self.git("log", f"--format={form}", *more, self.branch, at=self.bare)

    def show(self, name: str) -> str:
        return self.git("show", f"{self.branch}:{name}", at=self.bare)

    def hook(self, name: str, script: str) -> None:
        file = self.bare / "hooks" / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(f"#!/bin/sh\n{script}\n")
        file.chmod(0o755)


def path(app: str) -> str:
    return f"apps/{app}/values.yaml"


def change(
    app: str = "api",
    commit: str = "1234abcd" * 5,
    *,
    tag: str | None = None,
    digest: str | None = None,
    write_digest: bool = False,
    source_url: str | None = None,
    ancestors: frozenset[str] | None = None,
) -> ImageChange:
    return ImageChange(
        app=app,
        path=path(app),
        tag=tag or commit[:8],
        digest=digest,
        write_digest=write_digest,
        source_commit=commit,
        source_url=source_url,
        ancestors=ancestors,
    )


async def deploy(
    remote: Remote, *changes: ImageChange, message: str = TEMPLATE, deadline_s: float = 60
) -> GitOpsResult:
    """Run the stage against a repository of files."""
    return await commit_images(
        replace(remote.settings, message=message),
        changes,
        run_id="run-1",
        report=silent,
        deadline_s=deadline_s,
        protocols=("file",),
    )
