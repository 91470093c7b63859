"""R28: who is told what of a run, and that a run never suffers from it."""

import time
from collections.abc import Iterator
from contextlib import suppress
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import anyio
import pytest
from tenacity import wait_none

from slipway_host import announcement, http_api, notifications, targets, webhook
from slipway_host.config import Config
from slipway_host.errors import (
    AccessDeniedError,
    DeliveryError,
    MovedError,
    RolloutFailedError,
    SettingsError,
)
from slipway_host.notices import EVENTS
from slipway_host.notifications import telling, told
from slipway_host.recipients import Recipients
from support.github_deployments import TOKEN, Deployments
from support.https import Answer, serving
from support.notifications import (
    BACK,
    COMMIT,
    DEPLOYED,
    FAILED,
    FALLEN,
    UNCHANGED,
    WAITING,
    Receiver,
    Run,
    document,
)
from support.target import api_target

if TYPE_CHECKING:
    from slipway_host.call import Call


@pytest.fixture(autouse=True)
def _hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhook, "PAUSE_S", 0.01)
    monkeypatch.setattr(http_api, "_BACKOFF", wait_none())


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    found = Receiver()
    with serving(found) as url:
        found.url = f"{url}/services/canary"
        yield found


@pytest.fixture
def github(monkeypatch: pytest.MonkeyPatch) -> Iterator[Deployments]:
    found = Deployments(commits={COMMIT})
    with serving(found) as url:
        monkeypatch.setattr(targets, "github_repository", lambda _: (url, "acme", "api"))
        yield found


@pytest.mark.parametrize(
    ("service", "found"),
    [
        (DEPLOYED, ("deployed",)),
        (UNCHANGED, ()),
        (FAILED, ("failed",)),
        (WAITING, ("waiting",)),
        (BACK, ("rolledBack",)),
        ({**BACK, "status": "Unchanged"}, ()),
        (FALLEN, ("failed", "rolledBack")),
    ],
)
def test_each_end_of_a_run_is_an_event(service: dict[str, Any], found: tuple[str, ...]) -> None:
    assert announcement.events(service) == found
    assert set(found) <= set(EVENTS)


async def test_the_message_says_all_in_its_text_and_nothing_as_a_command(receiver: Receiver) -> None:
    assert await Run(receiver.url).ends(DEPLOYED, UNCHANGED, FAILED, {**WAITING, "service": "web"}) == []
    (message,) = receiver.got
    assert message["text"].splitlines() == [
        "✅ *api* 8f3a12bc runs in *prod*: 2 ready pods, deployed in 86 s",
        "❌ *worker* 8f3a12bc failed in *prod*: rollout: pod says &lt;!channel&gt; &amp; 'x'",
        "⏳ *web* 8f3a12bc waits to be deployed in *prod*: merge <https://git.test/1|the pull request>",
        "commit 8f3a12bc · run 20261124T051500-1f3a · <https://api.test/|open> · <https://ci.test/1|log>",
    ]
    shown = [
        block["text"]["text"] if block["type"] == "section" else block["elements"][0]["text"]
        for block in message["blocks"]
    ]
    assert shown == message["text"].splitlines()


async def test_a_rollback_says_where_to_and_what_is_held(receiver: Receiver) -> None:
    await Run(receiver.url).ends(BACK)
    first = receiver.got[0]["text"].splitlines()[0]
    assert first == "↩️ *api* is back at 1c2d3e4f in *prod*, from 8f3a12bc, which is held"


async def test_a_program_gets_facts_and_no_stages(receiver: Receiver) -> None:
    await Run(receiver.url, format="json").ends(DEPLOYED, UNCHANGED)
    (facts,) = receiver.got
    assert facts["services"] == [
        {
            "events": ["deployed"],
            "service": "api",
            "app": "game-api",
            "status": "Deployed",
            "digest": "sha256:1",
        }
    ]
    assert (facts["environment"], facts["runUrl"]) == ("prod", "https://ci.test/1")


@pytest.mark.parametrize(
    ("events", "services", "count"),
    [
        (["failed"], [DEPLOYED], 0),
        (["failed"], [DEPLOYED, FAILED], 1),
        (["rolledBack"], [FALLEN], 1),
        ([], [FAILED], 0),
        (list(EVENTS), [UNCHANGED], 0),
    ],
)
async def test_only_what_is_asked_for_is_told(
    receiver: Receiver, events: list[str], services: list[dict[str, Any]], count: int
) -> None:
    await Run(receiver.url, events=events).ends(*services)
    assert len(receiver.got) == count


async def test_a_run_that_is_refused_at_its_beginning_is_told_with_its_error(receiver: Receiver) -> None:
    run = Run(receiver.url)
    with pytest.raises(RolloutFailedError):
        async with told(run.teller):
            raise RolloutFailedError("no cluster", stage="preflight")
    assert "❌ *api* 8f3a12bc failed in *prod*: preflight: no cluster. Landed" in receiver.got[0]["text"]


async def test_a_defect_is_told_without_its_words(receiver: Receiver, github: Deployments) -> None:
    run = Run(receiver.url, token=TOKEN, github=True)
    with pytest.raises(ValueError, match="canary"):
        async with told(run.teller):
            raise ValueError("canary")
    assert "canary" not in receiver.got[0]["text"]
    assert [one["state"] for one in github.statuses[1000]] == ["in_progress", "error"]


