"""R11 against the lab's git server: smart HTTPS, accounts, rights."""

import hashlib
import secrets
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from git import Repo
from pydantic import SecretStr

from slipway_host.errors import AccessDeniedError, NotFoundError
from slipway_host.git import clone
from slipway_host.gitops import commit_images
from slipway_host.image_change import ImageChange
from slipway_host.progress import silent
from slipway_host.results import Status
from slipway_host.settings import GitSettings
from slipway_host.together import together
from slipway_lab import credentials, gitserver
from slipway_lab.layout import GIT, Layout

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def change(tag: str, app: str = "api") -> ImageChange:
    return ImageChange(
        app=app,
        path="apps/api/values.yaml",
        tag=tag,
        digest=None,
        write_digest=False,
        source_commit=COMMIT,
    )


def bare(layout: Layout, settings: GitSettings) -> Repo:
    return Repo(gitserver.repository(layout, settings.url.partition("//")[2].partition("/")[2][:-4]))


async def test_commits_one_line_and_a_second_run_commits_nothing(layout: Layout, gitops: GitSettings) -> None:
    first = await commit_images(gitops, [change("12345678")], run_id="r", report=silent, deadline_s=30)
    again = await commit_images(gitops, [change("12345678")], run_id="r", report=silent, deadline_s=30)

    repository = bare(layout, gitops)
    head = repository.commit("main")
    assert (first.status, again.status) == (Status.SUCCEEDED, Status.SKIPPED)
    assert head.hexsha == first.commit == again.commit
    text = head.tree["apps/api/values.yaml"].data_stream.read()
    assert text == b'image:\n  tag: "12345678"  # kept\nreplicaCount: 2\n'
    assert str(head.message).startswith("chore(api): update image tag to 12345678\n")
    repository.close()


async def test_writers_at_once_lose_nothing(layout: Layout, gitops: GitSettings) -> None:
    tags = [f"tag{number:05d}" for number in range(8)]

    async def write(tag: str) -> str:
        done = await commit_images(gitops, [change(tag)], run_id=tag, report=silent, deadline_s=90)
        return done.commit

    commits = await together(*(partial(write, tag) for tag in tags))

    repository = bare(layout, gitops)
    history = list(repository.iter_commits("main"))
    assert set(commits) <= {commit.hexsha for commit in history}
    assert all(len(commit.parents) <= 1 for commit in history)
    assert len(history) == len(tags) + 1
    repository.close()


async def test_wrong_token_is_denied_and_named_without_the_token(gitops: GitSettings) -> None:
    wrong = replace(gitops, token=SecretStr("canary-wrong-token"))
    with pytest.raises(AccessDeniedError) as caught:
        await commit_images(wrong, [change("12345678")], run_id="r", report=silent, deadline_s=30)
    assert credentials.GIT_WRITER in str(caught.value)
    assert "canary" not in str(caught.value)


async def test_reader_may_not_push(layout: Layout, gitops: GitSettings) -> None:
    reader = replace(
        gitops,
        username=credentials.GIT_READER,
        token=SecretStr(credentials.read(layout, "git-reader")),
    )
    with pytest.raises(AccessDeniedError, match=credentials.GIT_READER):
        await commit_images(reader, [change("12345678")], run_id="r", report=silent, deadline_s=30)
    repository = bare(layout, gitops)
    assert len(list(repository.iter_commits("main"))) == 1
    repository.close()


async def test_missing_values_file_names_file_and_branch(gitops: GitSettings) -> None:
    elsewhere = replace(change("12345678"), path="apps/nobody/values.yaml")
    with pytest.raises(NotFoundError, match=r"apps/nobody/values\.yaml does not exist on branch main"):
        await commit_images(gitops, [elsewhere], run_id="r", report=silent, deadline_s=30)


async def test_a_large_repository_is_read_in_part(layout: Layout, run_id: str) -> None:
    """10 000 commits and 50 applications with charts of 200 kB: a few kilobytes are fetched."""
    name = f"mosuon/{run_id}"
    folder = gitserver.create(layout, name)
    try:
        fill(folder)
        token = SecretStr(credentials.read(layout, "git-writer"))
        settings = GitSettings(
            url=f"{GIT}/{name}.git", branch="main", username=credentials.GIT_WRITER, token=token
        )
        async with clone(settings) as copy:
            await copy.fetch()
            await copy.read(["apps/app07/values.yaml"])
            files = [file for file in copy._program.home.rglob("*") if file.is_file()]
            assert sum(file.stat().st_size for file in files) < 100_000
        # The tag of the newest commit belongs to no ancestor: who wrote it, only history tells.
        image = replace(change("12345678", "app07"), path="apps/app07/values.yaml", ancestors=frozenset())
        began = time.monotonic()
        done = await commit_images(settings, [image], run_id="r", report=silent, deadline_s=60)
        assert done.status is Status.SUCCEEDED
        assert time.monotonic() - began < 30
    finally:
        shutil.rmtree(folder)


def fill(folder: Path) -> None:
    command = ["git", "-C", str(folder), "fast-import", "--quiet"]
    subprocess.run(command, input="".join(large()), text=True, check=True)


def large(commits: int = 10_000, apps: int = 50) -> Iterator[str]:
    """Yield the commits for `git fast-import`: the applications get their tags in turn."""
    for number in range(commits):
        tag = hashlib.sha256(str(number).encode()).hexdigest()[:8]
        app = f"app{number % apps:02d}"
        text = f'image:\n  repository: x\n  tag: "{tag}"\nreplicas: 2\n'
        message = f"chore({app}): update image tag to {tag}\n"
        yield f"commit refs/heads/main\ncommitter bot <bot@x> {1_780_000_000 + number} +0000\n"
        yield f"data {len(message)}\n{message}"
        yield f"M 100644 inline apps/{app}/values.yaml\ndata {len(text)}\n{text}\n"
        if number < apps:
            chart = secrets.token_hex(100_000)
            yield f"M 100644 inline apps/{app}/chart.txt\ndata {len(chart)}\n{chart}\n"
