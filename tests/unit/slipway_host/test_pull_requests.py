"""R11: pull requests at GitHub, by its documentation; the integration tests ask a real Gitea."""

from collections.abc import AsyncIterator, Iterator

import pytest
from pydantic import SecretStr
from tenacity import wait_none

from slipway_host import http_api
from slipway_host.errors import (
    AccessDeniedError,
    DeliveryError,
    NotFoundError,
    ServiceUnavailableError,
    SettingsError,
    TerminalError,
)
from slipway_host.pull_requests import PullRequest, PullRequestClient
from slipway_host.settings import PullRequestSettings
from support.github_api import TOKEN, GitHub, github

HEAD = "slipway/prod/api-1234abcd"


def settings(url: str) -> PullRequestSettings:
    return PullRequestSettings(api="github", url=url, owner="acme", repository="gitops", environment="prod")


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[GitHub]:
    monkeypatch.setattr(http_api, "_BACKOFF", wait_none())
    with github() as found:
        yield found


@pytest.fixture
async def client(server: GitHub) -> AsyncIterator[PullRequestClient]:
    async with PullRequestClient(settings(server.url), SecretStr(TOKEN)) as found:
        yield found


async def ensure(client: PullRequestClient, *, title: str = "t", body: str = "a\nb") -> PullRequest:
    return await client.ensure(head=HEAD, base="main", title=title, body=body)


async def test_it_is_opened_once_and_written_only_where_it_differs(
    client: PullRequestClient, server: GitHub
) -> None:
    first = await ensure(client)
    assert first.url == "https://github.com/acme/gitops/pull/1"
    del server.requests[:]
    # The line ends that GitHub gives back are not a difference.
    assert await ensure(client) == first
    assert server.requests == ["GET /repos/acme/gitops/pulls"]
    changed = await ensure(client, title="new")
    assert (changed.number, changed.title) == (1, "new")
    assert len(server.pulls) == 1


async def test_one_that_another_run_has_just_opened_is_found(
    client: PullRequestClient, server: GitHub
) -> None:
    first = await ensure(client)
    # The list is a moment behind: it lacks the one that makes the creation fail.
    server.hidden = 1
    assert await ensure(client) == first


async def test_a_refusal_for_another_reason_is_quoted(client: PullRequestClient, server: GitHub) -> None:
    server.script = [
        (200, {}, "[]"),
        (422, {}, '{"message": "No commits between main and x"}'),
        (200, {}, "[]"),
    ]
    with pytest.raises(TerminalError, match=r"refuses the pull request: .*No commits between"):
        await ensure(client)


async def test_a_closed_one_of_the_same_branch_is_not_taken(
    client: PullRequestClient, server: GitHub
) -> None:
    await ensure(client)
    server.pulls[0]["state"] = "closed"
    assert (await ensure(client)).number == 2


async def test_the_trial_merge_of_an_open_one_is_no_merge(client: PullRequestClient, server: GitHub) -> None:
    number = (await ensure(client)).number
    still = await client.read(number)
    assert (still.merged, still.merge_commit) == (False, "")
    server.pulls[0].update(state="closed", merged=True, merge_commit_sha="f" * 40)
    done = await client.read(number)
    assert (done.state, done.merged, done.merge_commit) == ("closed", True, "f" * 40)


@pytest.mark.parametrize(
    ("status", "headers", "text", "kind", "reason"),
    [
        (401, {}, "{}", AccessDeniedError, "does not accept the token"),
        (403, {}, '{"message": "Resource not accessible"}', AccessDeniedError, "Resource not accessible"),
        (403, {"x-ratelimit-remaining": "0"}, "{}", ServiceUnavailableError, "answers 403"),
        (404, {}, "{}", NotFoundError, "the token may not see it"),
        (429, {}, "{}", ServiceUnavailableError, "answers 429"),
        (502, {}, "<html>", ServiceUnavailableError, "answers 502"),
        (301, {"Location": "https://elsewhere.invalid/"}, "", SettingsError, "redirects"),
        (200, {}, "<html>", SettingsError, "something else than JSON"),
        (410, {}, "::error::gone", TerminalError, "answers 410 to .*: : :error: :gone"),
    ],
)
async def test_failures_are_told_apart(
    client: PullRequestClient,
    server: GitHub,
    status: int,
    headers: dict[str, str],
    text: str,
    kind: type[DeliveryError],
    reason: str,
) -> None:
    server.script = [(status, headers, text)] * http_api.TRIES
    with pytest.raises(DeliveryError, match=reason) as caught:
        await client.read(1)
    assert type(caught.value) is kind
    assert "canary" not in str(caught.value)
    tries = http_api.TRIES if kind is ServiceUnavailableError else 1
    assert len(server.requests) == tries


async def test_an_account_that_may_only_read_is_told_so_before_anything(client: PullRequestClient) -> None:
    with pytest.raises(AccessDeniedError, match="may not push to acme/gitops"):
        await client.check()


async def test_a_server_that_does_not_answer_is_worth_another_try(server: GitHub) -> None:
    where = settings("http://127.0.0.1:1")
    async with PullRequestClient(where, SecretStr(TOKEN)) as nowhere:
        with pytest.raises(ServiceUnavailableError, match="does not answer"):
            await nowhere.read(1)
    assert not server.requests


async def test_github_says_that_a_branch_has_rules_and_not_whom_they_let_through(
    client: PullRequestClient,
) -> None:
    assert await client.may_push("main") is None
    assert await client.may_push("free") is True
