"""What a registry has and how it is asked, for unit tests."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import TYPE_CHECKING, TypeVar

import pytest
from pydantic import SecretStr

from slipway_host.errors import (
    DeliveryError,
    TerminalError,
)
from slipway_host.registry import RegistryClient
from slipway_host.settings import RegistrySettings
from support.registry_server import Asked, Registry, Reply

if TYPE_CHECKING:
    from slipway_host.remote_image import RemoteImage

USER, PASSWORD = "robot", "canary-4711"
BASIC = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()


def digest_of(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


LABELS = {"org.opencontainers.image.revision": "a" * 40}


def config_of(architecture: str, labels: dict[str, str]) -> bytes:
    return json.dumps({"os": "linux", "architecture": architecture, "config": {"Labels": labels}}).encode()


def manifest_of(config: bytes) -> bytes:
    return json.dumps({"schemaVersion": 2, "config": {"digest": digest_of(config)}}).encode()


CONFIG = config_of("amd64", LABELS)
MANIFEST = manifest_of(CONFIG)
TAG = "/v2/acme/api/manifests/0a1b2c3d"
BLOB = f"/v2/acme/api/blobs/{digest_of(CONFIG)}"


E = TypeVar("E", bound=DeliveryError)


def client(hub: Registry) -> RegistryClient:
    settings = RegistrySettings(host=hub.host, username=USER, password=SecretStr(PASSWORD))
    return RegistryClient(settings)


async def find(hub: Registry, tag: str = "0a1b2c3d") -> RemoteImage | None:
    async with client(hub) as asking:
        return await asking.find("acme/api", tag)


async def failure(hub: Registry, kind: type[E]) -> E:
    with pytest.raises(kind) as caught:
        await find(hub)
    assert type(caught.value) is kind or kind is not TerminalError
    for secret in (PASSWORD, BASIC.removeprefix("Basic ")):
        assert secret not in str(caught.value)
        assert secret not in repr(caught.value.__cause__)
    return caught.value


def asks_for_basic(asked: Asked) -> Reply | None:
    if asked.authorization == BASIC:
        return None
    return Reply(401, headers={"WWW-Authenticate": 'Basic realm="registry"'})
