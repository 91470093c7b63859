"""R18: what the receipts on a real git server say of a commit that tests, scan or build have stopped."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, cast

import anyio
import pytest

from slipway_host import receipt_keeper
from slipway_host.diagnosis import Diagnosis, diagnose
from slipway_host.gitops import commit_images
from slipway_host.image_change import ImageChange
from slipway_host.progress import silent
from slipway_host.registry import RegistryClient
from slipway_lab import command, gitserver
from support.receipts import document, gated
from support.worlds import COMMIT, TAG, World, Worlds

if TYPE_CHECKING:
    from slipway_host.diagnosis_case import Case
    from slipway_host.kube import KubeClient

WORLDS = {"well": World(link="", says="", fix="", tag="01dc0de0")}
HEAD = "bbbb2222" + "0" * 32
CAUSE = "`go test ./...` ended with 1: expected 200, got 500"
FIRST, SECOND, THIRD = (f"2026080{day}T000000-000a" for day in (1, 2, 3))


@dataclass(frozen=True)
class Deployed:
    """What a deploy has brought to the branch."""

    commit: str
    digest: str


@pytest.fixture(scope="module")
def deployed(worlds: Worlds) -> Deployed:
    """The GitOps commit with the image that runs, as Slipway makes it."""
    return anyio.run(deploy, worlds.case("well", cast("KubeClient", None)))


async def deploy(case: Case) -> Deployed:
    repository = case.target.repository.removeprefix(f"{case.registry.host}/")
    async with RegistryClient(case.registry) as registry:
        image = await registry.find(repository, TAG)
    assert image
    brought = ImageChange(
        app=case.target.app,
        path=case.target.values,
        tag=TAG,
        digest=image.digest,
        write_digest=False,
        source_commit=COMMIT,
    )
    done = await commit_images(case.git, [brought], run_id="run-1", report=silent, deadline_s=60)
    return Deployed(done.commit, image.digest)


@pytest.fixture
def case(worlds: Worlds, deployed: Deployed, kube: KubeClient, request: pytest.FixtureRequest) -> Case:
    """A walk whose HEAD is not what the branch names, with a branch for its receipts alone."""
    assert deployed.commit
    found = worlds.case("well", kube)
    found.target = replace(found.target, commit=HEAD)
    found.git = replace(found.git, receipts=f"receipts-{request.node.name[:40]}")
    return found


async def keep(case: Case, run: str, service: dict[str, Any], commit: str = HEAD) -> None:
    facts = {"environment": "dev", "commit": commit, "tag": commit[:8]}
    written = document(service, run=run, **facts)
    assert await receipt_keeper.store(case.git, written, [case.target], report=silent)


def passed(case: Case, deployed: Deployed) -> dict[str, Any]:
    """What the run's receipt says that brought what is deployed."""
    return gated(name=case.target.app, commit=deployed.commit, digest=deployed.digest)


def said(found: Diagnosis) -> dict[str, str]:
    return {link.name: f"{link.status}: {link.said}" for link in found.links}


async def test_the_stage_that_stopped_head_is_the_note_or_on_request_the_broken_link(
    case: Case, worlds: Worlds, kube: KubeClient, deployed: Deployed
) -> None:
    name = case.target.app
    await keep(case, FIRST, gated("scan-image", name=name, cause="2 findings"))
    await keep(case, SECOND, gated("test", name=name, cause=CAUSE, ran="preflight scan-source"))
    await keep(case, THIRD, passed(case, deployed), COMMIT)

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


async def test_a_receipt_that_the_branch_contradicts_does_not_count_and_is_named_with_the_reason(
    case: Case, deployed: Deployed
) -> None:
    right = passed(case, deployed)
    await keep(case, FIRST, right, COMMIT)
    await keep(case, SECOND, {**right, "digest": "sha256:" + "0" * 64}, COMMIT)
    found = await diagnose(case)
    (note,) = doubts(found)
    assert re.search(rf": run {SECOND}: .* stands for sha256:.*…, and the receipt says sha256:0+…$", note), (
        note
    )
    assert said(found)["tests"] == f"ok: test said something (run {FIRST})"

    elsewhere = gated(name=case.target.app, digest=deployed.digest)
    await keep(case, THIRD, elsewhere, COMMIT)
    found = await diagnose(replace(case, branch=None, notes=[]))
    (note,) = doubts(found)
    assert note.endswith(f": run {THIRD}: commit cccccccccccc is not on the branch, and 1 more")
    assert said(found)["tests"] == f"ok: test said something (run {FIRST})"


def doubts(found: Diagnosis) -> list[str]:
    """Return the notes about receipts that do not count."""
    what = "a receipt does not count, since the branch does not say what it says"
    return [note for note in found.notes if note.startswith(what)]


async def test_where_no_other_receipt_is_left_the_gates_are_unknown(case: Case) -> None:
    await keep(case, FIRST, gated(name=case.target.app), COMMIT)
    found = await diagnose(case)
    assert found.error is None, found.text()
    for gate in ("tests", "build", "scan", "push"):
        assert said(found)[gate] == f"unknown: no run of {TAG} in dev is known"


async def test_a_branch_of_receipts_that_cannot_be_fetched_is_a_note(
    case: Case, worlds: Worlds, deployed: Deployed
) -> None:
    await keep(case, FIRST, passed(case, deployed), COMMIT)
    bare = gitserver.repository(worlds.layout, worlds.repository)
    tree = command.run(["git", "-C", bare, "rev-parse", f"{case.git.receipts}^{{tree}}"]).strip()
    (bare / "objects" / tree[:2] / tree[2:]).unlink()

    found = await diagnose(case)

    assert found.error is None, found.text()
    assert said(found)["tests"] == f"unknown: no run of {TAG} in dev is known: receipts cannot be read"
    assert any(note.startswith("receipts of runs cannot be read: ") for note in found.notes)
