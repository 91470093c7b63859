"""R11: the GitOps commit as a pull request, at a real Gitea."""

import ssl
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import anyio
import pytest
from anyio import to_thread
from anyio.streams.memory import MemoryObjectReceiveStream
from pydantic import SecretStr

from slipway_host import gitops, gitops_preview, proposal, receipt_keeper
from slipway_host.branch_checks import BranchChecks
from slipway_host.checks import Check, CheckStatus, examine
from slipway_host.errors import (
    AccessDeniedError,
    ConflictError,
    DeadlineError,
    MovedError,
    NotFoundError,
    SettingsError,
    SupersededError,
    TerminalError,
)
from slipway_host.git import SAFE_PROTOCOLS
from slipway_host.gitops import GitOpsResult, commit_images
from slipway_host.image_change import SOURCE_COMMIT, ImageChange
from slipway_host.progress import silent
from slipway_host.results import Status
from slipway_host.settings import GitSettings
from slipway_host.together import first_error
from slipway_lab.layout import Layout
from support.gitea import Repository
from support.gitops_remote import VALUES, change, path
from support.receipts import document, service
from support.target import api_target

BRANCH = "slipway/prod/api-1234abcd"
DIGEST = "sha256:" + "ab" * 32


@pytest.fixture
def repository(layout: Layout, run_id: str) -> Iterator[Repository]:
    found = Repository(layout, run_id, ssl.create_default_context(cafile=str(layout.trust)))
    found.create({path(app): VALUES.format(app=app) for app in ("api", "ui")})
    yield found
    found.delete()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proposal, "POLL_S", (0.1, 0.3))


async def deploy(settings: GitSettings, *changes: ImageChange, run_id: str = "run-1") -> GitOpsResult:
    return await commit_images(settings, changes, run_id=run_id, report=silent, deadline_s=60)


async def act(repository: Repository, settings: GitSettings, action: str, *more: str) -> GitOpsResult:
    """Deploy, and do something to its pull request while it waits."""
    acted: list[int] = []

    async def person(lines: MemoryObjectReceiveStream[str]) -> None:
        async for line in lines:
            if "waiting for the merge of" in line:
                number = (await to_thread.run_sync(repository.pulls))[0]["number"]
                await to_thread.run_sync(getattr(repository, action), number, *more)
                acted.append(number)

    send, receive = anyio.create_memory_object_stream[str](100)
    with send, receive:
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(person, receive)
                result = await commit_images(
                    settings, [change()], run_id="run-1", report=send.send_nowait, deadline_s=60
                )
                tasks.cancel_scope.cancel()
        except BaseExceptionGroup as group:
            raise first_error(group) from None
    assert acted == [result.number]
    return result


def written(request: dict[str, Any]) -> list[object]:
    """Return what a caller can write of a pull request; the rest Gitea finds out on its own, and later."""
    fields = [request[name] for name in ("number", "title", "body", "updated_at", "comments")]
    return [*fields, request["head"]["sha"], request["base"]["sha"]]


async def test_a_proposal_leaves_the_branch_alone_and_a_second_run_changes_nothing(
    repository: Repository,
) -> None:
    before = repository.head()
    first = await deploy(repository.settings(), change(digest=DIGEST))
    made = repository.pulls()
    again = await deploy(repository.settings(), change(digest=DIGEST), run_id="run-2")

    assert (first.status, first.changed) == (Status.WAITING, ("api",))
    assert again == first
    assert repository.head() == before
    assert repository.head(BRANCH) == first.commit
    assert 'tag: "1234abcd"  # set by the pipeline' in repository.text(path("api"), BRANCH)
    assert len(made) == 1
    assert made[0]["html_url"] == first.pull_request
    assert made[0]["title"] == "chore(api): update image tag to 1234abcd"
    for fact in ("`prod`", DIGEST, f"{SOURCE_COMMIT}: {'1234abcd' * 5}", path("api")):
        assert fact in made[0]["body"]
    # Not even the time of its last change: nothing was written.
    assert [written(one) for one in repository.pulls()] == [written(one) for one in made]


@pytest.mark.parametrize("style", ["merge", "squash", "rebase"])
async def test_after_the_merge_a_run_goes_on_and_knows_what_is_newer(
    repository: Repository, style: str
) -> None:
    proposed = await deploy(repository.settings(), change())
    repository.merge(proposed.number, style)
    merged = await deploy(repository.settings(), change())
    assert (merged.status, merged.commit) == (Status.SKIPPED, repository.head())
    # Fault 62: the trailers outlive each kind of merge.
    older = change(commit="aaaa1111" * 5, ancestors=frozenset())
    with pytest.raises(SupersededError):
        await deploy(repository.settings(), older)


async def test_a_run_that_waits_returns_the_merge(repository: Repository) -> None:
    result = await act(repository, repository.settings(wait=True), "merge", "merge")
    assert (result.status, result.changed) == (Status.SUCCEEDED, ("api",))
    assert result.commit == repository.head()
    assert 'tag: "1234abcd"' in repository.text(path("api"))


async def test_a_wait_ends_with_its_deadline_and_the_pull_request_stays(repository: Repository) -> None:
    with pytest.raises(DeadlineError, match="was not merged within 1 s: it stays open") as caught:
        await deploy(repository.settings(wait=True, wait_s=1), change())
    assert caught.value.next_command == "merge it, then run the same command again"
    assert len(repository.pulls()) == 1


