"""The lab's accounts: made once, one file each, readable by their owner only."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from slipway_lab import command

if TYPE_CHECKING:
    from pathlib import Path

    from slipway_lab.layout import Layout

REGISTRY_USER = "mosuon-ci"
GIT_WRITER = "slipway-bot"
GIT_READER = "argocd"
ACCOUNTS = ("registry", "git-writer", "git-reader", "postgres", "jwt", "cosign-password")


def ensure(layout: Layout) -> None:
    """Make a random password for each account that has none, and the key pair that signs images."""
    for account in ACCOUNTS:
        path = layout.credentials / account
        if not path.exists():
            path.touch(mode=0o600)
            path.write_text(secrets.token_urlsafe(24))
    if not (layout.credentials / "cosign.pub").exists():
        signing_key(layout, layout.credentials, read(layout, "cosign-password"))


def signing_key(layout: Layout, folder: Path, password: str) -> None:
    """Write a new pair of keys, `cosign.key` (encrypted with the password) and `cosign.pub`."""
    (folder / "cosign.key").unlink(missing_ok=True)
    command.run([layout.bin / "cosign", "generate-key-pair"], cwd=folder, env={"COSIGN_PASSWORD": password})


def read(layout: Layout, account: str) -> str:
    """Return an account's password."""
    return (layout.credentials / account).read_text()


def htpasswd(target: Path, accounts: dict[str, str]) -> None:
    """Write a bcrypt password file for web servers; the passwords go over standard input."""
    lines = []
    for user, password in accounts.items():
        # -C 5: the least that bcrypt allows. The lab checks a password on each of many requests.
        said = command.run(["htpasswd", "-n", "-i", "-B", "-C", "5", user], stdin=password)
        lines.append(said.strip())
    target.touch(mode=0o600)
    target.write_text("\n".join(lines) + "\n")
