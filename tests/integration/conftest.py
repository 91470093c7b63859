"""Clients of the lab's real services, with the accounts that the pipeline has there."""

import shutil
from collections.abc import AsyncIterator, Iterator

import pytest
from pydantic import SecretStr

from slipway_host.kube import KubeClient
from slipway_host.settings import GitSettings, PostgresSettings, RegistrySettings
from slipway_lab import credentials, gitserver
from slipway_lab.kubernetes import kubeconfig_path, kubectl
from slipway_lab.layout import GIT, REGISTRY, Layout


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


@pytest.fixture
def registry(layout: Layout) -> RegistrySettings:
    password = SecretStr(credentials.read(layout, "registry"))
    return RegistrySettings(host=REGISTRY, username=credentials.REGISTRY_USER, password=password)


@pytest.fixture
def gitops(layout: Layout, run_id: str) -> Iterator[GitSettings]:
    """A GitOps repository of this test's own on the lab's git server, with one application."""
    name = f"mosuon/{run_id}"
    source = layout.run / run_id
    (source / "apps" / "api").mkdir(parents=True)
    (source / "apps" / "api" / "values.yaml").write_text('image:\n  tag: ""  # kept\nreplicaCount: 2\n')
    gitserver.publish(layout, name, source, message="seed")
    token = SecretStr(credentials.read(layout, "git-writer"))
    yield GitSettings(url=f"{GIT}/{name}.git", branch="main", username=credentials.GIT_WRITER, token=token)
    shutil.rmtree(source)
    shutil.rmtree(gitserver.repository(layout, name))
