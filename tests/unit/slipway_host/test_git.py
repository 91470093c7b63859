from pathlib import Path

import pytest

from slipway_host.errors import NotFoundError, PushRejectedError, SettingsError
from slipway_host.git import clone
from slipway_host.settings import GitSettings
from support.git_work import TEXT, VALUES, git, publish, settings, size


@pytest.mark.parametrize("allowed", ["true", "false", "refused"])
async def test_a_server_may_filter_ignore_the_filter_or_refuse_it(work: Path, allowed: str) -> None:
    bare = work.parent / "remote.git"
    git(bare, "config", "uploadpack.allowFilter", "false" if allowed == "false" else "true")
    if allowed == "refused":
        git(bare, "config", "uploadpackfilter.allow", "false")
    async with clone(settings(work), protocols=("file",)) as copy:
        head = await copy.fetch()
        assert await copy.read([VALUES]) == {VALUES: TEXT}
        if allowed == "true":
            assert size(copy._program.home) < 1 << 19
        commit = await copy.commit({VALUES: b"image:\r\n  tag: y\r\n"}, "subject\n")
        await copy.push(commit)
        assert await copy.fetch() == commit
        assert await copy.is_ancestor(head, commit)
        assert not await copy.is_ancestor(commit, head)


async def test_a_commit_changes_bytes_only_whatever_attributes_say(work: Path) -> None:
    # Fault 70, and the file's mode stays.
    (work / ".gitattributes").write_text("* text eol=lf ident filter=evil\n")
    (work / VALUES).chmod(0o755)
    before = publish(work)
    data = b"\xef\xbb\xbfimage: $Id$\r\n  tag: y \r\n"
    async with clone(settings(work), protocols=("file",)) as copy:
        await copy.fetch()
        await copy.push(await copy.commit({VALUES: data}, "s\n"))
    bare = work.parent / "remote.git"
    async with clone(settings(work), protocols=("file",)) as copy:
        await copy.fetch()
        assert await copy.read([VALUES]) == {VALUES: data}
    raw = git(bare, "diff", "--raw", "--no-abbrev", before, "main").split()
    assert raw[:2] == [":100755", "100755"]
    assert raw[-1] == VALUES


async def test_the_callers_git_variables_and_hooks_have_no_effect(
    work: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Fault 74. What a CI job or a git hook around us may have set.
    hooks = tmp_path / "hooks"
    hooks.mkdir()
    for name in ("pre-push", "reference-transaction", "post-index-change"):
        (hooks / name).write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
        (hooks / name).chmod(0o755)
    for name, value in {
        "GIT_DIR": "/nowhere",
        "GIT_INDEX_FILE": "/nowhere",
        "GIT_WORK_TREE": "/nowhere",
        "GIT_OBJECT_DIRECTORY": "/nowhere",
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "core.hooksPath",
        "GIT_CONFIG_VALUE_0": str(hooks),
        "GIT_AUTHOR_NAME": "somebody",
        "GIT_SSL_NO_VERIFY": "1",
    }.items():
        monkeypatch.setenv(name, value)
    async with clone(settings(work), protocols=("file",)) as copy:
        assert "GIT_SSL_NO_VERIFY" not in copy._program._environment()
        await copy.fetch()
        await copy.read([VALUES])
        await copy.push(await copy.commit({VALUES: b"y"}, "s\n"))
    assert not (tmp_path / "ran").exists()
    assert git(work.parent / "remote.git", "log", "-1", "--format=%an", "main") == "slipway"


async def test_hooks_in_the_copy_itself_never_run(work: Path) -> None:
    # Fault 74: core.hooksPath=/dev/null stands in each command. Without it, these would run.
    names = ("reference-transaction", "post-index-change", "pre-push", "pre-auto-gc")
    async with clone(settings(work), protocols=("file",)) as copy:
        hooks = copy._program.directory / "hooks"
        hooks.mkdir()
        ran = copy._program.home / "ran"
        for name in names:
            (hooks / name).write_text(f"#!/bin/sh\necho {name} >> {ran}\n")
            (hooks / name).chmod(0o755)
        await copy.fetch()
        await copy.push(await copy.commit({VALUES: b"y"}, "s\n"))
        assert not ran.exists()
        # The proof that the hooks are alive: git without our options runs them.
        git(copy._program.directory, "update-ref", "refs/heads/x", copy.head)
        assert "reference-transaction" in ran.read_text()


async def test_only_regular_files_inside_are_read(work: Path) -> None:
    # Fault 72: the tree says what a work tree's lstat would.
    (work / "apps/file-link").symlink_to("api/values.yaml")
    (work / "apps/folder-link").symlink_to("/etc")
    publish(work)
    async with clone(settings(work), protocols=("file",)) as copy:
        await copy.fetch()
        for path, reason in {
            "apps/file-link": "apps/file-link .* is a symbolic link",
            "apps/folder-link/passwd": "apps/folder-link .* is a symbolic link",
            "apps/api": "not a regular file",
            f"{VALUES}/x": "apps/api/values.yaml .* is not a folder",
            "../outside": "not a path inside",
            "/etc/passwd": "not a path inside",
            "apps/.git/config": "not a path inside",
        }.items():
            with pytest.raises(SettingsError, match=reason):
                await copy.read([path])
        with pytest.raises(NotFoundError, match=r"apps/x/values.yaml does not exist on branch main"):
            await copy.read(["apps/x/values.yaml"])


async def test_a_missing_branch_is_told_from_a_missing_repository(work: Path) -> None:
    async with clone(settings(work, "release"), protocols=("file",)) as copy:
        with pytest.raises(NotFoundError, match=r"no branch release .*: there is main") as caught:
            await copy.fetch()
        assert caught.value.next_command == "set gitops.branch: main"
    git(work.parent, "init", "-q", "--bare", "empty.git")
    for name, reason in {
        "empty": "no branch main .*: it is empty",
        "none": "was not found",
    }.items():
        remote = GitSettings(url=f"file://{work.parent}/{name}.git", branch="main")
        async with clone(remote, protocols=("file",)) as copy:
            with pytest.raises(NotFoundError, match=reason):
                await copy.fetch()


async def test_a_rejected_push_quotes_the_server(work: Path) -> None:
    hook = work.parent / "remote.git/hooks/update"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\necho '::error::only by pull request' >&2\nexit 1\n")
    hook.chmod(0o755)
    async with clone(settings(work), protocols=("file",)) as copy:
        await copy.fetch()
        with pytest.raises(PushRejectedError, match=": :error: :only by pull request; "):
            await copy.push(await copy.commit({VALUES: b"y"}, "s\n"))


async def test_the_last_commit_is_found_by_ancestry_not_by_date(work: Path) -> None:
    # Fault 77: the newer commit's clock is years behind.
    (work / VALUES).write_text("0")
    publish(work, "s\n\nBy: 0", "2026-08-01T00:00:00Z")
    (work / VALUES).write_text("1")
    newest = publish(work, "s\n\nBy: 1\nBy: also 1", "2001-01-01T00:00:00Z")
    for number in range(3):
        (work / "other").write_text(f"{number}")
        publish(work, "s\n\nBy: other")
    async with clone(settings(work), protocols=("file",)) as copy:
        head = await copy.fetch()
        found = await copy.last_commit(VALUES, trailer="By")
        assert found
        assert (found.commit, found.values) == (newest, ("1", "also 1"))
        assert await copy.last_commit("large", trailer="By") is None
        assert copy.head == head
