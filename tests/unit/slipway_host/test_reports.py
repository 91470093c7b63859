"""R19: which run a report is of, and what it is compared with; receipts on a branch of a real repository."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from slipway_host import inspection, receipt_keeper, receipts, reports
from slipway_host.errors import AccessDeniedError, NotFoundError, SettingsError
from slipway_host.kpis import Question
from slipway_host.loader import load_config
from slipway_host.progress import silent
from support.gitops_remote import Remote, change, deploy
from support.receipts import DIGEST, document, service, stage
from support.target import api_target

if TYPE_CHECKING:
    from slipway_host.call import Call
    from slipway_host.settings import GitSettings, Target

CONFIG = """
registry: registry.test/acme
gitops: {repository: "https://git.test/acme/gitops.git"}
services: {api: {}}
"""
BRANCH = "slipway-receipts"
API = api_target()
UI = api_target(service="ui", app="ui", values="apps/ui/values.yaml")
FIRST, SECOND, THIRD = (f"2026080{day}T000000-0001" for day in (1, 2, 3))


class History:
    """A services' repository that says one thing."""

    def __init__(self, said: str) -> None:
        self._said = said

    async def log(self, form: str, *paths: str) -> str:
        assert (form, paths) == ("%H%x1f%an%x1f%s", ())
        return self._said


def settings(remote: Remote) -> GitSettings:
    return replace(remote.settings, receipts=BRANCH)


async def keep(remote: Remote, *services: dict[str, Any], run: str, **facts: Any) -> None:
    written = document(*services, run=run, **facts)
    await receipt_keeper.store(settings(remote), written, (API, UI), report=silent, protocols=("file",))


async def deployed(remote: Remote, run: str, digit: int) -> None:
    source = f"{digit:08x}" * 5
    done = await deploy(remote, change(commit=source, digest=DIGEST))
    await keep(remote, service(commit=done.commit), run=run, commit=source, tag=source[:8])


async def chosen(remote: Remote, run: str = "") -> reports.Chosen:
    return reports.choose(await receipts.read(settings(remote), (API, UI), protocols=("file",)), run=run)


async def said(remote: Remote, **wish: Any) -> str:
    html = await reports.of_run(settings(remote), (API, UI), protocols=("file",), **wish)
    body = re.sub(r"<(style|svg)\b.*?</\1>", " ", html, flags=re.DOTALL)
    return " ".join(re.sub(r"<[^>]+>", " ", body).split())


async def test_newest_run_is_compared_with_the_deploy_before_and_not_with_a_failure(remote: Remote) -> None:
    await deployed(remote, FIRST, 1)
    await keep(remote, service("api", "Failed"), run=SECOND)
    await deployed(remote, THIRD, 3)

    found = await chosen(remote)

    assert found.document["run"] == THIRD
    assert found.before["api"]["run"] == FIRST
    assert found.doubt == ""
    assert (await chosen(remote, SECOND)).before["api"]["run"] == FIRST
    assert (await chosen(remote, FIRST)).before == {}


async def test_services_of_a_run_are_together_again(remote: Remote) -> None:
    await deployed(remote, FIRST, 1)
    head = remote.head()
    source = "0000002a" * 5
    done = await deploy(remote, change(commit=source, digest=DIGEST))
    assert done.commit != head
    await keep(
        remote,
        service(commit=done.commit),
        service("ui", "Failed"),
        run=SECOND,
        commit=source,
        tag=source[:8],
    )

    found = await chosen(remote)

    assert [one["service"] for one in found.document["services"]] == ["api", "ui"]
    assert found.document["gitopsCommit"] == done.commit
    assert (found.document["tag"], found.document["changed"]) == ("0000002a", True)
    assert "ui failed in prod; 1 of 2 services run 0000002a" in await said(remote)


async def test_receipt_that_the_branch_does_not_confirm_is_shown_with_that_doubt(remote: Remote) -> None:
    await deployed(remote, FIRST, 1)
    await keep(remote, service(commit="f" * 40), run=SECOND)
    assert "This receipt is not verified: " in await said(remote)
    # And what nobody confirms is nothing to compare with.
    await deployed(remote, THIRD, 3)
    assert (await chosen(remote)).before["api"]["run"] == FIRST


async def test_author_and_subject_of_the_commit_come_from_the_services_repository(remote: Remote) -> None:
    await deployed(remote, FIRST, 1)
    log = f"{'9' * 40}\x1fSomebody\x1fElse\n{'00000001' * 5}\x1fNadia Okoro\x1fScores of a <season>"
    text = await said(remote, commits=History(log))
    assert "commit by Nadia Okoro" in text
    assert "What it brought Scores of a &lt;season&gt;" in text
    assert "commit by" not in await said(remote, commits=History(""))


async def test_run_that_left_nothing_is_said_with_what_there_is(remote: Remote) -> None:
    with pytest.raises(NotFoundError, match="no run of api, ui has left a receipt"):
        await said(remote)
    await deployed(remote, FIRST, 1)
    with pytest.raises(NotFoundError, match=f"no receipt of run {SECOND} of api, ui is kept") as caught:
        await said(remote, run=SECOND)
    assert caught.value.next_command == "dagger call history"


async def test_who_keeps_no_receipts_is_told_so(remote: Remote) -> None:
    with pytest.raises(SettingsError, match="no receipts are kept"):
        await reports.of_run(remote.settings, (API,), protocols=("file",))


async def test_run_at_hand_is_compared_where_the_repository_can_be_read(remote: Remote) -> None:
    await deployed(remote, FIRST, 1)
    scanned = service("api", "Failed")
    scanned["stages"].append(stage("scan-image", counts={"LOW": 1}))
    at_hand = document(scanned, run=SECOND)

    async def ours() -> GitSettings:
        return settings(remote)

    async def nobody_s() -> GitSettings:
        raise AccessDeniedError("GH_PAT is not given")

    html = await reports.of_document(at_hand, (API,), ours, protocols=("file",))
    assert "Compared with the last deploy, 00000001 of " in html
    alone = await reports.of_document(at_hand, (API,), nobody_s, protocols=("file",))
    assert "Not compared with the last deploy: GH_PAT is not given." in alone


@pytest.mark.parametrize(
    ("wish", "services", "said", "next_command"),
    [
        ({"run": FIRST, "days": 30}, (API,), "--run and --days exclude each other", f"report --run={FIRST}"),
        (
            {"run": "", "days": 30},
            (API, UI),
            "of one service, and there are api, ui",
            "--service=api --days=30",
        ),
    ],
)
async def test_what_excludes_each_other_is_refused(
    wish: dict[str, Any], services: tuple[Target, ...], said: str, next_command: str
) -> None:
    call = cast("Call", SimpleNamespace(targets=services))
    with pytest.raises(SettingsError, match=said) as caught:
        await inspection.report(call, **wish)
    assert next_command in caught.value.next_command


async def test_service_over_time_is_measured_and_drawn_from_the_same_repository(remote: Remote) -> None:
    await deployed(remote, FIRST, 1)
    question = Question(
        config=load_config(CONFIG, path="slipway.yaml"),
        environment="prod",
        targets=[API],
        settings=settings(remote),
        days=30,
        commits=None,
        now=dt.datetime.now(dt.UTC),
    )
    html = await reports.of_service(question, protocols=("file",))
    assert "<title>api in prod: " in html
    for title in ("Build time", "Deploy time", "Success rate", "Deployment frequency", "Change fail rate"):
        assert f"<h3>{title}</h3>" in html
    assert "00000001" in html.partition('<h2 id="deliveries">')[2]
