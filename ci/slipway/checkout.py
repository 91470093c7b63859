"""What a call works on: the commit, its files, and the configuration that is in them."""

import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import dagger

from slipway_host.errors import SettingsError
from slipway_host.settings import SHORT_HASH
from slipway_host.together import together

if TYPE_CHECKING:
    from slipway_host.config import Config, Service

REMOTE_URL = re.compile(r'\[remote "origin"\][^\[]*?\burl\s*=\s*(\S+)')
CREDENTIALS = re.compile(r"(?<=://)[^/@]*@")
LISTED = 5
HISTORY = 1000
"""Commits that tell a newer deploy from an older one."""


@dataclass(frozen=True, kw_only=True)
class Checkout:
    """One commit of the services' repository.

    Args:
        commit: full hash of HEAD.
        tree: files to work on; HEAD's, or the working folder's where that is allowed and dirty.
        changes: paths that differ from HEAD, empty for a clean folder.
        config: the parsed `slipway.yaml` of `tree`.
        url: address of the remote `origin` without credentials, or "".
        head: HEAD itself, for its history.
    """

    commit: str
    tree: dagger.Directory
    changes: tuple[str, ...]
    config: "Config"
    url: str
    head: dagger.GitRef

    @property
    def tag(self) -> str:
        """Tag of this commit's images; marked where the folder is dirty."""
        short = self.commit[:SHORT_HASH]
        return f"{short}-dirty" if self.changes else short

    def service(self, name: str) -> tuple[str, "Service"]:
        """Return one service; without a name, the only one there is."""
        from slipway_host.loader import find_service

        return find_service(self.config, name)

    async def ancestors(self) -> frozenset[str]:
        """Return the full hashes of the newest `HISTORY` ancestors of the commit."""
        import anyio

        # Only the history: the files stay where they are.
        history = self.head.tree(depth=HISTORY).directory(".git")
        async with anyio.TemporaryDirectory(prefix="slipway-history-") as folder:
            await history.export(folder)
            done = await anyio.run_process(
                ["git", f"--git-dir={folder}", "rev-list", self.commit],
                env={"PATH": os.environ["PATH"], "GIT_CONFIG_GLOBAL": "/dev/null", "HOME": folder},
            )
        return frozenset(done.stdout.decode().split()) - {self.commit}


async def open_checkout(source: dagger.Directory, path: str, *, clean: bool, next_command: str) -> Checkout:
    """Read commit, state and configuration of a repository.

    Args:
        source: the repository.
        path: where the configuration is in it.
        clean: refuse a folder with uncommitted changes, since a tag would lie about them.
        next_command: for the errors.

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
    files = sorted(name for name in set(changes) if not name.endswith("/"))
    if files and clean:
        listed = ", ".join(files[:LISTED]) + (" …" if len(files) > LISTED else "")
        raise SettingsError(
            f"{len(files)} uncommitted change(s): {listed}; the tag would name a commit without them",
            stage="config",
            next_command=f"git commit, or git stash; then {next_command}",
        )
    tree = dirty.after().without_directory(".git") if files else head.tree(discard_git_dir=True)
    config = await _read_config(tree, path, next_command)
    return Checkout(commit=commit, tree=tree, changes=tuple(files), config=config, url=url, head=head)


async def _read_config(tree: dagger.Directory, path: str, next_command: str) -> "Config":
    from slipway_host.loader import load_config

    try:
        text = await tree.file(path).contents()
    except dagger.QueryError as error:
        raise SettingsError(
            f"the commit has no {path}",
            stage="config",
            next_command=f"write {path} (the README shows one), commit it, then {next_command}",
        ) from error
    try:
        return load_config(text, path=path)
    except SettingsError as error:
        raise error.at("config", next_command=f"correct {path}, commit, then {next_command}") from None
