"""Whether an account may push, found out without pushing anything (R22)."""

from __future__ import annotations

import pytest

from slipway_host.errors import (
    AccessDeniedError,
    DeliveryError,
    NotFoundError,
    ServiceUnavailableError,
    TerminalError,
)
from support.registry_double import (
    BASIC,
    PASSWORD,
    asks_for_basic,
    client,
)
from support.registry_server import Asked, Registry, Reply

UPLOADS = "/v2/acme/api/blobs/uploads/"


async def try_push(hub: Registry) -> None:
    async with client(hub) as asking:
        await asking.try_push("acme/api")


@pytest.mark.parametrize("location", ["{path}4711?state=x", "https://{host}{path}4711?state=x"])
async def test_upload_is_begun_given_up_and_never_filled(hub: Registry, location: str) -> None:  # R22
    answer = location.format(path=UPLOADS, host=hub.host)
    hub.replies[UPLOADS] = [Reply(202, headers={"Location": answer})]
    hub.replies[f"{UPLOADS}4711"] = [Reply(204)]
    hub.guard = asks_for_basic
    await try_push(hub)
    done = [(asked.method, asked.path) for asked in hub.asked if asked.authorization == BASIC]
    assert done == [("POST", UPLOADS), ("DELETE", f"{UPLOADS}4711")]
    assert hub.asked[-1].query == {"state": ["x"]}


async def test_token_for_pushing_is_asked_for_as_such(hub: Registry) -> None:
    def bearer(asked: Asked) -> Reply | None:
        if asked.path == "/token" or asked.authorization == "Bearer t":
            return None
        challenge = f'Bearer realm="https://{hub.host}/token",service="r"'
        return Reply(401, headers={"WWW-Authenticate": challenge})

    hub.guard = bearer
    hub.replies["/token"] = [Reply(body=b'{"token": "t"}')]
    hub.replies[UPLOADS] = [Reply(202, headers={"Location": f"{UPLOADS}1"})]
    async with client(hub) as asking:
        await asking.find("acme/api", "0a1b2c3d")
        await asking.try_push("acme/api")
    scopes = [asked.query["scope"] for asked in hub.asked if asked.path == "/token"]
    assert scopes == [["repository:acme/api:pull"], ["repository:acme/api:pull,push"]]


async def test_upload_elsewhere_gets_no_credentials(hub: Registry) -> None:
    hub.replies[UPLOADS] = [Reply(202, headers={"Location": "https://storage.invalid/upload"})]
    await try_push(hub)
    assert [asked.method for asked in hub.asked] == ["POST"]


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
    hub: Registry, status: int, kind: type[DeliveryError], words: str
) -> None:
    hub.replies[UPLOADS] = [Reply(status)]
    with pytest.raises(kind) as caught:
        await try_push(hub)
    assert words in str(caught.value)
    assert PASSWORD not in str(caught.value)
