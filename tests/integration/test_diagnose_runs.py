"""R18: what the receipts on a real git server say of a commit that tests, scan or build have stopped."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from slipway_host import receipt_keeper
from slipway_host.diagnosis import Diagnosis, diagnose
from slipway_host.progress import silent
from slipway_lab import command, gitserver
from support.receipts import document, gated
from support.worlds import COMMIT, TAG, World, Worlds

if TYPE_CHECKING:
    from slipway_host.diagnosis_case import Case
    from slipway_host.kube import KubeClient

WORLDS = {"well": World(link="", says="", fix="")}
HEAD = "bbbb2222" + "0" * 32
CAUSE = "`go test ./...` ended with 1: expected 200, got 500"
FIRST, SECOND, THIRD = (f"2026080{day}T000000-000a" for day in (1, 2, 3))


@pytest.fixture
def case(worlds: Worlds, kube: KubeClient, request: pytest.FixtureRequest) -> Case:
    """A walk whose HEAD is not what the branch names, with a branch for its receipts alone."""
    found = worlds.case("well", kube)
    found.target = replace(found.target, commit=HEAD)
    found.git = replace(found.git, receipts=f"receipts-{request.node.name[:40]}")
    return found


async def keep(case: Case, run: str, service: dict[str, Any], commit: str = HEAD) -> None:
    facts = {"environment": "dev", "commit": commit, "tag": commit[:8]}
    written = document(service, run=run, **facts)
    assert await receipt_keeper.store(case.git, written, [case.target], report=silent)


def said(found: Diagnosis) -> dict[str, str]:
    return {link.name: f"{link.status}: {link.said}" for link in found.links}


async def test_the_stage_that_stopped_head_is_the_note_or_on_request_the_broken_link(
    case: Case, worlds: Worlds, kube: KubeClient
) -> None:
    name = case.target.app
    await keep(case, FIRST, gated("scan-image", name=name, cause="2 findings"))
    await keep(case, SECOND, gated("test", name=name, cause=CAUSE, ran="preflight scan-source"))
    await keep(case, THIRD, gated(name=name), COMMIT)

    strict = replace(case, expect_head=True)
    document = (await diagnose(strict)).document()
    assert (document["broken"], document["evidence"]) == ("tests", CAUSE)
    assert document["cause"] == f"test of bbbb2222 failed in run {SECOND}"
    assert document["fix"] == f"dagger call test --service={name}"

    await worlds.check("well", kube)
    found = await diagnose(case)
    assert found.error is None, found.text()
    assert said(found)["tests"] == f"ok: test said something (run {THIRD})"
    (note,) = [note for note in found.notes if note.startswith("HEAD")]
    assert note.endswith(f"it was not built and pushed; run {SECOND} failed at test: {CAUSE}")


async def test_a_head_that_was_never_deployed_and_whose_commit_failed_names_the_stage(case: Case) -> None:
    name = case.target.app
    await keep(case, FIRST, gated("gitops", name=name, cause="denies git push"))
    document = (await diagnose(replace(case, expect_head=True))).document()
    assert document["broken"] == "values"
    assert document["evidence"].endswith(f"run {FIRST} failed at gitops: denies git push")
    assert document["fix"] == f"dagger call gitops --service={name}"


async def test_without_any_receipt_no_run_is_known_and_nothing_is_guessed(case: Case) -> None:
    found = await diagnose(case)
    assert found.error is None, found.text()
    assert said(found)["tests"] == f"unknown: no run of {TAG} in dev is known"
    assert any(note.endswith("; no run of HEAD is known") for note in found.notes)
    off = await diagnose(replace(case, branch=None, git=replace(case.git, receipts="")))
    why = f"unknown: no run of {TAG} in dev is known: gitops.receipts.store is false"
    assert said(off)["scan"] == why


async def test_a_receipt_that_cannot_be_read_hides_nothing(case: Case) -> None:
    name = case.target.app
    await keep(case, FIRST, gated("test", name=name, cause=CAUSE))
    await keep(case, SECOND, {**gated(name=name), "app": "another"})

    found = await diagnose(replace(case, expect_head=True))

    path = f"apps/{name}/receipts/dev/{SECOND}.json"
    assert f"a receipt cannot be read: {path}: it tells of another run" in found.notes[0]
    assert found.document()["broken"] == "tests"


async def test_a_branch_of_receipts_that_cannot_be_fetched_is_a_note(case: Case, worlds: Worlds) -> None:
    await keep(case, FIRST, gated(name=case.target.app), COMMIT)
    bare = gitserver.repository(worlds.layout, worlds.repository)
    tree = command.run(["git", "-C", bare, "rev-parse", f"{case.git.receipts}^{{tree}}"]).strip()
    (bare / "objects" / tree[:2] / tree[2:]).unlink()

    found = await diagnose(case)

    assert found.error is None, found.text()
    assert said(found)["tests"] == f"unknown: no run of {TAG} in dev is known: receipts cannot be read"
    assert any(note.startswith("receipts of runs cannot be read: ") for note in found.notes)
