"""R18: what receipts say of tests, build, scan and push, and when that is a broken link."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, cast

import pytest

from slipway_host import diagnosis_runs
from slipway_host.diagnosis_case import Branch, BrokenLinkError, Case, Unknown
from slipway_host.receipt_model import Receipt
from slipway_host.receipts import Stored
from support.receipts import SOURCE, document, gated, stage
from support.target import api_target

if TYPE_CHECKING:
    from slipway_host.applications import Applications
    from slipway_host.kube import KubeClient
    from slipway_host.settings import GitSettings, RegistrySettings

TAG, OLD = SOURCE[:8], "0ldc0de0"
TARGET = api_target(commit=SOURCE)
FIRST, SECOND = "20260801T000000-000a", "20260802T000000-000a"
CAUSE = "api: `go test ./...` ended with 1: expected 200"


def run(service: dict[str, Any], name: str = FIRST, **facts: Any) -> Stored:
    written = document(service, run=name, **facts)
    receipt = Receipt.model_validate_json(json.dumps(written))
    return Stored(receipt=receipt, document=written, path=f"{name}.json")


def case(*runs: Stored, tag: str = "", head: bool = False, silence: str = "") -> Case:
    """A walk whose values file names a tag; runs are given newest first."""
    found = Case(
        target=TARGET,
        kube=cast("KubeClient", None),
        applications=cast("Applications", None),
        git=cast("GitSettings", None),
        registry=cast("RegistrySettings", None),
        expect_head=head,
    )
    found.branch = Branch(tag=tag, runs=runs, silence=silence)
    return found


async def broken(of: Case, link: str) -> BrokenLinkError:
    with pytest.raises(BrokenLinkError) as caught:
        await getattr(diagnosis_runs, link)(of)
    return caught.value


@pytest.mark.parametrize(
    ("failed", "link", "function"),
    [
        ("test", "tests", "test"),
        ("build", "build", "build"),
        ("scan-source", "scan", "scan"),
        ("scan-image", "scan", "scan"),
        ("push", "push", "push"),
        ("sign", "push", "sign"),
        ("verify", "push", "verify"),
    ],
)
@pytest.mark.parametrize("tag", ["", OLD])
async def test_a_head_that_a_gate_stopped_is_the_broken_link(
    failed: str, link: str, function: str, tag: str
) -> None:
    stopped = run(gated(failed, cause=CAUSE))
    of = case(stopped, tag=tag, head=bool(tag))
    error = await broken(of, link)
    assert error.cause == f"{failed} of {TAG} failed in run {FIRST}"
    assert (error.evidence, error.next_command) == (CAUSE, f"dagger call {function} --service=api")
    for other in diagnosis_runs.GATES:
        if other != link:
            assert isinstance(await getattr(diagnosis_runs, other)(of), str)


async def test_what_passed_is_said_with_its_run() -> None:
    of = case(run(gated()), tag=TAG)
    assert await diagnosis_runs.tests(of) == f"test said something (run {FIRST})"
    assert await diagnosis_runs.scan(of) == (
        f"scan-source: scan-source said something; scan-image: scan-image said something (run {FIRST})"
    )


async def test_where_no_run_is_known_that_is_said_and_nothing_is_broken() -> None:
    for silence in ("", "gitops.receipts.store is false"):
        why = f": {silence}" if silence else ""
        said = await diagnosis_runs.tests(case(tag=TAG, head=True, silence=silence))
        assert said == Unknown(f"no run of {TAG} in prod is known{why}")


async def test_a_failure_of_what_is_deployed_all_the_same_is_no_fault() -> None:
    # It failed, then it passed.
    of = case(run(gated(), SECOND), run(gated("test", cause=CAUSE)), tag=TAG, head=True)
    assert await diagnosis_runs.tests(of) == f"test said something (run {SECOND})"
    assert of.notes == []
    # It passed, and failed afterwards.
    of = case(run(gated("test", cause=CAUSE), SECOND), run(gated()), tag=TAG, head=True)
    assert await diagnosis_runs.tests(of) == f"test said something (run {FIRST})"
    assert of.notes == [f"{TAG} is deployed, and then test failed in run {SECOND}: {CAUSE}"]
    # Nobody saw it pass.
    of = case(run(gated("test", cause=CAUSE)), tag=TAG, head=True)
    said = await diagnosis_runs.tests(of)
    assert said == Unknown(f"{TAG} is deployed, although test failed in run {FIRST}: {CAUSE}")


async def test_the_walk_is_about_what_the_values_file_names_unless_head_is_asked_for() -> None:
    stopped, before = run(gated("test", cause=CAUSE), SECOND), run(gated(), tag=OLD, commit="0" * 40)
    assert await diagnosis_runs.tests(case(stopped, before, tag=OLD)) == f"test said something (run {FIRST})"
    assert (await broken(case(stopped, before, tag=OLD, head=True), "tests")).cause.startswith("test of")


async def test_a_gate_that_another_one_stopped_is_unknown() -> None:
    of = case(run(gated("build", cause="no space left", ran="preflight test scan-source")), head=True)
    assert await diagnosis_runs.scan(of) == Unknown(
        f"scan-source: scan-source said something; scan-image did not come to an end in run {FIRST}, "
        "which build stopped"
    )


async def test_a_scan_that_could_not_look_is_no_clean_bill() -> None:
    part = gated()
    part["stages"] = [
        {**one, "status": "Inconclusive"} if one["stage"] == "scan-image" else one for one in part["stages"]
    ]
    assert isinstance(await diagnosis_runs.scan(case(run(part), tag=TAG)), Unknown)


async def test_a_run_without_gates_tells_nothing_of_them() -> None:
    # `slipway-host deploy` brings images that others have built.
    brought = run(gated(ran="preflight"), SECOND)
    of = case(brought, run(gated("test", cause=CAUSE)), head=True)
    assert (await broken(of, "tests")).cause.endswith(FIRST)
    assert isinstance(await diagnosis_runs.tests(case(brought, head=True)), Unknown)


async def test_foreign_words_are_one_line_without_control_characters() -> None:
    stopped = run(gated("test", cause="a\x1b[31m\n::error::b" + "x" * 900))
    error = await broken(case(stopped, head=True), "tests")
    assert error.evidence.startswith("a [31m : :error: :b")
    assert len(error.evidence) == diagnosis_runs.CAUSE_LIMIT


@pytest.mark.parametrize(
    ("service", "said", "function"),
    [
        (gated("test", cause=CAUSE), f"run {FIRST} failed at test: {CAUSE}", "test"),
        (gated("migrate", cause="exit code 1"), f"run {FIRST} failed at migrate: exit code 1", "migrate"),
        (gated("preflight", cause="no right"), f"run {FIRST} failed at preflight: no right", "doctor"),
        (gated("rollout", cause="crashes"), f"run {FIRST} failed at rollout: crashes", "deploy"),
        (gated(), f"run {FIRST} ended as Deployed, and the branch was changed since", "deploy"),
        (
            gated(status="Waiting", pullRequest="https://g.test/1"),
            f"run {FIRST} waits for the merge of https://g.test/1",
            "deploy",
        ),
    ],
)
def test_how_heads_run_ended_is_told(service: dict[str, Any], said: str, function: str) -> None:
    of = case(run(service))
    assert of.branch
    assert diagnosis_runs.of_head(of, of.branch) == (said, function)


def test_a_service_that_was_held_back_has_no_failed_stage_and_a_cause() -> None:
    part = gated("gitops", cause="held back: it depends on db, which failed")
    part["stages"] = [stage("test")]
    of = case(run(part))
    assert of.branch
    said = f"run {FIRST} failed at gitops: held back: it depends on db, which failed"
    assert diagnosis_runs.of_head(of, of.branch) == (said, "gitops")


def test_without_a_run_of_head_that_is_said() -> None:
    of = case(silence="receipts cannot be read")
    assert of.branch
    told = ("no run of HEAD is known: receipts cannot be read", "deploy")
    assert diagnosis_runs.of_head(of, of.branch) == told
