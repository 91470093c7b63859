"""What a deploy would commit, at a real repository: the plan's diff is git's own of what comes of it."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from slipway_host import gitops_preview, holds
from slipway_host.errors import HeldError, MovedError, SupersededError
from slipway_host.gitops_preview import RUN, UNKNOWN, UNKNOWN_SHOWN, diff, mover
from slipway_host.holds import Hold
from support.gitops_remote import VALUES, Remote, change, deploy, path

if TYPE_CHECKING:
    from pathlib import Path

    from slipway_host.gitops_preview import GitOpsPreview
    from slipway_host.image_change import ImageChange

COMMIT = "0e123456" + "0" * 32


@pytest.fixture
def remote(tmp_path: Path) -> Remote:
    return Remote(tmp_path)


async def preview(remote: Remote, *changes: ImageChange) -> GitOpsPreview:
    return await gitops_preview.preview(remote.settings, changes, apps={}, protocols=("file",))


async def test_the_planned_diff_and_message_are_those_of_the_commit(remote: Remote) -> None:
    changes = (change("api", COMMIT), change("ui", COMMIT))
    before = remote.head()
    found = await preview(remote, *changes)
    assert remote.head() == found.head == before
    (commit,) = found.commits
    assert commit.apps == ("api", "ui")

    await deploy(remote, *changes)
    shown = remote.git("diff", "--no-color", before, remote.head(), at=remote.bare)
    hunks = [line for line in shown.splitlines() if not line.startswith(("diff ", "index "))]
    planned = "".join(file.diff for file in commit.files).splitlines()
    assert [line.partition("@@ ")[0] for line in planned] == [line.partition("@@ ")[0] for line in hunks]
    assert commit.message.replace(RUN, "run-1").strip() == remote.log("%B", "-1")

    again = await preview(remote, *changes)
    assert again.commits == ()
    assert again.before["api"] != found.before["api"]


async def test_one_that_is_held_leaves_the_others_a_commit_of_their_own(remote: Remote) -> None:
    held = holds.text([Hold(tag="", reason="freeze", by="amy", since="2026-11-24T05:15:00Z")])
    remote.put({holds.path_of(path("ui")): held.decode()})
    found = await preview(remote, change("api", COMMIT), change("ui", COMMIT))
    assert [commit.apps for commit in found.commits] == [("api",)]
    assert isinstance(found.refused["ui"], HeldError)
    assert "freeze" in found.facts["ui"]["holds of ui"]
    assert found.facts["api"]["holds of api"] == "none"


async def test_a_newer_deploy_is_told(remote: Remote) -> None:
    await deploy(remote, change("api", "f" * 40))
    found = await preview(remote, replace(change("api", COMMIT), ancestors=frozenset({"a" * 40})))
    assert isinstance(found.refused["api"], SupersededError)


async def test_a_digest_that_nobody_knows_yet_is_a_word_in_the_diff(remote: Remote) -> None:
    remote.put({path("api"): 'image:\n  tag: "x"\n  digest: "sha256:' + "1" * 64 + '"\n'})
    found = await preview(remote, replace(change("api", COMMIT), digest=UNKNOWN))
    (commit,) = found.commits
    assert f'+  digest: "{UNKNOWN_SHOWN}"' in commit.files[0].diff
    assert f"Slipway-Image-Digest: {UNKNOWN_SHOWN}" in commit.message
    assert UNKNOWN not in commit.files[0].diff + commit.message


async def test_a_commit_is_made_only_of_the_bytes_that_the_plan_saw(remote: Remote) -> None:
    found = await preview(remote, change("api", COMMIT))
    planned = replace(change("api", COMMIT), before=found.before["api"])
    remote.put({path("ui"): VALUES.format(app="ui") + "# another application's\n"})
    remote.put({path("api"): VALUES.format(app="api") + "# somebody's\n"}, message="Tune api")
    head = remote.head()
    with pytest.raises(MovedError, match="is not what the plan saw"):
        await deploy(remote, planned)
    assert remote.head() == head
    said = await mover(remote.settings, path("api"), protocols=("file",))
    assert said.startswith(f"commit {head[:8]} of rival@x <rival@x>, ")
    assert said.endswith(": Tune api")


async def test_another_applications_commit_is_no_matter(remote: Remote) -> None:
    found = await preview(remote, change("api", COMMIT))
    remote.put({path("ui"): VALUES.format(app="ui") + "# another application's\n"})
    assert (await preview(remote, change("api", COMMIT))).facts == found.facts
    await deploy(remote, replace(change("api", COMMIT), before=found.before["api"]))
    assert COMMIT[:8] in remote.show(path("api"))


async def test_who_pushes_while_a_planned_commit_is_made_is_seen(remote: Remote) -> None:
    """The check is in the loop of tries: a push that is rejected reads, and compares, again."""
    found = await preview(remote, change("api", COMMIT))
    rival = VALUES.format(app="api") + "# in between\n"
    remote.put({path("api"): rival})
    moved = remote.head()
    remote.git("update-ref", "refs/heads/main", f"{moved}~1", at=remote.bare)
    # The first push finds the branch moved, since the server moves it just before.
    remote.hook("pre-receive", f"env -u GIT_QUARANTINE_PATH git update-ref refs/heads/main {moved}; exit 1")
    with pytest.raises(MovedError):
        await deploy(remote, replace(change("api", COMMIT), before=found.before["api"]))
    assert remote.head() == moved


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"a: 1\r\nb: 2\r\n", b"a: 2\r\nb: 2\r\n"),
        (b"a: 1", b"a: 2"),
        (b"a: 1\nb: \xe2\x80\xa8x\n", b"a: 2\nb: \xe2\x80\xa8x\n"),
    ],
    ids=["crlf", "no newline", "line separator"],
)
def test_a_diff_applies_to_the_very_bytes(before: bytes, after: bytes, tmp_path: Path) -> None:
    file = tmp_path / "values.yaml"
    file.write_bytes(before)
    patch = diff("values.yaml", before, after).encode()
    subprocess.run(["git", "apply", "-"], cwd=tmp_path, input=patch, check=True)
    assert file.read_bytes() == after
