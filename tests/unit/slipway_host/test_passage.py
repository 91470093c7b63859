from dataclasses import replace
from pathlib import Path

import pytest

from slipway_host import gitops, passage
from slipway_host.gitops import GitOpsResult
from slipway_host.progress import silent
from slipway_host.results import Status
from support.gitops_remote import Remote, change

DONE = GitOpsResult(status=Status.SUCCEEDED, commit="c" * 40, branch="main", changed=("api",), attempts=1)
ADDRESS = "https://h/a/b/pulls/7"


@pytest.mark.parametrize(
    ("found", "statuses", "outputs", "said"),
    [
        (DONE, (Status.SUCCEEDED, Status.SKIPPED), {"commit": "c" * 40}, "commit cccccccc"),
        (
            replace(DONE, status=Status.WAITING, pull_request=ADDRESS),
            (Status.WAITING, Status.SKIPPED),
            {"proposed": "c" * 40, "pullRequest": ADDRESS},
            f"merge {ADDRESS}",
        ),
        (
            replace(DONE, pull_request=ADDRESS),
            (Status.SUCCEEDED, Status.SKIPPED),
            {"commit": "c" * 40, "pullRequest": ADDRESS},
            "commit cccccccc",
        ),
    ],
)
async def test_a_proposed_commit_is_never_handed_on_as_one_to_sync(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    found: GitOpsResult,
    statuses: tuple[Status, Status],
    outputs: dict[str, str],
    said: str,
) -> None:
    async def commit_images(*_given: object, **_named: object) -> GitOpsResult:
        return found

    monkeypatch.setattr(gitops, "commit_images", commit_images)
    settings = Remote(tmp_path).settings
    done = await passage.commit(settings, [change("api"), change("ui")], run_id="r", report=silent)
    assert (done["api"].status, done["ui"].status) == statuses
    assert done["api"].outputs == {"branch": "main", "attempts": 1, **outputs}
    assert done["api"].summary == f"tag 1234abcd on main: {said}"
