"""Answers of Argo CD's own API that the lab's does not give when it is asked to."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import anyio.lowlevel
import pytest
import trustme
from pydantic import SecretStr
from tenacity import wait_none

from slipway_host import applications_server, http_api
from slipway_host.application import Application
from slipway_host.applications_server import ServerApplications
from slipway_host.errors import (
    ConflictError,
    DeliveryError,
    NotFoundError,
    ServiceUnavailableError,
    SettingsError,
    TerminalError,
)
from support.argocd_double import application
from support.https import Answer, Request, serving
from support.target import api_target

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

TOKEN = "canary-token"
APP = Application(application())


class Server:
    """Answers as it is told, first by `answers` and then by `answer`, and keeps what it was asked."""

    def __init__(self) -> None:
        self.url = ""
        self.ca = ""
        self.answer = Answer()
        self.answers: list[Answer] = []
        self.requests: list[Request] = []

    def __call__(self, request: Request) -> Answer:
        self.requests.append(request)
        return self.answers.pop(0) if self.answers else self.answer

    @asynccontextmanager
    async def open(self) -> AsyncIterator[ServerApplications]:
        async def token() -> SecretStr:
            await anyio.lowlevel.checkpoint()
            return SecretStr(TOKEN)

        found = ServerApplications(self.url, self.ca, token)
        try:
            yield found
        finally:
            await found.close()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(http_api, "_BACKOFF", wait_none())
    authority, found = trustme.CA(), Server()
    found.ca = authority.cert_pem.bytes().decode()
    with serving(found, authority.issue_cert("127.0.0.1")) as url:
        found.url = url
        yield found


@pytest.fixture
async def applications(server: Server) -> AsyncIterator[ServerApplications]:
    async with server.open() as found:
        yield found


@pytest.mark.parametrize(
    ("answer", "kind", "reason"),
    [
        (Answer(429, "slow down"), ServiceUnavailableError, r"answers GET .*: slow down \(HTTP 429\)"),
        (Answer(502, "<html>"), ServiceUnavailableError, "HTTP 502"),
        (Answer(302, "", {"Location": "https://login.invalid/"}), SettingsError, "past any login page"),
        (Answer(200, "<html>"), SettingsError, "something else than JSON"),
        (Answer(404, "<html>"), SettingsError, r"with HTTP 404: is argocd\.server the address"),
        (Answer(404, '{"code": 5, "message": "gone"}'), NotFoundError, "has nothing there: .*gone"),
        (Answer(409, '{"code": 10, "message": "moved"}'), ConflictError, "moved"),
        (
            Answer(400, '{"code": 3, "message": "::error::no"}'),
            TerminalError,
            "refuses GET .*: : :error:",
        ),
    ],
)
async def test_answers_are_told_apart_and_only_absence_is_asked_again(
    server: Server,
    applications: ServerApplications,
    answer: Answer,
    kind: type[DeliveryError],
    reason: str,
) -> None:
    server.answer = answer
    with pytest.raises(DeliveryError, match=reason) as caught:
        await applications.read(api_target())
    assert type(caught.value) is kind
    assert TOKEN not in f"{caught.value}"
    assert len(server.requests) == (http_api.TRIES if kind is ServiceUnavailableError else 1)
    assert server.requests[0].path == "/api/v1/applications/api?appNamespace=argocd"
    assert server.requests[0].headers["authorization"] == f"Bearer {TOKEN}"


async def test_a_request_without_an_answer_is_not_made_twice(
    server: Server, applications: ServerApplications
) -> None:
    server.answer = Answer(503, "restarting")
    with pytest.raises(ServiceUnavailableError, match="restarting"):
        await applications.request(APP, {"info": [], "sync": {"prune": True, "syncStrategy": {"hook": {}}}})
    assert [one.method for one in server.requests] == ["POST"]


async def test_a_refresh_that_nobody_does_holds_nobody_up(
    server: Server, applications: ServerApplications, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(applications_server, "REFRESH_S", 0.2)
    server.answer = Answer(hangs=True)
    with anyio.fail_after(5):
        await applications.refresh(APP)
    assert server.requests[0].path.endswith("?appNamespace=argocd&refresh=normal")


async def test_a_path_below_the_host_is_kept(server: Server) -> None:
    server.url += "/argocd/"
    server.answer = Answer(200, '{"assignedWindows": null}')
    async with server.open() as applications:
        assert await applications.windows(APP) == []
    assert server.requests[0].path.startswith("/argocd/api/v1/applications/api/syncwindows?")


async def test_an_authority_that_is_none_is_a_setting_to_correct() -> None:
    broken = Server()
    broken.url, broken.ca = "https://127.0.0.1:1", "-----BEGIN CERTIFICATE-----\nx\n"
    async with broken.open() as applications:
        with pytest.raises(
            SettingsError, match=r"argocd\.ca in slipway\.yaml holds no certificate in PEM form"
        ):
            await applications.read(api_target())


FOUND = Answer(200, json.dumps(application()))


async def test_questions_share_a_connection_also_side_by_side_and_after_one_that_was_given_up(
    server: Server, applications: ServerApplications, handshakes: Callable[[], int]
) -> None:
    server.answer = FOUND
    for _ in range(5):
        await applications.read(api_target())
    assert handshakes() == 1

    async with anyio.create_task_group() as tasks:
        for _ in range(3):
            tasks.start_soon(applications.read, api_target())
    beside = handshakes()
    assert beside <= 3

    server.answer = Answer(hangs=True)
    with anyio.move_on_after(0.2) as given_up:
        await applications.read(api_target())
    assert given_up.cancelled_caught
    server.answer = FOUND
    for _ in range(3):
        assert (await applications.read(api_target())).name == APP.name
    assert handshakes() <= beside + 1


async def test_after_the_end_nothing_is_left_open_and_the_next_question_connects_anew(
    server: Server, applications: ServerApplications, handshakes: Callable[[], int]
) -> None:
    server.answer = FOUND
    await applications.read(api_target())
    await applications.close()
    await applications.close()
    await applications.read(api_target())
    assert handshakes() == 2


async def test_a_connection_that_the_server_has_closed_is_made_anew_and_a_change_is_still_sent_once(
    server: Server, applications: ServerApplications, handshakes: Callable[[], int]
) -> None:
    server.answer = FOUND
    await applications.read(api_target())
    # Closed without a word, after an answer that promised nothing of it.
    server.answer = replace(FOUND, closes=True)
    await applications.read(api_target())
    server.answer = FOUND
    await applications.read(api_target())
    assert handshakes() == 2

    # The server closes while the question is on its way.
    server.requests.clear()
    server.answers = [Answer(drops=True)]
    await applications.read(api_target())
    assert [one.method for one in server.requests] == ["GET", "GET"]
    assert handshakes() == 3

    server.requests.clear()
    server.answers = [Answer(drops=True)]
    with pytest.raises(ServiceUnavailableError, match="does not answer"):
        await applications.change(APP, {"spec": {}})
    assert [one.method for one in server.requests] == ["PATCH"]
