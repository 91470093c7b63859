"""What a call works on: the commit, its files, and the configuration that is in them."""

import datetime as dt
import os
import re
import uuid
from dataclasses import dataclass, field
from functools import cached_property, partial
from subprocess import CalledProcessError
from typing import TYPE_CHECKING

import dagger
from dagger import dag

from slipway_host.errors import SettingsError
from slipway_host.settings import SHORT_HASH
from slipway_host.source import CREDENTIALS, HISTORY
from slipway_host.together import Once, together

if TYPE_CHECKING:
    from slipway_host.config import Config

REMOTE_URL = re.compile(r'\[remote "origin"\][^\[]*?\burl\s*=\s*(\S+)')
LISTED = 5
LONG_HISTORY = 20_000
"""Commits that are asked when each was made."""


@dataclass(frozen=True, kw_only=True)
class Checkout:
    """One commit of the services' repository.

    Args:
        commit: full hash of HEAD.
        tree: files to work on; HEAD's, or the working folder's where that is allowed and dirty.
        changes: paths that differ from HEAD, empty for a clean folder.
        config: the parsed `slipway.yaml` of `tree`.
        url: address of the remote `origin` without credentials, or "".
        source: the folder that was given.
        repository: the repository in it.
    """

    commit: str
    tree: dagger.Directory
    changes: tuple[str, ...]
    config: "Config"
    url: str
    source: dagger.Directory
    repository: dagger.GitRepository
    _folders: dict[str, Once[dagger.Directory]] = field(default_factory=dict)

    @property
    def tag(self) -> str:
        """Tag of this commit's images; marked where the folder is dirty."""
        short = self.commit[:SHORT_HASH]
        return f"{short}-dirty" if self.changes else short

    async def folder(self, path: str) -> dagger.Directory:
        """Return a folder of `tree`, known to the engine by its content.

        The tree of a commit is known by the commit: whatever runs on a folder of it would run again
        for each commit, also for one that changes other folders only. What a call uploads is known by
        its content, so the folder goes through this process once, whoever asks for it.
        """
        return await self._folders.setdefault(path, Once(partial(self._uploaded, path)))()

    async def _uploaded(self, path: str) -> dagger.Directory:
        # Below the working directory: the engine takes nothing from elsewhere.
        name = f"folder-{uuid.uuid4().hex}"
        await self.tree.directory(path).export(name)
        return dag.current_module().workdir(name)

    async def ancestors(self) -> frozenset[str]:
        """Return the full hashes of the newest `HISTORY` ancestors of the commit."""
        # Only the history: the files stay where they are.
        history = self.repository.head().tree(depth=HISTORY).directory(".git")
        said = await _git(history, "rev-list", self.commit)
        return frozenset(said.split()) - {self.commit}

    async def log(self, form: str, *paths: str) -> str:
        """Return a line for each of the newest commits up to HEAD, or for those that changed these paths.

        Args:
            form: of a line, as for `git log --format`.
            paths: from the repository's root.
        """
        history = self.repository.head().tree(depth=LONG_HISTORY).directory(".git")
        return await _git(history, "log", f"--format={form}", self.commit, "--", *paths)

    @cached_property
    def committed_at(self) -> Once[dt.datetime]:
        """When the commit was made, in UTC: the one time that is the same in every build of it."""
        return Once(self._committed_at)

    async def _committed_at(self) -> dt.datetime:
        history = self.repository.head().tree(depth=1).directory(".git")
        said = await _git(history, "show", "--no-patch", "--format=%ct", self.commit)
        return dt.datetime.fromtimestamp(int(said), dt.UTC)

    async def changed_since(self, revision: str) -> frozenset[str]:
        """Return the paths that differ between a revision and the commit, or are not committed.

        Raises:
            SettingsError: the repository here does not have that revision.
        """
        # The whole of it: the revision may be a branch or a tag that HEAD does not contain.
        history = self.source.directory(".git")
        try:
            verify = ("rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
            since = (await _git(history, *verify)).strip()
            said = await _git(history, "diff", "--name-only", "--no-renames", "-z", since, self.commit)
        except (dagger.QueryError, CalledProcessError) as error:
            raise SettingsError(
                f"this repository has no revision {revision[:80]!r}",
                stage="config",
                next_command="git fetch --unshallow (in GitHub Actions: fetch-depth: 0), or another revision",
            ) from error
        return frozenset(filter(None, said.split("\0"))) | set(self.changes)

    async def branch(self, name: str, *, asked_by: str) -> dagger.Directory:
        """Return the files of a branch, the remote's as it was fetched last before a local one; no network.

        Args:
            name: the branch.
            asked_by: configuration key that names it, for the error.

        Raises:
            SettingsError: the repository here does not have that branch.
        """
        for ref in (f"refs/remotes/origin/{name}", f"refs/heads/{name}"):
            found = self.repository.ref(ref)
            try:
                await found.commit()
            except dagger.QueryError:
                continue
            return found.tree(discard_git_dir=True)
        raise SettingsError(
            f"this repository has no branch {name!r}, which {asked_by} names",
            next_command=f"git fetch origin {name} (in GitHub Actions: fetch-depth: 0)",
        )


async def _git(git_dir: dagger.Directory, *arguments: str) -> str:
    import anyio

    async with anyio.TemporaryDirectory(prefix="slipway-history-") as folder:
        await git_dir.export(folder)
        done = await anyio.run_process(
            ["git", "-c", f"safe.directory={folder}", f"--git-dir={folder}", *arguments],
            env={"PATH": os.environ["PATH"], "GIT_CONFIG_GLOBAL": "/dev/null", "HOME": folder},
        )
    return done.stdout.decode()


async def open_checkout(
    source: dagger.Directory, path: str, *, clean: bool, next_command: str, besides: str = ""
) -> Checkout:
    """Read commit, state and configuration of a repository.

    Args:
        source: the repository.
        path: where the configuration is in it.
        clean: refuse a folder with uncommitted changes, since a tag would lie about them.
        next_command: for the errors.
        besides: a file that may lie in the folder and is no part of what is worked on, such as a saved plan.

    Raises:
        SettingsError: no commit, a dirty folder, no configuration or a wrong one.
    """
    repository = source.as_git()
    head = repository.head()
    dirty = repository.uncommitted()
    commit = ""
    url = ""
    changes: list[str] = []

    async def read_commit() -> None:
        nonlocal commit
        try:
            commit = await head.commit()
        except dagger.QueryError as error:
            raise SettingsError(
                "this folder is not a git repository with a commit",
                stage="config",
                next_command="git init && git add . && git commit",
            ) from error

    async def read_changes() -> None:
        for part in (dirty.modified_paths(), dirty.added_paths(), dirty.removed_paths()):
            changes.extend(await part)

    async def read_url() -> None:
        nonlocal url
        try:
            text = await dirty.before().file(".git/config").contents()
        except dagger.QueryError:
            # A linked work tree keeps its settings elsewhere; the label is then left out.
            return
        found = REMOTE_URL.search(text)
        url = CREDENTIALS.sub("", found[1]) if found else ""

    await together(read_commit, read_changes, read_url)
    files = sorted(name for name in set(changes) - {besides} if not name.endswith("/"))
    if files and clean:
        listed = ", ".join(files[:LISTED]) + (" …" if len(files) > LISTED else "")
        raise SettingsError(
            f"{len(files)} uncommitted change(s): {listed}; the tag would name a commit without them",
            stage="config",
            next_command=f"git commit, or git stash; then {next_command}",
        )
    tree = dirty.after().without_directory(".git") if files else head.tree(discard_git_dir=True)
    config = await _read_config(tree, path, next_command)
    return Checkout(
        commit=commit,
        tree=tree,
        changes=tuple(files),
        config=config,
        url=url,
        source=source,
        repository=repository,
    )


async def _read_config(tree: dagger.Directory, path: str, next_command: str) -> "Config":
    from slipway_host.loader import load_config

    try:
        text = await tree.file(path).contents()
    except dagger.QueryError as error:
        raise SettingsError(
            f"the commit has no {path}",
            stage="config",
            next_command=f"write {path} (see docs/configuration.md), commit it, then {next_command}",
        ) from error
    try:
        return load_config(text, path=path)
    except SettingsError as error:
        raise error.at("config", next_command=f"correct {path}, commit, then {next_command}") from None
