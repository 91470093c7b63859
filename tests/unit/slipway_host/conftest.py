"""What several of the host side's tests start from."""

from collections.abc import AsyncIterator, Iterator

import pytest
from tenacity import wait_none

from slipway_host import creation, kube_session, kube_watch
from slipway_host.kube import KubeClient
from support.api_server import ApiServer, api_server
from support.kube import FakeKube


@pytest.fixture
def kube(monkeypatch: pytest.MonkeyPatch) -> FakeKube:
    monkeypatch.setattr(creation, "wait_random_exponential", lambda **_: wait_none())
    return FakeKube()


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> Iterator[ApiServer]:
    monkeypatch.setattr(kube_session, "wait_random_exponential", lambda **_: wait_none())
    monkeypatch.setattr(kube_watch, "RELIST_S", (0, 0))
    with api_server() as server:
        yield server


@pytest.fixture
async def client(served: ApiServer) -> AsyncIterator[KubeClient]:
    async with await KubeClient.connect(served.kubeconfig()) as connected:
        yield connected
