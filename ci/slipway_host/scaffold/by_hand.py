"""`slipway-host init` and `slipway-host init-gitops`: the scaffold, written in place."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from anyio import to_thread

from slipway_host import selection
from slipway_host.errors import SettingsError
from slipway_host.loader import load_config
from slipway_host.scaffold import gitops_repository, repository
from slipway_host.scaffold.tree import Tree
from slipway_host.source import CREDENTIALS

if TYPE_CHECKING:
    import argparse

    from slipway_host.scaffold.outcome import Outcome

COMMANDS = ("init", "init-gitops")
TOOL = "slipway-host"
ORIGIN = re.compile(r'\[remote "origin"\][^\[]*?\burl\s*=\s*(\S+)')


async def run(options: argparse.Namespace) -> str:
    """Write what is missing, and return what was written and what to do next.

    Raises:
        SettingsError: something is missing that nothing here tells; nothing was written.
    """
    call = _service if options.command == "init" else _gitops
    return await to_thread.run_sync(partial(call, options))


def _service(options: argparse.Namespace) -> str:
    root = _folder(options.folder)
    wishes = repository.Wishes(
        registry=options.registry,
        gitops=options.gitops,
        namespace=options.namespace,
        name=options.name,
        blueprint=options.blueprint,
        script=options.script,
        tool=TOOL,
    )
    branch = repository.branch_of(_git(root, "HEAD"))
    outcome = repository.scaffold(Tree(root), wishes, folder=root.name, origin=origin(root), branch=branch)
    return _written(outcome, root)


def _gitops(options: argparse.Namespace) -> str:
    path, root = Path(options.config), _folder(options.folder)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(
            f"{path} cannot be read: {type(error).__name__}",
            next_command=f"{TOOL} init, in the service's repository",
        ) from None
    config = load_config(text, path=str(path))
    outcome = gitops_repository.scaffold(
        Tree(root),
        config,
        environment=options.environment or "dev",
        services=selection.select(config, options.service),
        project=options.project,
        tool=TOOL,
    )
    return _written(outcome, root)


def _folder(name: str) -> Path:
    root = Path(name).absolute()
    if not root.is_dir():
        raise SettingsError(
            f"{name} is no folder", next_command="clone the repository there, then run the same command"
        )
    return root.resolve()


def _written(outcome: Outcome, root: Path) -> str:
    try:
        outcome.write(root)
    except OSError as error:
        raise SettingsError(f"{root} cannot be written to: {type(error).__name__}") from error
    return outcome.report()


def origin(root: Path) -> str:
    """Return the address of a repository's remote `origin` without credentials, "" where there is none."""
    found = ORIGIN.search(_git(root, "config"))
    return CREDENTIALS.sub("", found[1]) if found else ""


def _git(root: Path, name: str) -> str:
    """Return a file of Git's own, "" where there is none: no repository yet, or a work tree of another."""
    try:
        return (root / ".git" / name).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""
