"""Makes an application of a file's own: service repository, GitOps folder, Argo CD Application."""

import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from slipway_lab import argocd, command, demo, gitserver, lab
from slipway_lab.kubernetes import kubectl
from slipway_lab.layout import Layout
from support.app import App


@pytest.fixture(scope="session")
def module(layout: Layout) -> str:
    """Publish the module as it stands, and return its repository, which the examples' `blueprint` names."""
    demo.publish_module(layout)
    return demo.MODULE


def _change_gitops(layout: Layout, scratch: Path, name: str, *, remove: bool) -> None:
    """Add or remove an application's folder, as its team would: by a commit on main."""
    bare = gitserver.repository(layout, argocd.GITOPS)
    work = scratch / "gitops"
    shutil.rmtree(work, ignore_errors=True)
    command.run(["git", "clone", "--quiet", bare, work])
    folder = work / "apps" / name
    if remove:
        shutil.rmtree(folder)
    else:
        shutil.copytree(lab.SEED / "apps" / demo.SERVICE, folder)
        for file in folder.iterdir():
            text = file.read_text().replace("game-stats-api", name)
            file.write_text(text.replace("namespace: game-stats", f"namespace: {name}"))
    git: list[str | Path] = ["git", "-C", work, "-c", "user.name=t", "-c", "user.email=t@t.invalid"]
    command.run([*git, "add", "--all"])
    command.run([*git, "commit", "--quiet", "--message", f"{'Remove' if remove else 'Add'} {name}"])
    command.run([*git, "push", "--quiet", "origin", "HEAD:main"])


@pytest.fixture(scope="module")
def app(layout: Layout, module: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """One application for the tests of a file, which run in their order as one journey."""
    name = f"j{secrets.token_hex(4)}"
    scratch = tmp_path_factory.mktemp(name)
    source = scratch / "source"
    shutil.copytree(demo.EXAMPLE, source)
    config = source / "slipway.yaml"
    text = config.read_text().replace("game-stats-api", name)
    config.write_text(text.replace("namespace: game-stats", f"namespace: {name}"))
    assert module in (source / "dagger.json").read_text()
    folder = demo.checkout(layout, source, name=name)
    _change_gitops(layout, scratch, name, remove=False)
    application = (lab.SEED / "apps" / demo.SERVICE / "app.yaml").read_text()
    application = application.replace("game-stats-api", name)
    application = application.replace("namespace: game-stats", f"namespace: {name}")
    kubectl(layout, "apply", "--server-side", "-f", "-", stdin=application)
    yield App(name, layout, folder)
    _change_gitops(layout, scratch, name, remove=True)
    kubectl(layout, "-n", "argocd", "delete", "application", name, "--timeout=60s")
    kubectl(layout, "delete", "namespace", name, "--ignore-not-found", "--wait=false")
    drop = f"DROP DATABASE IF EXISTS {name} WITH (FORCE); DROP ROLE IF EXISTS {name}"
    psql = ["psql", "-U", "postgres", "-v", "ON_ERROR_STOP=1"]
    password = 'read -r PGPASSWORD; export PGPASSWORD; exec "$@"'
    kubectl(
        layout,
        *("-n", "infra", "exec", "-i", "postgresql-0", "--", "sh", "-c", password, "sh", *psql),
        stdin=(layout.credentials / "postgres").read_text() + "\n" + drop.replace(";", ";\n") + ";\n",
    )
    shutil.rmtree(folder)