async def test_a_run_that_is_interrupted_still_says_so(receiver: Receiver, github: Deployments) -> None:
    run = Run(receiver.url, token=TOKEN, github=True)
    with anyio.CancelScope() as scope:
        async with told(run.teller):
            scope.cancel()
            await anyio.sleep_forever()
    assert scope.cancelled_caught
    assert "interrupted" in receiver.got[0]["text"]
    assert [one["state"] for one in github.statuses[1000]] == ["in_progress", "error"]


async def test_a_receiver_that_hangs_or_fails_costs_one_line_and_little_time(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notifications, "DEADLINE_S", 0.3)
    receiver.answer = Answer(hangs=True)
    began = time.monotonic()
    assert await Run(receiver.url).ends(DEPLOYED) == [
        "WARNING: the webhook was not told: no answer within 0.3 s"
    ]
    assert time.monotonic() - began < 2
    monkeypatch.setattr(notifications, "DEADLINE_S", 20)
    receiver.answer = Answer(500, "canary")
    assert await Run(receiver.url).ends(DEPLOYED) == [
        "WARNING: the webhook was not told: its server answers 500"
    ]


async def test_what_nobody_thought_of_costs_one_line_too(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_args: object, **_more: object) -> None:
        raise ValueError(receiver.url)

    monkeypatch.setattr(webhook, "send", broken)
    assert await Run(receiver.url).ends(DEPLOYED) == [
        "WARNING: the webhook was not told: a defect of Slipway: ValueError"
    ]


@pytest.mark.parametrize(
    ("services", "state", "line"),
    [
        ([DEPLOYED, UNCHANGED], "success", "Deployed: api; Unchanged: ui"),
        ([DEPLOYED, FAILED], "failure", "Deployed: api; Failed: worker"),
        ([WAITING], "pending", "Waiting: ui"),
    ],
)
async def test_github_shows_the_run_from_its_beginning_to_its_end(
    github: Deployments, services: list[dict[str, Any]], state: str, line: str
) -> None:
    assert await Run(token=TOKEN, github=True).ends(*services) == []
    begun, ended = github.statuses[1000]
    assert (begun["state"], begun["log_url"]) == ("in_progress", "https://ci.test/1")
    assert (ended["state"], ended["description"]) == (state, line)
    assert ended["environment_url"] == "https://api.test/"


async def test_a_rollback_whose_commit_is_known_late_is_shown_at_its_end(github: Deployments) -> None:
    assert await Run(token=TOKEN, commit="", github=True).ends(BACK) == []
    assert github.deployments[0]["sha"] == COMMIT
    assert [one["state"] for one in github.statuses[1000]] == ["in_progress", "success"]


async def planned(run: Run, error: DeliveryError, *, holds: bool) -> None:
    """A run of a saved plan that ends with an error, before it is found to hold or after."""
    run.teller.unchecked = True
    with suppress(DeliveryError):
        async with told(run.teller) as teller:
            if holds:
                await teller.begin()
            raise error


async def test_of_a_plan_that_is_refused_nobody_is_told(receiver: Receiver, github: Deployments) -> None:
    run = Run(receiver.url, token=TOKEN, github=True)
    await planned(run, MovedError("the world moved", stage="plan"), holds=False)
    assert (receiver.got, github.deployments, run.said) == ([], [], [])


@pytest.mark.parametrize(
    ("error", "holds"),
    [(MovedError("to run it is not in the plan"), True), (AccessDeniedError("registry: 401"), False)],
)
async def test_a_planned_run_that_fails_otherwise_is_told(
    receiver: Receiver, github: Deployments, error: DeliveryError, *, holds: bool
) -> None:
    await planned(Run(receiver.url, token=TOKEN, github=True), error, holds=holds)
    assert len(receiver.got) == 1
    assert [one["state"] for one in github.statuses[1000]] == ["in_progress", "failure"]


async def test_without_github_in_the_configuration_a_token_is_not_used(github: Deployments) -> None:
    await Run(token=TOKEN).ends(DEPLOYED)
    assert github.deployments == []


async def test_a_token_that_may_not_costs_one_line(github: Deployments) -> None:
    github.may = "read"
    (line,) = await Run(token=TOKEN, github=True).ends(DEPLOYED)
    assert line.startswith("WARNING: GitHub was not told of this run: the token may not use /repos/acme/api/")
    (line,) = await Run(github=True).ends(DEPLOYED)
    assert line.endswith("neither DEPLOYMENTS_TOKEN nor GH_PAT is given")


async def test_what_is_wrong_with_the_recipients_is_one_line(receiver: Receiver) -> None:
    said: list[str] = []

    async def refuse() -> Recipients:
        raise SettingsError("NOTIFY_WEBHOOK: its source cannot be read")

    config = Config.model_validate(
        {
            "registry": "r.invalid/a",
            "gitops": {"repository": "https://g.invalid/x.git"},
            "services": {"api": {}},
        }
    )
    call = SimpleNamespace(
        recipients=refuse,
        report=said.append,
        run_id="r1",
        environment="dev",
        source_url="",
        targets=[api_target()],
        config=config,
    )
    async with telling(cast("Call", call), commit=COMMIT) as teller:
        teller.document = document(DEPLOYED)
    assert said == ["WARNING: nobody is told of this run: NOTIFY_WEBHOOK: its source cannot be read"]
    assert receiver.got == []


@pytest.mark.parametrize("url", ["ftp://x", "https://a b", "javascript:x", "https://ci|x>"])
def test_the_address_of_the_log_is_checked_before_the_run(url: str) -> None:
    with pytest.raises(SettingsError):
        Recipients(run_url=url)
