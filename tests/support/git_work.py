"""A bare repository with one values file and a work tree beside it."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

from pydantic import SecretStr

from slipway_host.settings import GitSettings

if TYPE_CHECKING:
    from pathlib import Path

VALUES = "apps/api/values.yaml"
TEXT = b"image:\n  tag: x\n"


def git(at: Path, *arguments: str, date: str = "2026-08-01T00:00:00Z") -> str:
    env = {"PATH": os.environ["PATH"], "HOME": str(at), "GIT_CONFIG_NOSYSTEM": "1"}
    for who in ("AUTHOR", "COMMITTER"):
        env |= {f"GIT_{who}_NAME": "x", f"GIT_{who}_EMAIL": "x@x", f"GIT_{who}_DATE": date}
    command = ["git", *arguments]
    done = subprocess.run(command, cwd=at, env=env, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def work_tree(tmp_path: Path) -> Path:
    """A work tree beside `remote.git`, with one values file and a megabyte of something else."""
    folder = tmp_path / "work"
    git(tmp_path, "init", "-q", "--bare", "--initial-branch=main", "remote.git")
    git(tmp_path, "clone", "-q", "remote.git", "work")
    (folder / "apps/api").mkdir(parents=True)
    (folder / VALUES).write_bytes(TEXT)
    (folder / "large").write_bytes(os.urandom(1 << 20))
    publish(folder)
    return folder


def publish(work: Path, message: str = "c", date: str = "2026-08-01T00:00:00Z") -> str:
    git(work, "add", "--all")
    git(work, "commit", "-q", "--allow-empty", "-m", message, date=date)
    git(work, "push", "-q", "origin", "HEAD:main")
    return git(work, "rev-parse", "HEAD")


def settings(work: Path, branch: str = "main") -> GitSettings:
    return GitSettings(url=f"file://{work.parent}/remote.git", branch=branch)


def make_key(folder: Path, *, passphrase: str = "") -> tuple[SecretStr, str]:
    """Return a private key and its public half."""
    file = folder / f"key{passphrase}"
    command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", passphrase, "-C", "x", "-f", str(file)]
    subprocess.run(command, check=True)
    # Without the last line end: that is how secrets arrive.
    return SecretStr(file.read_text().strip()), file.with_suffix(".pub").read_text()


def size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
