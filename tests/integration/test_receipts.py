"""R19: receipts on the lab's git server: made by many at once, read again, and not believed blindly."""

import subprocess
from dataclasses import replace
from functools import partial

import anyio
import pytest
from pydantic import SecretStr

from slipway_host import gitops as writers
from slipway_host import receipt_keeper, receipts
from slipway_host.gitops import commit_images
from slipway_host.image_change import ImageChange
from slipway_host.progress import silent
from slipway_host.receipts import Reading
from slipway_host.settings import GitSettings
from slipway_host.together import together
from slipway_lab import credentials, gitserver
from slipway_lab.layout import GIT, Layout
from support.receipts import DIGEST, SOURCE, document, service
from support.target import api_target

API = api_target()
FOLDER = "apps/api/receipts/prod"


@pytest.fixture
def settings(gitops: GitSettings) -> GitSettings:
    return replace(gitops, receipts="slipway-receipts")


def git(layout: Layout, settings: GitSettings, *words: str, stdin: str = "") -> str:
    bare = gitserver.repository(layout, settings.url.removeprefix(f"{GIT}/").removesuffix(".git"))
    account = ["-c", "user.name=t", "-c", "user.email=t@t.invalid"]
    command = ["git", "-C", str(bare), *account, *words]
    return subprocess.run(command, input=stdin, check=True, capture_output=True, text=True).stdout.strip()


async def deployed(settings: GitSettings) -> str:
    image = ImageChange(
        app="api",
        path=API.values,
        tag=SOURCE[:8],
        digest=DIGEST,
        write_digest=False,
        source_commit=SOURCE,
    )
    return (await commit_images(settings, [image], run_id="r", report=silent, deadline_s=30)).commit


async def store(settings: GitSettings, commit: str, run: str) -> str:
    written = document(service(commit=commit), run=run)
    return await receipt_keeper.store(settings, written, [API], report=silent)


async def read(settings: GitSettings) -> Reading:
    return (await receipts.read(settings, [API]))["api"]


async def test_many_first_runs_at_once_make_one_branch_and_lose_nothing(
    layout: Layout, settings: GitSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    # No queue: as in as many processes.
    monkeypatch.setattr(writers, "_turn", lambda _: anyio.Lock())
    commit = await deployed(settings)
    runs = [f"20260801T00000{number}-000a" for number in range(8)]

    await together(*(partial(store, settings, commit, run) for run in runs))

    assert len(git(layout, settings, "rev-list", "--max-parents=0", settings.receipts).split()) == 1
    found = await read(settings)
    assert [(one.receipt.run, one.verified) for one in found.receipts] == [(run, True) for run in runs[::-1]]
    assert git(layout, settings, "rev-parse", "main") == commit


async def test_a_receipt_that_somebody_changed_is_not_verified(layout: Layout, settings: GitSettings) -> None:
    commit, digest = await deployed(settings), "sha256:" + "cd" * 32
    for run in ("20260801T000000-000a", "20260802T000000-000a"):
        await store(settings, commit, run)
    path = f"{FOLDER}/20260802T000000-000a.json"
    text = git(layout, settings, "show", f"{settings.receipts}:{path}").replace(DIGEST, digest)
    blob = git(layout, settings, "hash-object", "-w", "--stdin", stdin=text)
    git(layout, settings, "read-tree", settings.receipts)
    git(layout, settings, "update-index", "--index-info", stdin=f"100644 {blob}\t{path}\n")
    tree = git(layout, settings, "write-tree")
    made = git(layout, settings, "commit-tree", tree, "-p", settings.receipts, "-m", "by hand")
    git(layout, settings, "update-ref", f"refs/heads/{settings.receipts}", made)

    changed, good = (await read(settings)).receipts

    assert good.verified
    assert changed.doubt == (
        f"apps/api/values.yaml at {commit[:12]} stands for sha256:abababababab…, and the receipt says "
        "sha256:cdcdcdcdcdcd…"
    )


async def test_nothing_is_kept_where_nobody_wants_it(layout: Layout, gitops: GitSettings) -> None:
    commit = await deployed(gitops)
    assert await store(gitops, commit, "20260801T000000-000a") == ""
    assert git(layout, gitops, "for-each-ref", "--format=%(refname)") == "refs/heads/main"
    assert (await read(gitops)).receipts == ()


async def test_an_account_that_may_not_push_is_one_line_and_no_error(
    layout: Layout, settings: GitSettings
) -> None:
    commit = await deployed(settings)
    token = SecretStr(credentials.read(layout, "git-reader"))
    reader = replace(settings, username=credentials.GIT_READER, token=token)
    lines: list[str] = []
    written = document(service(commit=commit), run="20260801T000000-000a")

    await receipt_keeper.keep(reader, written, [API], report=lines.append)

    host, account = GIT.removeprefix("https://"), reader.username
    assert lines[-1] == (
        "WARNING: the receipt of run 20260801T000000-000a was not kept on slipway-receipts: "
        f"{host} denies git push to the account {account}. The run itself is not concerned. "
        f"Next: let {account} push to slipway-receipts, or write gitops.receipts.store: false"
    )
    assert git(layout, settings, "for-each-ref", "--format=%(refname)") == "refs/heads/main"
