"""Clients of the lab's real services, with the accounts that the pipeline has there."""

import shutil
from collections.abc import Iterator

import pytest
from pydantic import SecretStr

from slipway_host.settings import GitSettings, RegistrySettings
from slipway_lab import credentials, gitserver
from slipway_lab.layout import GIT, REGISTRY, Layout
from support.worlds import Worlds


@pytest.fixture(scope="module")
def worlds(request: pytest.FixtureRequest, layout: Layout) -> Iterator[Worlds]:
    """The worlds that a file names in `WORLDS`, all made at once."""
    made = Worlds(layout, request.module.WORLDS)
    try:
        made.up()
        yield made
    finally:
        made.down()


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
