"""Markers follow folders, so that no test can be in the wrong set by mistake."""

import os
import secrets
import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from slipway_host.kube import KubeClient
from slipway_host.settings import PostgresSettings
from slipway_lab import lab as lab_parts
from slipway_lab.kubernetes import kubeconfig_path, kubectl
from slipway_lab.layout import Layout

ROOT = Path(__file__).parent


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        folder = item.path.relative_to(ROOT).parts[0]
        if folder in {"integration", "e2e", "chaos"}:
            item.add_marker(getattr(pytest.mark, folder))


@pytest.fixture(scope="session")
def layout() -> Iterator[Layout]:
    """The running lab, whose authority this process and its children trust from here on."""
    found = Layout.default()
    missing = [name for name, works, _ in lab_parts.status(found) if not works]
    if missing:
        pytest.fail(f"the lab lacks {', '.join(missing)}: run make lab-up", pytrace=False)
    before = dict(os.environ)
    os.environ.update(lab_parts.variables(found))
    yield found
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture
def handshakes(monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    """Count the TLS handshakes from here on, by OpenSSL's own word."""
    made: list[ssl.SSLContext] = []
    make = ssl.create_default_context

    def create(**how: Any) -> ssl.SSLContext:
        made.append(make(**how))
        return made[-1]

    monkeypatch.setattr(ssl, "create_default_context", create)
    return lambda: sum(context.session_stats()["connect"] for context in made)


@pytest.fixture
def run_id() -> str:
    """Name of this test's own things: a valid namespace, database part, branch and application."""
    return f"t{secrets.token_hex(4)}"


@pytest.fixture
def postgres() -> PostgresSettings:
    """The lab's server; without a password, which is then read from the cluster's Secret (R34)."""
    return PostgresSettings(
        namespace="infra",
        selector="app.kubernetes.io/name=postgresql",
        container="postgresql",
        host="postgresql.infra.svc.cluster.local",
        port=5432,
        admin_user="postgres",
        secret="postgresql",
    )


@pytest.fixture
async def kube(layout: Layout) -> AsyncIterator[KubeClient]:
    text = kubeconfig_path(layout, "deployer").read_text()
    async with await KubeClient.connect(SecretStr(text)) as client:
        yield client


@pytest.fixture
def namespace(layout: Layout, run_id: str) -> Iterator[str]:
    """A namespace name of this test's own; whatever is in it goes at the end."""
    yield run_id
    kubectl(layout, "delete", "namespace", run_id, "--ignore-not-found", "--wait=false")
