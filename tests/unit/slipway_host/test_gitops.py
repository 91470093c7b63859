import shutil
from functools import partial
from pathlib import Path

import anyio
import pytest

from slipway_host.errors import DeliveryError, NotFoundError, SettingsError, SupersededError
from slipway_host.gitops import commit_images, contains
from slipway_host.image_change import ImageChange
from slipway_host.progress import silent
from slipway_host.results import Status
from slipway_host.settings import GitSettings
from support.gitops_remote import VALUES, Remote, change, deploy, path

DIGEST = "sha256:" + "ab" * 32
pytestmark = pytest.mark.usefixtures("quick")


async def test_one_commit_changes_one_line_and_names_its_origin(remote: Remote) -> None:
    # R11.
    before = remote.head()
    result = await deploy(remote, change(digest=DIGEST, source_url="https://u:secret@h/api?t=secret"))
    assert result.status is Status.SUCCEEDED
    assert result.commit == remote.head()
    assert (result.branch, result.changed, result.attempts) == ("main", ("api",), 1)
    assert remote.log("%P", "-1") == before
    assert remote.log("%an <%ae>", "-1") == "slipway <slipway@users.noreply.invalid>"
    assert remote.log("%B", "-1") == (
        "chore(api): update image tag to 1234abcd\n\n"
        f"Slipway-Source-Commit: {'1234abcd' * 5}\n"
        "Slipway-Source-Url: https://h/api\n"
        f"Slipway-Image-Digest: {DIGEST}\n"
        "Slipway-Run: run-1"
    )
    assert remote.git("diff", "--numstat", before, "main", at=remote.bare) == f"1\t1\t{path('api')}"
    assert 'tag: "1234abcd"  # set by the pipeline' in remote.show(path("api"))


async def test_several_applications_share_one_commit(remote: Remote) -> None:
    # R11.
    result = await deploy(remote, change("api"), change("ui", "5678cdef" * 5), message="deploy {app}: {tag}")
    assert result.changed == ("api", "ui")
    assert remote.log("%B", "-1") == (
        "deploy api, ui: 1234abcd, 5678cdef\n\napi: 1234abcd\nui: 5678cdef\n\n"
        f"Slipway-Source-Commit: {'1234abcd' * 5} (api)\n"
        f"Slipway-Source-Commit: {'5678cdef' * 5} (ui)\n"
        "Slipway-Run: run-1"
    )
    assert len(remote.log("%H").split()) == 2


async def test_only_what_changes_is_named(remote: Remote) -> None:
    await deploy(remote, change("api"))
    result = await deploy(remote, change("api"), change("ui"))
    assert result.changed == ("ui",)
    assert remote.log("%s", "-1") == "chore(ui): update image tag to 1234abcd"


async def test_nothing_to_change_makes_no_commit(remote: Remote) -> None:
    # Faults 61 and 63: also what a run finds whose predecessor was killed after its push.
    await deploy(remote, change())
    remote.pull()
    head = remote.put({"README": "more"})
    result = await deploy(remote, change())
    assert (result.status, result.commit, result.changed) == (Status.SKIPPED, head, ())
    assert remote.head() == head


async def test_digest_is_written_on_request_and_then_follows_the_tag(remote: Remote) -> None:
    await deploy(remote, change(digest=DIGEST))
    assert "digest" not in remote.show(path("api"))
    await deploy(remote, change(digest=DIGEST, write_digest=True))
    assert f'  digest: "{DIGEST}"' in remote.show(path("api"))
    newer = DIGEST.replace("ab", "cd")
    await deploy(remote, change(commit="5678cdef" * 5, digest=newer))
    assert f'  digest: "{newer}"' in remote.show(path("api"))
    with pytest.raises(SettingsError, match="digest"):
        await deploy(remote, change(commit="9abc0123" * 5))


async def test_an_older_deploy_cannot_replace_a_newer_one(remote: Remote) -> None:
    # Fault 62.
    older, newer = "aaaa1111" * 5, "bbbb2222" * 5
    await deploy(remote, change(commit=newer, ancestors=frozenset({older})))
    with pytest.raises(SupersededError, match=f"{newer}, which is not part of {older}"):
        await deploy(remote, change(commit=older, ancestors=frozenset()))
    assert (await deploy(remote, change(commit=older))).status is Status.SUCCEEDED


async def test_a_tag_set_by_hand_after_a_deploy_may_be_replaced(remote: Remote) -> None:
    older, newer = "aaaa1111" * 5, "bbbb2222" * 5
    await deploy(remote, change(commit=newer))
    remote.pull()
    remote.put({path("api"): VALUES.format(app="api").replace("latest", "by-hand")})
    result = await deploy(remote, change(commit=older, ancestors=frozenset()))
    assert result.status is Status.SUCCEEDED


