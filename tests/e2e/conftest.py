"""Makes an application of a file's own: service repository, GitOps folder, Argo CD Application."""

import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from slipway_lab import demo, lab
from slipway_lab.kubernetes import kubectl
from slipway_lab.layout import Layout
from support import administrator, shared_gitops
from support.app import RECEIPTS, App
from support.lanes import pytest_addoption, pytest_configure

__all__ = ["pytest_addoption", "pytest_configure"]  # hooks, for pytest to find


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
        shared_gitops.change(self.layout, self._add, f"Add {', '.join(self.renamed.values())}")
        for old in self.renamed:
            application = self.text((lab.SEED / "apps" / old / "app.yaml").read_text())
            kubectl(self.layout, "apply", "--server-side", "-f", "-", stdin=application)

    def _add(self, work: Path) -> None:
        for old, new in self.renamed.items():
            folder = work / "apps" / new
            shutil.copytree(lab.SEED / "apps" / old, folder)
            for file in folder.iterdir():
                file.write_text(self.text(file.read_text()))

    def down(self) -> None:
        """Remove all of it again."""
        names = list(self.renamed.values())
        for branch in shared_gitops.branches(self.layout, "main", RECEIPTS):
            shared_gitops.change(self.layout, self._remove, f"Remove {', '.join(names)}", branch=branch)
        # The root Application may have been quicker.
        gone = ("--ignore-not-found", "--timeout=90s")
        kubectl(self.layout, "-n", "argocd", "delete", "application", *names, *gone)
        kubectl(self.layout, "delete", "namespace", self.namespace, "--ignore-not-found", "--wait=false")
        administrator.drop(self.layout, *(name.replace("-", "_") for name in names))

    def _remove(self, work: Path) -> None:
        for name in self.renamed.values():
            # A run that kept no receipt has no folder there.
            shutil.rmtree(work / "apps" / name, ignore_errors=True)


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
