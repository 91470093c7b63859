"""Receipts on a branch of the GitOps repository (R19), against real git."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import pytest
from jsonschema import Draft202012Validator

from slipway_host import receipt_keeper, receipt_model, receipts
from slipway_host.progress import silent
from slipway_host.together import together
from support.git_work import make_key
from support.receipt_branch import API, BRANCH, UI, deployed, files, read, settings, store
from support.receipts import document, service
from support.target import api_target

if TYPE_CHECKING:
    from pathlib import Path

    from support.gitops_remote import Remote


async def test_a_run_is_a_file_beside_each_application_on_a_branch_of_its_own(remote: Remote) -> None:
    before = remote.head()
    written = document(service(commit=before), service("ui", "Failed"), run="20260801T000000-0001")

    commit = await store(remote, written, API, UI)

    assert files(remote) == [f"apps/{app}/receipts/prod/20260801T000000-0001.json" for app in ("api", "ui")]
    assert remote.head() == before
    log = remote.git("log", "--format=%H %P|%s|%(trailers:only,unfold)", BRANCH, at=remote.bare)
    subject = "receipt(api, ui): deploy of 1234abcd in prod: Deployed, Failed"
    assert log == f"{commit} |{subject}|Slipway-Run: 20260801T000000-0001"
    one = json.loads(remote.git("show", f"{BRANCH}:{files(remote)[1]}", at=remote.bare))
    # The failed service was not in that commit.
    assert one == {**written, "gitopsCommit": "", "changed": False, "services": [written["services"][1]]}


async def test_what_is_kept_is_read_again_newest_first_and_verified(remote: Remote) -> None:
    runs = [f"2026080{day}T000000-0001" for day in (1, 2, 3)]
    written = [await deployed(remote, run, digit) for digit, run in enumerate(runs)]
    for one in written:
        await store(remote, one)

    (found,) = (await read(remote)).values()

    assert [(one.receipt.run, one.doubt) for one in found.receipts] == [(run, "") for run in reversed(runs)]
    assert found.receipts[0].document == written[-1]
    assert found.unreadable == ()
    since = dt.datetime(2026, 8, 2, 1, tzinfo=dt.timezone(dt.timedelta(hours=1)))
    for wish, expected in (({"limit": 1}, runs[2:]), ({"since": since}, runs[1:])):
        (some,) = (await read(remote, **wish)).values()
        assert [one.receipt.run for one in some.receipts] == expected[::-1]


async def test_what_every_run_writes_is_valid_for_the_published_schema(remote: Remote) -> None:
    written = await deployed(remote, "20260801T000000-0001")
    Draft202012Validator(receipt_model.json_schema()).validate(
        receipt_keeper.of_service(written, written["services"][0])
    )
    with pytest.raises(ValueError, match="finishedAt"):
        receipt_model.Receipt.model_validate({**written, "finishedAt": "soon"})


async def test_a_branch_that_nobody_made_holds_nothing(remote: Remote) -> None:
    assert await read(remote, API, UI) == {"api": receipts.Reading(), "ui": receipts.Reading()}


@pytest.mark.usefixtures("quick")
async def test_many_creators_of_the_branch_lose_nothing(remote: Remote) -> None:
    runs = [f"20260801T00000{number}-000a" for number in range(6)]
    # One lock each, as in as many processes.
    urls = [f"file://{'/.' * number}{remote.bare}" for number in range(len(runs))]

    async def one(url: str, run: str) -> str:
        there = replace(settings(remote), url=url)
        written = document(service(commit=remote.head()), run=run)
        return await receipt_keeper.store(there, written, (API,), report=silent, protocols=("file",))

    await together(*(partial(one, url, run) for url, run in zip(urls, runs, strict=True)))

    assert files(remote) == [f"apps/api/receipts/prod/{run}.json" for run in runs]
    roots = remote.git("rev-list", "--max-parents=0", BRANCH, at=remote.bare).split()
    assert len(roots) == 1


@pytest.mark.parametrize(
    ("status", "expected"), [("Deployed", 1), ("Failed", 1), ("Waiting", 1), ("Unchanged", 0)]
)
async def test_a_run_that_changed_nothing_writes_nothing(remote: Remote, status: str, expected: int) -> None:
    commit = await store(remote, document(service(status=status, commit=remote.head())))
    assert bool(commit) == bool(expected)
    refs = remote.git("for-each-ref", "--format=%(refname:short)", at=remote.bare).split()
    assert refs.count(BRANCH) == expected


async def test_a_run_that_still_waits_for_a_merge_writes_nothing(remote: Remote) -> None:
    waiting = service(status="Waiting", commit=remote.head())
    waiting["stages"][0]["status"], waiting["stages"][1]["status"] = "Skipped", "Waiting"
    assert await store(remote, document(waiting)) == ""


async def test_nothing_is_kept_or_read_where_nobody_wants_it(remote: Remote) -> None:
    none = replace(remote.settings, receipts="")
    written = document(service(commit=remote.head()))
    assert await receipt_keeper.store(none, written, (API,), report=silent, protocols=("file",)) == ""
    assert await receipts.read(none, (API,), protocols=("file",)) == {"api": receipts.Reading()}
    assert remote.git("branch", "--list", at=remote.bare).split() == ["*", "main"]


async def test_the_deploy_branch_itself_may_keep_them(remote: Remote) -> None:
    same = replace(settings(remote), receipts="main")
    written = await deployed(remote, "20260801T000000-0001")
    await receipt_keeper.store(same, written, (API,), report=silent, protocols=("file",))
    (found,) = (await receipts.read(same, (API,), protocols=("file",))).values()
    assert [one.verified for one in found.receipts] == [True]
    assert "apps/api/values.yaml" in files(remote, "main")


async def test_environments_and_applications_stay_apart(remote: Remote) -> None:
    dev = replace(API, environment="dev")
    flat = [api_target(values=f"apps/{app}.yaml", app=app) for app in ("a", "b")]
    folders = [receipts.folder_of(target) for target in (API, dev, *flat)]
    assert folders == [
        "apps/api/receipts/prod",
        "apps/api/receipts/dev",
        "apps/a/receipts/prod",
        "apps/b/receipts/prod",
    ]
    await store(remote, document(service(commit=remote.head())))
    assert (await read(remote, dev))["api"].receipts == ()


async def test_the_tip_keeps_the_newest_of_an_application(
    remote: Remote, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(receipt_keeper, "KEPT", 2)
    runs = [f"2026080{day}T000000-0001" for day in (1, 2, 3)]
    for run in runs:
        await store(remote, document(service(commit=remote.head()), run=run))
    assert files(remote) == [f"apps/api/receipts/prod/{run}.json" for run in runs[1:]]
    assert remote.git(
        "log", "--format=%s", BRANCH, "--", f"apps/api/receipts/prod/{runs[0]}.json", at=remote.bare
    )


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("not JSON", "Invalid JSON"),
        ('{"receiptVersion": 2}', "receiptVersion"),
        ("moved", "another run, environment or application"),
    ],
)
async def test_a_file_that_cannot_be_read_is_reported_and_hides_nothing(
    remote: Remote, text: str, why: str
) -> None:
    written = await deployed(remote, "20260801T000000-0001")
    await store(remote, written)
    remote.git("fetch", "-q", "origin", BRANCH)
    remote.git("checkout", "-q", "-B", BRANCH, f"origin/{BRANCH}")
    there = remote.work / "apps/api/receipts/prod"
    other = there / "20260802T000000-0001.json"
    other.write_text((there / "20260801T000000-0001.json").read_text() if text == "moved" else text)
    (there / "README.json").write_text("not one of ours")
    (there / "20260803T000000-0001.json").symlink_to("20260801T000000-0001.json")
    remote.git("add", "--all")
    remote.git("commit", "-qm", "by hand")
    remote.git("push", "-q", "origin", f"HEAD:{BRANCH}")

    (found,) = (await read(remote)).values()

    assert [one.verified for one in found.receipts] == [True]
    (line,) = found.unreadable
    assert line.startswith("apps/api/receipts/prod/20260802T000000-0001.json: ")
    assert why in line


async def test_a_receipt_of_a_newer_release_keeps_what_this_one_does_not_know(remote: Remote) -> None:
    written = {**await deployed(remote, "20260801T000000-0001"), "carbon": {"grams": 3}}
    await store(remote, written)
    (found,) = (await read(remote)).values()
    assert found.receipts[0].document == written


async def test_a_receipt_that_cannot_be_kept_is_one_line_and_no_error(remote: Remote) -> None:
    remote.hook("pre-receive", "echo 'not on a Friday' >&2; exit 1")
    lines: list[str] = []
    written = document(service(commit=remote.head()), run="20260801T000000-0001")
    await receipt_keeper.keep(settings(remote), written, (API,), report=lines.append, protocols=("file",))
    (line,) = [line for line in lines if line.startswith("WARNING")]
    assert line.startswith(
        "WARNING: the receipt of run 20260801T000000-0001 was not kept on slipway-receipts: "
    )
    assert "not on a Friday" in line
    assert line.endswith("Next: let slipway push to slipway-receipts, or write gitops.receipts.store: false")


async def test_a_defect_while_keeping_is_one_line_and_no_error(remote: Remote) -> None:
    lines: list[str] = []
    broken = {**document(service(commit=remote.head())), "source": None}
    await receipt_keeper.keep(settings(remote), broken, (API,), report=lines.append, protocols=("file",))
    assert "a defect of Slipway (TypeError)" in lines[-1]


async def test_a_receipt_is_signed_where_commits_are(remote: Remote, tmp_path: Path) -> None:
    signing = replace(settings(remote), signing_key=make_key(tmp_path)[0])
    written = document(service(commit=remote.head()))
    commit = await receipt_keeper.store(signing, written, (API,), report=silent, protocols=("file",))
    assert "gpgsig -----BEGIN SSH SIGNATURE-----" in remote.git("cat-file", "commit", commit, at=remote.bare)


async def test_credentials_in_the_address_of_the_source_are_not_kept(remote: Remote) -> None:
    written = document(service(commit=remote.head()), source="https://bot:canary-token@h.test/acme/shop")
    await store(remote, written)
    text = remote.git("show", f"{BRANCH}:{files(remote)[0]}", at=remote.bare)
    assert "canary" not in text
    assert '"source": "https://h.test/acme/shop"' in text
