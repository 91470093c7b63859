"""The services' repository on this machine: which commit, and what came before it."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from subprocess import CalledProcessError
from typing import TYPE_CHECKING

import anyio

from slipway_host.errors import SettingsError

if TYPE_CHECKING:
    from pathlib import Path

CREDENTIALS = re.compile(r"(?<=://)[^/@]*@")
HISTORY = 1000
"""Commits that tell a newer deploy from an older one."""


@dataclass(frozen=True)
class Source:
    """A folder of a Git repository; only its history is read, never a work tree's files."""

    folder: Path

    async def resolve(self, revision: str) -> str:
        """Return the full hash of a revision.

        Raises:
            SettingsError: this is no repository, or it does not have that commit.
        """
        try:
            return await self._git(
                "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}"
            )
        except CalledProcessError:
            if not await self._inside():
                raise SettingsError(
                    f"{self.folder} is in no git repository, and what is deployed is a commit",
                    next_command="cd <a clone of the services' repository>",
                ) from None
            raise SettingsError(
                f"the repository of {self.folder} has no commit {revision[:80]!r}",
                next_command="git commit, where there is none yet, or git fetch",
            ) from None

    async def ancestors(self, commit: str) -> frozenset[str]:
        """Return the full hashes of the newest `HISTORY` ancestors of a commit."""
        said = await self._git("rev-list", f"--max-count={HISTORY}", commit, "--")
        return frozenset(said.split()) - {commit}

    async def file_at(self, commit: str, name: str) -> bytes | None:
        """Return the bytes of a file of the folder as of a commit, None where it has none."""
        try:
            done = await self._run("cat-file", "blob", f"{commit}:./{name}")
        except CalledProcessError:
            return None
        return done

    async def url(self) -> str:
        """Return the address of the remote `origin` without credentials, or ""."""
        try:
            found = await self._git("config", "--get", "remote.origin.url")
        except CalledProcessError:
            return ""
        return CREDENTIALS.sub("", found)

    async def _inside(self) -> bool:
        try:
            await self._git("rev-parse", "--git-dir")
        except CalledProcessError:
            return False
        return True

    async def log(self, form: str, *paths: str) -> str:
        """Return a line for each commit of any branch, or for each that changed one of these paths.

        Args:
            form: of a line, as for `git log --format`.
            paths: from the repository's root.
        """
        try:
            return await self._git(
                "log", "--all", f"--format={form}", "HEAD", "--", *(f":(top){path}" for path in paths)
            )
        except CalledProcessError:
            raise SettingsError(f"{self.folder} is no repository with a commit") from None

    async def _git(self, *arguments: str) -> str:
        return (await self._run(*arguments)).decode(errors="replace").strip()

    async def _run(self, *arguments: str) -> bytes:
        kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        try:
            done = await anyio.run_process(
                ["git", *arguments],
                cwd=self.folder,
                env={**kept, "LC_ALL": "C", "GIT_TERMINAL_PROMPT": "0"},
            )
        except FileNotFoundError:
            raise SettingsError("git is not installed: install the package git") from None
        return done.stdout
