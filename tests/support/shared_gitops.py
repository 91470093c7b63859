"""The GitOps repository that all applications on the lab share: whoever changes it has company."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from slipway_lab import argocd, command, gitserver
from slipway_lab.errors import LabError

if TYPE_CHECKING:
    from collections.abc import Callable

    from slipway_lab.layout import Layout

TRIES = 10


def branches(layout: Layout, *names: str) -> list[str]:
    """Return those of the names that are branches."""
    bare = gitserver.repository(layout, argocd.GITOPS)
    return command.run(["git", "-C", bare, "branch", "--list", "--format=%(refname:short)", *names]).split()


def change(layout: Layout, edit: Callable[[Path], object], message: str, *, branch: str = "main") -> None:
    """Commit what `edit` makes of the branch's files; from the start again where another push was first.

    Nothing is done where `edit` changes nothing.

    Raises:
        LabError: the branch is not there, or it was never taken.
    """
    bare = gitserver.repository(layout, argocd.GITOPS)
    for attempt in range(1, TRIES + 1):
        with tempfile.TemporaryDirectory() as scratch:
            work = Path(scratch)
            git = ("git", "-C", work, "-c", "user.name=t", "-c", "user.email=t@t.invalid")
            command.run(["git", "clone", "--quiet", "--single-branch", "--branch", branch, bare, work])
            edit(work)
            command.run([*git, "add", "--all"])
            if not command.run([*git, "status", "--porcelain"]):
                return
            command.run([*git, "commit", "--quiet", "--message", message])
            try:
                command.run([*git, "push", "--quiet", "origin", branch])
            except LabError:
                if attempt == TRIES:
                    raise
            else:
                return