async def test_the_last_writer_is_found_under_many_commits_and_other_applications(
    remote: Remote,
) -> None:
    # The tag does not begin the hash, so only history can tell; 205 commits are beyond one step.
    newer = "bbbb2222" * 5
    await deploy(remote, change(commit=newer, tag="v2"), change("ui", "cccc3333" * 5, tag="v3"))
    remote.pull()
    for number in range(205):
        remote.git("commit", "-q", "--allow-empty", "-m", f"{number}")
    remote.put({"x": "1"}, f"chore(x)\n\nSlipway-Source-Commit: {'dddd4444' * 5}")
    with pytest.raises(SupersededError, match=newer):
        await deploy(remote, change(tag="v1", ancestors=frozenset()))
    child = change(tag="v4", ancestors=frozenset({newer}))
    assert (await deploy(remote, child)).status is Status.SUCCEEDED


async def test_a_missing_values_file_is_named_with_its_branch(remote: Remote) -> None:
    with pytest.raises(NotFoundError, match=r"apps/none/values.yaml does not exist on branch main"):
        await deploy(remote, change("none"))


async def test_a_values_file_behind_a_symbolic_link_is_refused(remote: Remote) -> None:
    # Fault 72.
    (remote.work / "apps/link").mkdir()
    (remote.work / path("link")).symlink_to("../../../outside.yaml")
    head = remote.put({})
    with pytest.raises(SettingsError, match="symbolic link"):
        await deploy(remote, change("link"))
    assert remote.head() == head


async def test_a_file_that_cannot_be_edited_stops_all_changes(remote: Remote) -> None:
    # Fault 66: the other application's edit does not land alone.
    head = remote.put({path("ui"): "image: nginx\n"})
    with pytest.raises(SettingsError, match=r"apps/ui/values.yaml:1"):
        await deploy(remote, change("api"), change("ui"))
    assert remote.head() == head


async def test_master_is_proposed_where_main_is_configured(tmp_path: Path) -> None:
    # R34.
    remote = Remote(tmp_path, "master")
    with pytest.raises(NotFoundError, match="there is master") as caught:
        await deploy(remote, change())
    assert caught.value.next_command == "set gitops.branch: master"


@pytest.mark.parametrize(
    ("changes", "message", "reason"),
    [
        ((), "x", "no application"),
        ((change(), change()), "x", "share the values file"),
        ((change(commit="1234abcd"),), "x", "not a full commit hash"),
        ((change(write_digest=True),), "x", "none is known"),
        ((change(),), "{app.__class__}", "unknown {app.__class__}"),
        ((change(),), "a\nb", "one line"),
        ((change(),), " ", "one line"),
    ],
)
async def test_wrong_arguments_are_refused_before_the_network(
    changes: tuple[ImageChange, ...], message: str, reason: str
) -> None:
    settings = GitSettings(url="https://unreachable.invalid/x.git", branch="main", message=message)
    with pytest.raises(SettingsError) as caught:
        await commit_images(settings, changes, run_id="r", report=silent, deadline_s=5)
    assert reason in caught.value.cause


async def test_contains_follows_ancestry(remote: Remote) -> None:
    # R15, fault 79.
    first = remote.head()
    ours = (await deploy(remote, change())).commit
    remote.pull()
    later = remote.put({"x": "1"})
    other = remote.git("commit-tree", "HEAD^{tree}", "-m", "elsewhere")
    step = "commit refs/heads/main\ncommitter x <x@x> 1780000000 +0000\ndata 1\nx\n"
    many = f"{step}from {remote.git('rev-parse', 'HEAD')}\n" + step * 119
    remote.git("fast-import", "--quiet", "--force", stdin=many)
    newest = remote.put({})
    ask = partial(contains, remote.settings, protocols=("file",))
    assert await ask(ours, ours)
    assert await ask(ours, later)
    assert await ask(ours, newest)
    assert not await ask(ours, first)
    assert not await ask(ours, other)
    assert not await ask(ours, "")
    assert not await ask(ours, "--all")


async def test_contains_fails_where_the_repository_is_gone(remote: Remote) -> None:
    head = remote.head()
    shutil.rmtree(remote.bare)
    with pytest.raises(DeliveryError):
        await contains(remote.settings, head, "a" * 40, protocols=("file",))


async def test_who_has_nothing_to_write_does_not_wait_for_who_has(remote: Remote) -> None:
    await deploy(remote, change("ui"))
    hook, ended = remote.bare / "hooks" / "pre-receive", []
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\nsleep 3\n")
    hook.chmod(0o755)

    async def one(app: str) -> None:
        ended.append((app, (await deploy(remote, change(app))).status))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(one, "api")
        await anyio.sleep(1)
        tasks.start_soon(one, "ui")
    assert ended == [("ui", Status.SKIPPED), ("api", Status.SUCCEEDED)]
