"""What a tag means, asked of a registry that is slow, busy or wrong."""

from __future__ import annotations

import datetime as dt
import json
from email.utils import format_datetime

import anyio
import pytest

from slipway_host.errors import (
    NotFoundError,
    ServiceUnavailableError,
    TerminalError,
)
from slipway_host.remote_image import RemoteImage, Variant
from support.registry_double import (
    BLOB,
    CONFIG,
    LABELS,
    MANIFEST,
    TAG,
    config_of,
    digest_of,
    failure,
    find,
    manifest_of,
)
from support.registry_server import Registry, Reply


async def test_a_tag_is_its_digest_its_config_and_its_labels(hub: Registry) -> None:
    one = Variant(
        platform="linux/amd64", digest=digest_of(MANIFEST), image_id=digest_of(CONFIG), labels=LABELS
    )
    assert await find(hub) == RemoteImage(digest=digest_of(MANIFEST), variants=(one,))


def serve_index(hub: Registry, arm_labels: dict[str, str]) -> tuple[bytes, bytes]:
    """Put an index under the tag: amd64, arm64 and BuildKit's attestation; return it and arm64's manifest."""
    config = config_of("arm64", arm_labels)
    manifest = manifest_of(config)
    entries = [
        {"digest": digest_of(MANIFEST), "platform": {"os": "linux", "architecture": "amd64"}},
        {"digest": digest_of(manifest), "platform": {"os": "linux", "architecture": "arm64"}},
        {"digest": digest_of(b"-"), "platform": {"os": "unknown", "architecture": "unknown"}},
    ]
    index = json.dumps({"schemaVersion": 2, "manifests": entries}).encode()
    hub.replies[TAG] = [Reply(body=index)]
    for body in (MANIFEST, manifest):
        hub.replies[f"/v2/acme/api/manifests/{digest_of(body)}"] = [Reply(body=body)]
    hub.replies[f"/v2/acme/api/blobs/{digest_of(config)}"] = [Reply(body=config)]
    return index, manifest


async def test_an_index_is_its_digest_and_the_images_in_it(hub: Registry) -> None:
    index, manifest = serve_index(hub, LABELS)
    found = await find(hub)
    assert found
    assert found.digest == digest_of(index)
    assert [variant.platform for variant in found.variants] == ["linux/amd64", "linux/arm64"]
    assert found.manifests == {digest_of(MANIFEST), digest_of(manifest)}
    assert len(found.image_ids) == 2
    assert found.labelled("org.opencontainers.image.revision") == {"a" * 40}


async def test_platforms_of_two_commits_are_seen_as_such(hub: Registry) -> None:
    serve_index(hub, {})
    found = await find(hub)
    assert found
    assert found.labelled("org.opencontainers.image.revision") == {"a" * 40, ""}


async def test_a_manifest_that_is_not_what_the_index_names_is_refused(hub: Registry) -> None:
    _, manifest = serve_index(hub, LABELS)
    path = f"/v2/acme/api/manifests/{digest_of(manifest)}"
    hub.replies[path] = [Reply(body=MANIFEST)]
    assert digest_of(manifest) in (await failure(hub, TerminalError)).cause
    del hub.replies[path]
    assert digest_of(manifest) in (await failure(hub, NotFoundError)).cause


async def test_a_tag_that_is_not_there_is_none(hub: Registry) -> None:
    assert await find(hub, "11111111") is None


async def test_a_manifest_whose_config_is_gone_is_an_error_and_not_none(hub: Registry) -> None:
    del hub.replies[BLOB]
    await failure(hub, NotFoundError)


async def test_bytes_that_are_not_what_the_registry_calls_them_are_refused(hub: Registry) -> None:
    hub.replies[TAG] = [Reply(body=MANIFEST, headers={"Docker-Content-Digest": digest_of(b"other")})]
    assert digest_of(MANIFEST) in (await failure(hub, TerminalError)).cause


async def test_a_config_that_is_not_what_the_manifest_names_is_refused(hub: Registry) -> None:
    hub.replies[BLOB] = [Reply(body=b'{"config": {"Labels": {"a": "forged"}}}')]
    assert digest_of(CONFIG) in (await failure(hub, TerminalError)).cause


@pytest.mark.parametrize("body", [b"<html>please log in</html>", b"[]", b""])
async def test_an_answer_that_is_no_manifest_is_an_error_that_quotes_it(hub: Registry, body: bytes) -> None:
    hub.replies[TAG] = [Reply(body=body)]
    assert body.decode() in (await failure(hub, TerminalError)).cause


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
async def test_a_busy_registry_is_asked_again(hub: Registry, status: int) -> None:
    hub.replies[TAG] = [*[Reply(status)] * 4, Reply(body=MANIFEST)]
    assert await find(hub)
    assert hub.times(TAG) == 5


@pytest.mark.parametrize("status", [429, 503])
async def test_a_registry_that_stays_busy_is_left_after_five_tries(hub: Registry, status: int) -> None:
    hub.replies[TAG] = [Reply(status)]
    assert str(status) in (await failure(hub, ServiceUnavailableError)).cause
    assert hub.times(TAG) == 5


@pytest.mark.parametrize("cut", [0, 1, 30, len(MANIFEST) - 1])
async def test_an_answer_that_is_cut_off_is_fetched_again(hub: Registry, cut: int) -> None:
    hub.replies[TAG] = [Reply(body=MANIFEST, cut=cut), Reply(body=MANIFEST)]
    found = await find(hub)
    assert found
    assert found.digest == digest_of(MANIFEST)


async def test_the_pause_that_the_registry_asks_for_is_made(hub: Registry) -> None:
    hub.replies[TAG] = [Reply(429, headers={"Retry-After": "1"}), Reply(body=MANIFEST)]
    began = anyio.current_time()
    assert await find(hub)
    assert anyio.current_time() - began >= 1


@pytest.mark.parametrize("form", ["seconds", "date"])
async def test_a_pause_beyond_our_limit_is_an_error_at_once_that_names_it(hub: Registry, form: str) -> None:
    then = dt.datetime.now(dt.UTC) + dt.timedelta(hours=1)
    text = "3600" if form == "seconds" else format_datetime(then, usegmt=True)
    hub.replies[TAG] = [Reply(429, headers={"Retry-After": text})]
    error = await failure(hub, ServiceUnavailableError)
    assert "3600 s" in error.cause or "3599 s" in error.cause
    assert hub.times(TAG) == 1


@pytest.mark.parametrize("text", ["soon", "-5", "Wed, 99 Foo 2026"])
async def test_a_pause_that_makes_no_sense_is_ours_to_choose(hub: Registry, text: str) -> None:
    hub.replies[TAG] = [Reply(429, headers={"Retry-After": text}), Reply(body=MANIFEST)]
    assert await find(hub)
