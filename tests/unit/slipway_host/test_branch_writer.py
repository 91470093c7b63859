import subprocess
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import pytest
from anyio import to_thread

from slipway_host.errors import (
    AccessDeniedError,
    DeadlineError,
    SupersededError,
    TerminalError,
    UnknownOutcomeError,
)
from slipway_host.git import Clone
from slipway_host.results import Status
from support.gitops_remote import VALUES, Remote, change, deploy, path

if TYPE_CHECKING:
    from slipway_host.gitops import GitOpsResult

Rival = Callable[[Callable[[], object]], list[int]]
pytestmark = pytest.mark.usefixtures("quick")


@pytest.fixture
def tries(monkeypatch: pytest.MonkeyPatch) -> Rival:
    """Run something between the commit and its push, as a rival would."""

    def install(before_push: Callable[[], object]) -> list[int]:
        pushes: list[int] = []
        push = Clone.push

        async def rival_first(copy: Clone, commit: str) -> None:
            pushes.append(1)
            await to_thread.run_sync(before_push)
            await push(copy, commit)

        monkeypatch.setattr(Clone, "push", rival_first)
        return pushes

    return install


async def test_push_refetches_after_non_fast_forward(remote: Remote, tries: Rival) -> None:
    # Fault 59: the rival changes another line of the same file.
    rivals = iter(range(2))

    def rival() -> None:
        if next(rivals, None) is not None:
            text = (remote.work / path("api")).read_text()
            remote.put({path("api"): text + "more: 1\n"})

    tries(rival)
    result = await deploy(remote, change())
    assert (result.status, result.attempts) == (Status.SUCCEEDED, 3)
    assert remote.show(path("api")).count("more: 1") == 2
    assert 'tag: "1234abcd"' in remote.show(path("api"))
    assert remote.log("%H", "--merges") == ""


async def test_a_commit_that_landed_in_spite_of_a_failed_push_counts(
    remote: Remote, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Faults 60 and 61: the server accepted, a rival went on from there, and the answer was lost.
    push = Clone.push

    async def lose_the_answer(copy: Clone, commit: str) -> None:
        await push(copy, commit)
        await to_thread.run_sync(remote.pull)
        await to_thread.run_sync(remote.put, {"other": "1"})
        raise UnknownOutcomeError("the connection dropped")

    monkeypatch.setattr(Clone, "push", lose_the_answer)
    result = await deploy(remote, change())
    assert (result.status, result.changed, result.attempts) == (Status.SUCCEEDED, ("api",), 1)
    assert result.commit == remote.git("rev-parse", "main~1", at=remote.bare)


@pytest.mark.parametrize("hook", ["pre-receive", "update"])
async def test_a_refusal_on_an_unmoved_branch_is_final_and_quoted(
    remote: Remote, hook: str, tries: Rival
) -> None:
    # Fault 64. The hook's words look like a race and like a certificate: they decide nothing.
    remote.hook(hook, "echo 'GH006: protected; non-fast-forward certificate 503' >&2; exit 1")
    pushes = tries(lambda: None)
    head = remote.head()
    with pytest.raises(TerminalError, match="refused the push to main: GH006: protected") as caught:
        await deploy(remote, change())
    assert type(caught.value) is TerminalError
    assert len(pushes) == 1
    assert remote.head() == head


async def test_a_newer_deploy_that_lands_during_the_push_supersedes(remote: Remote, tries: Rival) -> None:
    # Fault 62, inside the retry loop.
    older, newer = "aaaa1111" * 5, "bbbb2222" * 5
    text = VALUES.format(app="api").replace("latest", f'"{newer[:8]}"')
    pushes = tries(lambda: remote.put({path("api"): text}, f"x\n\nSlipway-Source-Commit: {newer}"))
    with pytest.raises(SupersededError):
        await deploy(remote, change(commit=older, ancestors=frozenset()))
    assert len(pushes) == 1
    assert newer[:8] in remote.show(path("api"))


async def test_eight_writers_and_a_rival_lose_nothing_and_stay_linear(tmp_path: Path) -> None:
    # Fault 59, R37. The rival pushes until the last writer is done.
    remote = Remote(tmp_path)
    apps = [f"app{number}" for number in range(8)]
    remote.put({path(app): VALUES.format(app=app) for app in apps})
    results: dict[str, GitOpsResult] = {}
    rival_commits: list[str] = []

    async def write(app: str) -> None:
        results[app] = await deploy(remote, change(app), deadline_s=120)

    def push_as_rival() -> None:
        remote.git("pull", "-q", "--rebase", "origin", "main")
        number = len(rival_commits)
        try:
            rival_commits.append(remote.put({"rival": f"{number}"}, f"rival {number}"))
        except subprocess.CalledProcessError:
            return  # lost this race; the commit goes with the next push

    async def be_rival() -> None:
        while len(results) < len(apps):
            await to_thread.run_sync(push_as_rival)
            await anyio.sleep(0.2)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(be_rival)
        for app in apps:
            tasks.start_soon(write, app)

    assert remote.log("%H", "--merges") == ""
    history = remote.log("%H").split()
    for app in apps:
        assert results[app].status is Status.SUCCEEDED
        assert 'tag: "1234abcd"' in remote.show(path(app))
        assert history.count(results[app].commit) == 1
    subjects = remote.log("%s").splitlines()
    assert sum(subject.startswith("chore(app") for subject in subjects) == len(apps)
    assert rival_commits
    assert set(rival_commits) <= set(history)


async def test_writers_of_one_file_end_with_one_of_their_tags(remote: Remote) -> None:
    commits = [digit * 40 for digit in "abcdef"]
    async with anyio.create_task_group() as tasks:
        for commit in commits:
            tasks.start_soon(partial(deploy, remote, change(commit=commit), deadline_s=120))
    assert len(remote.log("%H").split()) == 1 + len(commits)
    assert any(f'tag: "{commit[:8]}"' in remote.show(path("api")) for commit in commits)


async def test_the_deadline_names_what_was_tried(remote: Remote, tries: Rival) -> None:
    tries(lambda: remote.put({}))
    with pytest.raises(DeadlineError, match=r"no commit on main within 2 s \(try \d+ .* moved"):
        await deploy(remote, change(), deadline_s=2)


async def test_an_account_without_write_access_is_not_retried(
    remote: Remote, monkeypatch: pytest.MonkeyPatch
) -> None:
    pushes: list[str] = []

    async def deny(_copy: Clone, commit: str) -> None:
        pushes.append(commit)
        raise AccessDeniedError("denied")

    monkeypatch.setattr(Clone, "push", deny)
    with pytest.raises(AccessDeniedError):
        await deploy(remote, change())
    assert len(pushes) == 1
