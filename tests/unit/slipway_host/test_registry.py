"""What a tag means, asked of a registry that is slow, busy, suspicious or wrong."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import json
import ssl
from email.utils import format_datetime
from typing import TYPE_CHECKING, TypeVar

import anyio
import pytest
import trustme
from pydantic import SecretStr
from tenacity import wait_none

from slipway_host import registry
from slipway_host.errors import (
    AccessDeniedError,
    DeliveryError,
    NotFoundError,
    ServiceUnavailableError,
    TerminalError,
)
from slipway_host.registry import RegistryClient
from slipway_host.remote_image import RemoteImage, Variant
from slipway_host.settings import RegistrySettings
from support.registry_server import Asked, Registry, Reply, registry_server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

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


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def served(authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Registry]:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    bundle = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(bundle))
    monkeypatch.setenv("SSL_CERT_FILE", str(bundle))
    monkeypatch.setattr(registry, "_BACKOFF", wait_none())
    with registry_server(context) as server:
        server.replies = {TAG: [Reply(body=MANIFEST)], BLOB: [Reply(body=CONFIG)]}
        yield server


def client(served: Registry) -> RegistryClient:
    settings = RegistrySettings(host=served.host, username=USER, password=SecretStr(PASSWORD))
    return RegistryClient(settings)


async def find(served: Registry, tag: str = "0a1b2c3d") -> RemoteImage | None:
    async with client(served) as asking:
        return await asking.find("acme/api", tag)


async def failure(served: Registry, kind: type[E]) -> E:
    with pytest.raises(kind) as caught:
        await find(served)
    assert type(caught.value) is kind or kind is not TerminalError
    for secret in (PASSWORD, BASIC.removeprefix("Basic ")):
        assert secret not in str(caught.value)
        assert secret not in repr(caught.value.__cause__)
    return caught.value


def asks_for_basic(asked: Asked) -> Reply | None:
    if asked.authorization == BASIC:
        return None
    return Reply(401, headers={"WWW-Authenticate": 'Basic realm="registry"'})


async def test_a_tag_is_its_digest_its_config_and_its_labels(served: Registry) -> None:
    one = Variant(
        platform="linux/amd64", digest=digest_of(MANIFEST), image_id=digest_of(CONFIG), labels=LABELS
    )
    assert await find(served) == RemoteImage(digest=digest_of(MANIFEST), variants=(one,))


def serve_index(served: Registry, arm_labels: dict[str, str]) -> tuple[bytes, bytes]:
    """Put an index under the tag: amd64, arm64 and BuildKit's attestation; return it and arm64's manifest."""
    config = config_of("arm64", arm_labels)
    manifest = manifest_of(config)
    entries = [
        {"digest": digest_of(MANIFEST), "platform": {"os": "linux", "architecture": "amd64"}},
        {"digest": digest_of(manifest), "platform": {"os": "linux", "architecture": "arm64"}},
        {"digest": digest_of(b"-"), "platform": {"os": "unknown", "architecture": "unknown"}},
    ]
    index = json.dumps({"schemaVersion": 2, "manifests": entries}).encode()
    served.replies[TAG] = [Reply(body=index)]
    for body in (MANIFEST, manifest):
        served.replies[f"/v2/acme/api/manifests/{digest_of(body)}"] = [Reply(body=body)]
    served.replies[f"/v2/acme/api/blobs/{digest_of(config)}"] = [Reply(body=config)]
    return index, manifest


async def test_an_index_is_its_digest_and_the_images_in_it(served: Registry) -> None:
    index, manifest = serve_index(served, LABELS)
    found = await find(served)
    assert found
    assert found.digest == digest_of(index)
    assert [variant.platform for variant in found.variants] == ["linux/amd64", "linux/arm64"]
    assert found.manifests == {digest_of(MANIFEST), digest_of(manifest)}
    assert len(found.image_ids) == 2
    assert found.labelled("org.opencontainers.image.revision") == {"a" * 40}


async def test_platforms_of_two_commits_are_seen_as_such(served: Registry) -> None:
    serve_index(served, {})
    found = await find(served)
    assert found
    assert found.labelled("org.opencontainers.image.revision") == {"a" * 40, ""}


async def test_a_manifest_that_is_not_what_the_index_names_is_refused(served: Registry) -> None:
    _, manifest = serve_index(served, LABELS)
    path = f"/v2/acme/api/manifests/{digest_of(manifest)}"
    served.replies[path] = [Reply(body=MANIFEST)]
    assert digest_of(manifest) in (await failure(served, TerminalError)).cause
    del served.replies[path]
    assert digest_of(manifest) in (await failure(served, NotFoundError)).cause


async def test_a_tag_that_is_not_there_is_none(served: Registry) -> None:
    assert await find(served, "11111111") is None


async def test_a_manifest_whose_config_is_gone_is_an_error_and_not_none(served: Registry) -> None:
    del served.replies[BLOB]
    await failure(served, NotFoundError)


async def test_bytes_that_are_not_what_the_registry_calls_them_are_refused(served: Registry) -> None:
    served.replies[TAG] = [Reply(body=MANIFEST, headers={"Docker-Content-Digest": digest_of(b"other")})]
    assert digest_of(MANIFEST) in (await failure(served, TerminalError)).cause


async def test_a_config_that_is_not_what_the_manifest_names_is_refused(served: Registry) -> None:
    served.replies[BLOB] = [Reply(body=b'{"config": {"Labels": {"a": "forged"}}}')]
    assert digest_of(CONFIG) in (await failure(served, TerminalError)).cause


@pytest.mark.parametrize("body", [b"<html>please log in</html>", b"[]", b""])
async def test_an_answer_that_is_no_manifest_is_an_error_that_quotes_it(
    served: Registry, body: bytes
) -> None:
    served.replies[TAG] = [Reply(body=body)]
    assert body.decode() in (await failure(served, TerminalError)).cause


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
async def test_a_busy_registry_is_asked_again(served: Registry, status: int) -> None:
    served.replies[TAG] = [*[Reply(status)] * 4, Reply(body=MANIFEST)]
    assert await find(served)
    assert served.times(TAG) == 5


@pytest.mark.parametrize("status", [429, 503])
async def test_a_registry_that_stays_busy_is_left_after_five_tries(served: Registry, status: int) -> None:
    served.replies[TAG] = [Reply(status)]
    assert str(status) in (await failure(served, ServiceUnavailableError)).cause
    assert served.times(TAG) == 5


@pytest.mark.parametrize("cut", [0, 1, 30, len(MANIFEST) - 1])
async def test_an_answer_that_is_cut_off_is_fetched_again(served: Registry, cut: int) -> None:
    served.replies[TAG] = [Reply(body=MANIFEST, cut=cut), Reply(body=MANIFEST)]
    found = await find(served)
    assert found
    assert found.digest == digest_of(MANIFEST)


async def test_the_pause_that_the_registry_asks_for_is_made(served: Registry) -> None:
    served.replies[TAG] = [Reply(429, headers={"Retry-After": "1"}), Reply(body=MANIFEST)]
    began = anyio.current_time()
    assert await find(served)
    assert anyio.current_time() - began >= 1


@pytest.mark.parametrize("form", ["seconds", "date"])
async def test_a_pause_beyond_our_limit_is_an_error_at_once_that_names_it(
    served: Registry, form: str
) -> None:
    then = dt.datetime.now(dt.UTC) + dt.timedelta(hours=1)
    text = "3600" if form == "seconds" else format_datetime(then, usegmt=True)
    served.replies[TAG] = [Reply(429, headers={"Retry-After": text})]
    error = await failure(served, ServiceUnavailableError)
    assert "3600 s" in error.cause or "3599 s" in error.cause
    assert served.times(TAG) == 1


@pytest.mark.parametrize("text", ["soon", "-5", "Wed, 99 Foo 2026"])
async def test_a_pause_that_makes_no_sense_is_ours_to_choose(served: Registry, text: str) -> None:
    served.replies[TAG] = [Reply(429, headers={"Retry-After": text}), Reply(body=MANIFEST)]
    assert await find(served)


async def test_basic_credentials_are_sent_when_asked_for(served: Registry) -> None:
    served.guard = asks_for_basic
    assert await find(served)
    assert [asked.authorization for asked in served.asked] == [None, BASIC, BASIC]


async def test_refused_credentials_are_sent_once_and_name_registry_and_user_only(served: Registry) -> None:
    served.guard = lambda _asked: Reply(401, headers={"WWW-Authenticate": 'Basic realm="registry"'})
    async with client(served) as asking:
        for _ in range(2):
            with pytest.raises(AccessDeniedError) as caught:
                await asking.find("acme/api", "0a1b2c3d")
            assert served.host in caught.value.cause
            assert USER in caught.value.cause
    # The first time they were tried; the second time the 401 was an answer to them.
    assert [asked.authorization for asked in served.asked] == [None, BASIC, BASIC]


async def test_403_is_not_tried_again(served: Registry) -> None:
    served.guard = lambda _asked: Reply(403)
    await failure(served, AccessDeniedError)
    assert len(served.asked) == 1


class Tokens:
    """A token server; `good` says which tokens the registry takes at the moment."""

    def __init__(self, served: Registry) -> None:
        self.served = served
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
        realm = f'Bearer realm="https://{self.served.host}/token",service="registry"'
        return Reply(401, headers={"WWW-Authenticate": realm})


@pytest.mark.parametrize("key", ["token", "access_token"])
async def test_a_token_is_fetched_with_the_account_and_then_used(served: Registry, key: str) -> None:
    served.guard = tokens = Tokens(served)
    tokens.key = key
    assert await find(served)
    assert tokens.issued == 1
    by_path = {asked.path: asked for asked in served.asked}
    assert by_path["/token"].authorization == BASIC
    assert by_path["/token"].query["service"] == ["registry"]
    assert by_path[BLOB].authorization == "Bearer repository:acme/api:pull#1"


async def test_a_token_that_expired_during_the_build_is_renewed(served: Registry) -> None:
    served.guard = tokens = Tokens(served)
    async with client(served) as asking:
        assert await asking.find("acme/api", "0a1b2c3d")
        tokens.good.clear()
        assert await asking.find("acme/api", "0a1b2c3d")
    assert tokens.issued == 2


async def test_each_repository_has_a_token_of_its_own(served: Registry) -> None:
    served.guard = tokens = Tokens(served)
    served.replies["/v2/acme/ui/manifests/0a1b2c3d"] = [Reply(body=b'{"manifests": []}')]
    async with client(served) as asking:
        assert await asking.find("acme/api", "0a1b2c3d")
        assert await asking.find("acme/ui", "0a1b2c3d")
        assert await asking.find("acme/api", "0a1b2c3d")
    assert tokens.issued == 2


async def test_a_busy_token_server_is_no_refusal(served: Registry) -> None:
    served.guard = tokens = Tokens(served)
    tokens.failing = [Reply(503), Reply(429)]
    assert await find(served)


async def test_a_token_server_that_refuses_is_asked_once(served: Registry) -> None:
    served.guard = tokens = Tokens(served)
    tokens.failing = [Reply(401), Reply(401)]
    assert USER in (await failure(served, AccessDeniedError)).cause
    assert served.times("/token") == 1


async def test_a_token_server_without_a_token_is_an_error(served: Registry) -> None:
    served.guard = tokens = Tokens(served)
    tokens.failing = [Reply(body=b"{}")]
    await failure(served, TerminalError)


async def test_the_account_is_never_sent_to_a_token_server_without_tls(served: Registry) -> None:
    realm = 'Bearer realm="http://127.0.0.1:1/token"'
    served.guard = lambda _asked: Reply(401, headers={"WWW-Authenticate": realm})
    assert "plain HTTP" in (await failure(served, TerminalError)).cause
    assert [asked.authorization for asked in served.asked] == [None]


async def test_credentials_stay_here_when_a_blob_is_elsewhere(served: Registry) -> None:
    served.guard = lambda asked: None if asked.path == "/elsewhere" else asks_for_basic(asked)
    served.replies[BLOB] = [Reply(307, headers={"Location": f"https://{served.host}/elsewhere"})]
    served.replies["/elsewhere"] = [Reply(body=CONFIG)]
    found = await find(served)
    assert found
    assert found.variants[0].labels == LABELS
    assert [a.authorization for a in served.asked if a.path == "/elsewhere"] == [None]


async def test_nobody_at_the_address_is_said_so(served: Registry) -> None:
    served.host = "127.0.0.1:1"
    assert "127.0.0.1:1" in (await failure(served, ServiceUnavailableError)).cause


async def test_an_unknown_authority_ends_it_at_the_first_try(
    served: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
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
    assert "vouches" in (await failure(served, TerminalError)).cause
    assert tries == 0


UPLOADS = "/v2/acme/api/blobs/uploads/"


async def try_push(served: Registry) -> None:
    async with client(served) as asking:
        await asking.try_push("acme/api")


@pytest.mark.parametrize("location", ["{path}4711?state=x", "https://{host}{path}4711?state=x"])
async def test_upload_is_begun_given_up_and_never_filled(served: Registry, location: str) -> None:  # R22
    answer = location.format(path=UPLOADS, host=served.host)
    served.replies[UPLOADS] = [Reply(202, headers={"Location": answer})]
    served.replies[f"{UPLOADS}4711"] = [Reply(204)]
    served.guard = asks_for_basic
    await try_push(served)
    done = [(asked.method, asked.path) for asked in served.asked if asked.authorization == BASIC]
    assert done == [("POST", UPLOADS), ("DELETE", f"{UPLOADS}4711")]
    assert served.asked[-1].query == {"state": ["x"]}


async def test_token_for_pushing_is_asked_for_as_such(served: Registry) -> None:
    def bearer(asked: Asked) -> Reply | None:
        if asked.path == "/token" or asked.authorization == "Bearer t":
            return None
        challenge = f'Bearer realm="https://{served.host}/token",service="r"'
        return Reply(401, headers={"WWW-Authenticate": challenge})

    served.guard = bearer
    served.replies["/token"] = [Reply(body=b'{"token": "t"}')]
    served.replies[UPLOADS] = [Reply(202, headers={"Location": f"{UPLOADS}1"})]
    async with client(served) as asking:
        await asking.find("acme/api", "0a1b2c3d")
        await asking.try_push("acme/api")
    scopes = [asked.query["scope"] for asked in served.asked if asked.path == "/token"]
    assert scopes == [["repository:acme/api:pull"], ["repository:acme/api:pull,push"]]


async def test_upload_elsewhere_gets_no_credentials(served: Registry) -> None:
    served.replies[UPLOADS] = [Reply(202, headers={"Location": "https://storage.invalid/upload"})]
    await try_push(served)
    assert [asked.method for asked in served.asked] == ["POST"]


@pytest.mark.parametrize(
    ("status", "kind", "words"),
    [
        (401, AccessDeniedError, "refuses user 'robot' (401)"),
        (403, AccessDeniedError, "refuses user 'robot' (403)"),
        (404, NotFoundError, "has no repository acme/api, and makes none by itself"),
        (503, ServiceUnavailableError, "answered 503"),
        (405, TerminalError, "answered 405"),
    ],
)
async def test_why_there_is_no_push_is_told_apart(
    served: Registry, status: int, kind: type[DeliveryError], words: str
) -> None:
    served.replies[UPLOADS] = [Reply(status)]
    with pytest.raises(kind) as caught:
        await try_push(served)
    assert words in str(caught.value)
    assert PASSWORD not in str(caught.value)
