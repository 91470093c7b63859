"""What several of the host side's tests start from."""

import ssl
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import trustme
from tenacity import wait_none

from slipway_host import branch_writer, creation, kube_session, kube_watch, proposal, registry
from slipway_host.kube import KubeClient
from support.api_server import ApiServer, api_server
from support.git_work import work_tree
from support.gitops_remote import Remote
from support.kube import FakeKube
from support.registry_double import BLOB, CONFIG, MANIFEST, TAG
from support.registry_server import Registry, Reply, registry_server


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


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """A work tree beside `remote.git`."""
    return work_tree(tmp_path)


@pytest.fixture
def remote(tmp_path: Path) -> Remote:
    """A GitOps repository of files, where a push is visible at once."""
    return Remote(tmp_path)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (branch_writer, proposal):
        monkeypatch.setattr(module, "LOOKS_S", (0.02, 0.02, 0.02))


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def hub(authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Registry]:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    bundle = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(bundle))
    monkeypatch.setenv("SSL_CERT_FILE", str(bundle))
    monkeypatch.setattr(registry, "_BACKOFF", wait_none())
    with registry_server(context) as server:
        server.replies = {TAG: [Reply(body=MANIFEST)], BLOB: [Reply(body=CONFIG)]}
        yield server
