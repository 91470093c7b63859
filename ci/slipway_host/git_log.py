"""Commits of a copy of a repository: who changed what, and when."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import anyio

from slipway_host.git_files import GONE, Files

if TYPE_CHECKING:
    from collections.abc import Collection


@dataclass(frozen=True)
class LastCommit:
    """The newest commit that changed a file and carries a trailer, with the trailer's values."""

    commit: str
    values: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Commit:
    """What a commit says of itself.

    Args:
        commit: full hash.
        parents: the commit's; more than one for a merge.
        when: author's date in ISO 8601.
        author: who wrote it, `name <address>`.
        message: all of it.
    """

    commit: str
    parents: tuple[str, ...]
    when: str
    author: str
    message: str


@dataclass(frozen=True, kw_only=True)
class Version(Commit):
    """One commit of the branch that changed a file.

    Args:
        blob: the file's content, to read by `Clone.contents`; empty where the commit removed the file.
    """

    blob: str


def trailers_of(message: str, name: str) -> tuple[str, ...]:
    """Return a trailer's values wherever they stand: a squash on a server puts lines of its own below."""
    lines = (line.partition(": ") for line in message.splitlines())
    return tuple(value.strip() for key, _, value in lines if key == name)


class Log(Files):
    """The history of a copy, as far as it was fetched."""

    async def trailers(self, commit: str, name: str) -> tuple[str, ...]:
        """Return the values of a commit's trailer."""
        text = await self._program.local("log", "-1", "--format=%B", commit)
        return trailers_of(text.decode(errors="replace"), name)

    async def versions(self, path: str) -> list[Version]:
        """Return the commits of this copy that changed a file on the branch, newest first.

        A merge counts as one commit: what the branch held is what its first parents say.
        """
        form = "%x01%H%x00%P%x00%aI%x00%an <%ae>%x00%B%x00"
        shape = ("--first-parent", "-m", "--raw", "--no-abbrev", "--no-renames", f"--format={form}")
        text = (await self._program.local("log", *shape, self.head, "--", path)).decode(errors="replace")
        boundary, found = await self._boundary(), []
        for record in text.split("\x01")[1:]:
            commit, parents, when, author, message, raw = record.split("\0", 5)
            # The oldest commit of a shallow copy has no parent here: it seems to write every file.
            if commit in boundary:
                continue
            changed = raw.split()
            blob = "" if changed[3] == GONE else changed[3]
            found.append(
                Version(
                    commit=commit,
                    parents=tuple(parents.split()),
                    when=when,
                    author=author,
                    message=message,
                    blob=blob,
                )
            )
        return found

    async def messages(self, since: str, until: str, path: str) -> str:
        """Return the messages of the commits between two that changed a file, newest first."""
        text = await self._program.local("log", "--format=%B", f"{since}..{until}", "--", path)
        return text.decode(errors="replace")

    async def messages_of(self, commits: Collection[str]) -> dict[str, str]:
        """Return the messages of commits of this copy."""
        if not commits:
            return {}
        lines = "".join(f"{commit}\n" for commit in commits).encode()
        text = await self._program.local("log", "--no-walk", "--format=%x01%H%x00%B", "--stdin", stdin=lines)
        records = text.decode(errors="replace").split("\x01")[1:]
        return {commit: message for commit, _, message in (record.partition("\0") for record in records)}

    async def ancestry(self) -> set[str]:
        """Return the commits of the branch, as far as the copy's history goes."""
        return set((await self._program.local("rev-list", self.head)).decode().split())

    async def commit_of(self, revision: str) -> Commit:
        """Return a commit of this copy."""
        text = await self._program.local("log", "-1", "--format=%H%x00%P%x00%aI%x00%an <%ae>%x00%B", revision)
        commit, parents, when, author, message = text.decode(errors="replace").split("\0", 4)
        return Commit(
            commit=commit, parents=tuple(parents.split()), when=when, author=author, message=message
        )

    async def is_ancestor(self, commit: str, descendant: str) -> bool:
        """Return whether a commit is another or its ancestor, as far as the copy's history goes."""
        output = await self._program.run(("merge-base", "--is-ancestor", commit, descendant))
        return output.code == 0

    async def _boundary(self) -> set[str]:
        try:
            return set((await anyio.Path(self._program.directory / "shallow").read_text()).split())
        except FileNotFoundError:
            return set()
