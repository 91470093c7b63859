"""The commits of a real repository, as lead times are measured with."""

import os
import subprocess
from pathlib import Path

import pytest

from slipway_host.errors import SettingsError
from slipway_host.source import Source
from slipway_host.source_log import FORMAT, Delivered, SourceLog


def git(folder: Path, *words: str, when: int = 1_700_000_000) -> str:
    date = f"{when} +0000"
    done = subprocess.run(
        ["git", "-c", "user.name=t", "-c", "user.email=t@t.invalid", *words],
        cwd=folder,
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "GIT_AUTHOR_DATE": date,
            "GIT_COMMITTER_DATE": date,
        },
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout.strip()


def commit(folder: Path, path: str, when: int) -> str:
    file = folder / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(str(when))
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", path, when=when)
    return git(folder, "rev-parse", "HEAD")


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    git(tmp_path, "init", "--quiet", "--initial-branch=main")
    return tmp_path


async def test_commits_of_each_branch_have_times_and_parents(repository: Path) -> None:
    first = commit(repository, "api/a", 1_701_000_000)
    git(repository, "checkout", "--quiet", "-b", "release")
    side = commit(repository, "ui/b", 1_702_000_000)
    git(repository, "checkout", "--quiet", "main")
    second = commit(repository, "api/c", 1_703_000_000)

    log = SourceLog.parse(await Source(repository).log(FORMAT))
    assert log.times == {first: 1_701_000_000, side: 1_702_000_000, second: 1_703_000_000}
    assert log.parents == {first: (), side: (first,), second: (first,)}

    touching = frozenset((await Source(repository / "api").log("%H", "api")).split())
    assert touching == {first, second}
    delivered = Delivered(log, touching)
    delivered.deploy(first, "")
    assert delivered.deploy("", side[:8]) == []
    assert delivered.deploy("", f"v-{second[:10]}") == [1_703_000_000]


async def test_a_folder_without_a_commit_is_an_error_of_ours(repository: Path) -> None:
    with pytest.raises(SettingsError, match="no repository with a commit"):
        await Source(repository).log(FORMAT)
