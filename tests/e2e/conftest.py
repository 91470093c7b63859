"""Makes an application of a file's own: service repository, GitOps folder, Argo CD Application."""

import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from slipway_lab import argocd, command, demo, gitserver, lab
from slipway_lab.errors import LabError
from slipway_lab.kubernetes import kubectl
from slipway_lab.layout import Layout
from support.app import RECEIPTS, App
from support.sql import drop


@pytest.fixture(scope="session")
def module(layout: Layout) -> str:
    """Publish the module as it stands, and return its repository, which the examples' `blueprint` names."""
    demo.publish_module(layout)
    return demo.MODULE


@dataclass(frozen=True)
class World:
    """Applications of a test file's own, made from the examples by renaming.

    Args:
        layout: the lab.
        scratch: folder for work trees.
        namespace: of the applications.
        renamed: application in the examples → its name here.
        texts: what else is replaced in every file of the GitOps folders and in `slipway.yaml`.
    """

    layout: Layout
    scratch: Path
    namespace: str
    renamed: dict[str, str]
    texts: dict[str, str]

    def text(self, found: str) -> str:
        for old, new in {**self.renamed, **self.texts}.items():
            found = found.replace(old, new)
        return found

    def checkout(self, example: Path, name: str) -> Path:
        """Return a service repository made from an example."""
        source = self.scratch / "source"
        shutil.copytree(example, source)
        config = source / "slipway.yaml"
        config.write_text(self.text(config.read_text()))
        return demo.checkout(self.layout, source, name=name)

    def up(self) -> None:
        """Add the applications' folders to the GitOps repository, and the Applications to Argo CD."""
        work = self._clone()
        for old, new in self.renamed.items():
            folder = work / "apps" / new
            shutil.copytree(lab.SEED / "apps" / old, folder)
            for file in folder.iterdir():
                file.write_text(self.text(file.read_text()))
            application = (folder / "app.yaml").read_text()
            kubectl(self.layout, "apply", "--server-side", "-f", "-", stdin=application)
        self._push(work, "Add")

    def down(self) -> None:
        """Remove all of it again."""
        work = self._clone()
        for name in self.renamed.values():
            shutil.rmtree(work / "apps" / name)
        self._push(work, "Remove")
        self._forget_receipts(work)
        applications = ("application", *self.renamed.values())
        kubectl(self.layout, "-n", "argocd", "delete", *applications, "--timeout=90s")
        kubectl(self.layout, "delete", "namespace", self.namespace, "--ignore-not-found", "--wait=false")
        drop(self.layout, *self.renamed.values())

    def _forget_receipts(self, work: Path) -> None:
        """Remove what runs have kept, on top of what others keep meanwhile."""
        git: list[str | Path] = ["git", "-C", work, "-c", "user.name=t", "-c", "user.email=t@t.invalid"]
        for _ in range(10):
            command.run([*git, "fetch", "--quiet", "origin"])
            there = command.run([*git, "ls-remote", "origin", f"refs/heads/{RECEIPTS}"])
            if not there:
                return
            command.run([*git, "checkout", "--quiet", "-B", RECEIPTS, f"origin/{RECEIPTS}"])
            folders = [f"apps/{name}" for name in self.renamed.values() if (work / "apps" / name).exists()]
            if not folders:
                return
            command.run([*git, "rm", "-r", "--quiet", *folders])
            command.run([*git, "commit", "--quiet", "--message", "Remove"])
            with suppress(LabError):
                command.run([*git, "push", "--quiet", "origin", RECEIPTS])
                return

    def _clone(self) -> Path:
        work = self.scratch / "gitops"
        shutil.rmtree(work, ignore_errors=True)
        bare = gitserver.repository(self.layout, argocd.GITOPS)
        command.run(["git", "clone", "--quiet", bare, work])
        return work

    def _push(self, work: Path, verb: str) -> None:
        git: list[str | Path] = ["git", "-C", work, "-c", "user.name=t", "-c", "user.email=t@t.invalid"]
        command.run([*git, "add", "--all"])
        message = f"{verb} {', '.join(self.renamed.values())}"
        command.run([*git, "commit", "--quiet", "--message", message])
        command.run([*git, "push", "--quiet", "origin", "HEAD:main"])


@contextmanager
def _world(layout: Layout, scratch: Path, name: str, renamed: dict[str, str]) -> Iterator[World]:
    texts = {"namespace: game-stats\n": f"namespace: {name}\n", "game_stats_api": f"{name}_api"}
    world = World(layout, scratch, name, renamed, texts)
    world.up()
    try:
        yield world
    finally:
        world.down()


@pytest.fixture(scope="module")
def app(layout: Layout, module: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """One application for the tests of a file, which run in their order as one journey."""
    name = f"j{secrets.token_hex(4)}"
    assert module in (demo.EXAMPLE / "dagger.json").read_text()
    with _world(layout, tmp_path_factory.mktemp(name), name, {demo.SERVICE: name}) as world:
        folder = world.checkout(demo.EXAMPLE, name)
        yield App(name, layout, folder)
        shutil.rmtree(folder)


@pytest.fixture(scope="module")
def shop(layout: Layout, module: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """A monorepo of three services, `<name>-api`, `<name>-ui` and `<name>-worker` in namespace `<name>`."""
    name = f"m{secrets.token_hex(4)}"
    monorepo = demo.EXAMPLE.parent
    assert module in (monorepo / "dagger.json").read_text()
    renamed = {f"game-stats-{part}": f"{name}-{part}" for part in ("api", "ui", "worker")}
    with _world(layout, tmp_path_factory.mktemp(name), name, renamed) as world:
        folder = world.checkout(monorepo, name)
        yield App(name, layout, folder)
        shutil.rmtree(folder)