async def test_a_pull_request_that_is_closed_ends_the_wait_and_is_proposed_anew(
    repository: Repository,
) -> None:
    with pytest.raises(TerminalError, match="was closed without a merge"):
        await act(repository, repository.settings(wait=True), "close")
    again = await deploy(repository.settings(), change())
    assert [request["number"] for request in repository.pulls()] == [again.number]


async def test_a_proposal_follows_a_file_that_changed_below_it(repository: Repository) -> None:
    first = await deploy(repository.settings(), change())
    repository.put(path("api"), VALUES.format(app="api") + "replicas: 2\n")
    again = await deploy(repository.settings(), change())
    assert again.number == first.number
    assert again.commit != first.commit
    assert repository.text(path("api"), BRANCH).endswith("replicas: 2\n")
    await to_thread.run_sync(repository.merge, again.number, "merge")
    assert repository.text(path("api")) == repository.text(path("api"), BRANCH)


async def test_a_reviewers_own_commit_is_not_thrown_away(repository: Repository) -> None:
    await deploy(repository.settings(), change())
    repository.put(path("api"), VALUES.format(app="api") + "mine: 1\n", branch=BRANCH)
    with pytest.raises(ConflictError, match=f"{BRANCH} has a commit that Slipway did not make"):
        await deploy(repository.settings(), change())
    assert "mine: 1" in repository.text(path("api"), BRANCH)


async def test_two_runs_at_once_end_with_one_pull_request(repository: Repository) -> None:
    results: list[GitOpsResult] = []

    async def run(run_id: str) -> None:
        results.append(await deploy(repository.settings(), change(), change("ui"), run_id=run_id))

    async with anyio.create_task_group() as tasks:
        for number in range(4):
            tasks.start_soon(run, f"run-{number}")
    (only,) = repository.pulls()
    assert {result.number for result in results} == {only["number"]}
    assert {result.commit for result in results} == {repository.head("slipway/prod/api_ui-1234abcd")}


async def test_a_wrong_token_and_a_missing_repository_are_told_before_anything_is_pushed(
    repository: Repository,
) -> None:
    settings = repository.settings()
    assert settings.pull_request
    await gitops.check_proposals(settings)
    with pytest.raises(AccessDeniedError, match="does not accept the token") as caught:
        await gitops.check_proposals(replace(settings, token=SecretStr("canary-4711")))
    assert "canary" not in str(caught.value)
    gone = replace(settings.pull_request, repository="gone")
    with pytest.raises(NotFoundError, match="has no /repos/mosuon/gone"):
        await gitops.check_proposals(replace(settings, pull_request=gone))
    page = replace(settings.pull_request, url=settings.pull_request.url.replace("/api/v1", ""))
    with pytest.raises((SettingsError, NotFoundError)):
        await gitops.check_proposals(replace(settings, pull_request=page))
    with pytest.raises(SettingsError, match="needs a token"):
        await gitops.check_proposals(replace(settings, token=None))


async def test_rule_for_a_branch_is_found_without_a_push(repository: Repository) -> None:  # R22, fault 64
    api = repository.settings().pull_request
    assert api is not None
    settings = replace(repository.settings(), pull_request=None, receipts="slipway-receipts")
    written = document(service(), environment="dev", run="20260801T000000-000a")
    assert await receipt_keeper.store(settings, written, [api_target(environment="dev")], report=silent)

    async def look() -> list[tuple[CheckStatus, str]]:
        async def give() -> GitSettings:
            return settings

        checks = BranchChecks([path("api")], give, api, SAFE_PROTOCOLS)
        results = await examine(
            [Check(name="git push", look=checks.push), Check(name="receipts", look=checks.receipts)]
        )
        return [(result.status, result.found) for result in results]

    assert await look() == [
        (CheckStatus.OK, "the account may push, and no rule for main forbids it"),
        (CheckStatus.OK, "the account may push to slipway-receipts, which keeps receipts"),
    ]
    for branch in ("main", "slipway-receipts"):
        await to_thread.run_sync(repository.protect, branch)
    rule = "a rule of the server keeps this account from pushing to"
    assert await look() == [
        (CheckStatus.FAILED, f"{rule} main"),
        (CheckStatus.WARNING, f"the receipt of a run would not be kept: {rule} slipway-receipts"),
    ]


async def test_a_plan_names_the_proposal_and_makes_none(repository: Repository) -> None:  # R21
    settings, wanted = repository.settings(), change(digest=DIGEST)
    found = await gitops_preview.preview(settings, [wanted], apps={})
    (commit,) = found.commits
    assert (commit.proposal, commit.proposed) == (BRANCH, False)
    assert repository.pulls() == []

    planned = replace(wanted, before=found.before["api"])
    assert (await deploy(settings, planned)).status is Status.WAITING
    again = await gitops_preview.preview(settings, [wanted], apps={})
    assert again.commits[0].proposed
    assert again.commits[0].files == commit.files

    await to_thread.run_sync(repository.put, path("api"), f"{VALUES.format(app='api')}# tuned\n")
    with pytest.raises(MovedError, match="is not what the plan saw"):
        await deploy(settings, planned)
