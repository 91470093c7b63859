"""An account at a registry: who gets it, how often, and who never does."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
import trustme

from slipway_host import registry
from slipway_host.errors import (
    AccessDeniedError,
    ServiceUnavailableError,
    TerminalError,
)
from support.registry_double import (
    BASIC,
    BLOB,
    CONFIG,
    LABELS,
    USER,
    asks_for_basic,
    client,
    failure,
    find,
)
from support.registry_server import Asked, Registry, Reply

if TYPE_CHECKING:
    from pathlib import Path


async def test_basic_credentials_are_sent_when_asked_for(hub: Registry) -> None:
    hub.guard = asks_for_basic
    assert await find(hub)
    assert [asked.authorization for asked in hub.asked] == [None, BASIC, BASIC]


async def test_refused_credentials_are_sent_once_and_name_registry_and_user_only(
    hub: Registry,
) -> None:
    hub.guard = lambda _asked: Reply(401, headers={"WWW-Authenticate": 'Basic realm="registry"'})
    async with client(hub) as asking:
        for _ in range(2):
            with pytest.raises(AccessDeniedError) as caught:
                await asking.find("acme/api", "0a1b2c3d")
            assert hub.host in caught.value.cause
            assert USER in caught.value.cause
    # The first time they were tried; the second time the 401 was an answer to them.
    assert [asked.authorization for asked in hub.asked] == [None, BASIC, BASIC]


async def test_403_is_not_tried_again(hub: Registry) -> None:
    hub.guard = lambda _asked: Reply(403)
    await failure(hub, AccessDeniedError)
    assert len(hub.asked) == 1


class Tokens:
    """A token server; `good` says which tokens the registry takes at the moment."""

    def __init__(self, hub: Registry) -> None:
        self.hub = hub
        self.issued = 0
        self.good: set[str] = set()
        self.key = "token"
        self.failing: list[Reply] = []

    def __call__(self, asked: Asked) -> Reply | None:
        if asked.path == "/token":
            if self.failing:
                return self.failing.pop(0)
            self.issued += 1
            token = f"{asked.query['scope'][0]}#{self.issued}"
            self.good.add(token)
            return Reply(body=json.dumps({self.key: token}).encode())
        token = (asked.authorization or "").removeprefix("Bearer ")
        repository = asked.path.removeprefix("/v2/").partition("/manifests")[0].partition("/blobs")[0]
        if token in self.good and token.startswith(f"repository:{repository}:pull"):
            return None
        realm = f'Bearer realm="https://{self.hub.host}/token",service="registry"'
        return Reply(401, headers={"WWW-Authenticate": realm})


@pytest.mark.parametrize("key", ["token", "access_token"])
async def test_a_token_is_fetched_with_the_account_and_then_used(hub: Registry, key: str) -> None:
    hub.guard = tokens = Tokens(hub)
    tokens.key = key
    assert await find(hub)
    assert tokens.issued == 1
    by_path = {asked.path: asked for asked in hub.asked}
    assert by_path["/token"].authorization == BASIC
    assert by_path["/token"].query["service"] == ["registry"]
    assert by_path[BLOB].authorization == "Bearer repository:acme/api:pull#1"


async def test_a_token_that_expired_during_the_build_is_renewed(hub: Registry) -> None:
    hub.guard = tokens = Tokens(hub)
    async with client(hub) as asking:
        assert await asking.find("acme/api", "0a1b2c3d")
        tokens.good.clear()
        assert await asking.find("acme/api", "0a1b2c3d")
    assert tokens.issued == 2


async def test_each_repository_has_a_token_of_its_own(hub: Registry) -> None:
    hub.guard = tokens = Tokens(hub)
    hub.replies["/v2/acme/ui/manifests/0a1b2c3d"] = [Reply(body=b'{"manifests": []}')]
    async with client(hub) as asking:
        assert await asking.find("acme/api", "0a1b2c3d")
        assert await asking.find("acme/ui", "0a1b2c3d")
        assert await asking.find("acme/api", "0a1b2c3d")
    assert tokens.issued == 2


async def test_a_busy_token_server_is_no_refusal(hub: Registry) -> None:
    hub.guard = tokens = Tokens(hub)
    tokens.failing = [Reply(503), Reply(429)]
    assert await find(hub)


async def test_a_token_server_that_refuses_is_asked_once(hub: Registry) -> None:
    hub.guard = tokens = Tokens(hub)
    tokens.failing = [Reply(401), Reply(401)]
    assert USER in (await failure(hub, AccessDeniedError)).cause
    assert hub.times("/token") == 1


async def test_a_token_server_without_a_token_is_an_error(hub: Registry) -> None:
    hub.guard = tokens = Tokens(hub)
    tokens.failing = [Reply(body=b"{}")]
    await failure(hub, TerminalError)


async def test_the_account_is_never_sent_to_a_token_server_without_tls(hub: Registry) -> None:
    realm = 'Bearer realm="http://127.0.0.1:1/token"'
    hub.guard = lambda _asked: Reply(401, headers={"WWW-Authenticate": realm})
    assert "plain HTTP" in (await failure(hub, TerminalError)).cause
    assert [asked.authorization for asked in hub.asked] == [None]


async def test_credentials_stay_here_when_a_blob_is_elsewhere(hub: Registry) -> None:
    hub.guard = lambda asked: None if asked.path == "/elsewhere" else asks_for_basic(asked)
    hub.replies[BLOB] = [Reply(307, headers={"Location": f"https://{hub.host}/elsewhere"})]
    hub.replies["/elsewhere"] = [Reply(body=CONFIG)]
    found = await find(hub)
    assert found
    assert found.variants[0].labels == LABELS
    assert [a.authorization for a in hub.asked if a.path == "/elsewhere"] == [None]


async def test_nobody_at_the_address_is_said_so(hub: Registry) -> None:
    hub.host = "127.0.0.1:1"
    assert "127.0.0.1:1" in (await failure(hub, ServiceUnavailableError)).cause


async def test_an_unknown_authority_ends_it_at_the_first_try(
    hub: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stranger = tmp_path / "stranger.pem"
    trustme.CA().cert_pem.write_to_path(str(stranger))
    monkeypatch.setenv("SSL_CERT_FILE", str(stranger))
    tries = 0

    def count(_state: object) -> float:
        nonlocal tries
        tries += 1
        return 0

    monkeypatch.setattr(registry, "_BACKOFF", count)
    assert "vouches" in (await failure(hub, TerminalError)).cause
    assert tries == 0
