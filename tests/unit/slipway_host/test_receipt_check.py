"""Receipts beside what the branch says (R19), against real git."""

from __future__ import annotations

import json
from typing import Any

import pytest

from support.gitops_remote import Remote, change, deploy
from support.receipt_branch import BRANCH, deployed, files, read, store
from support.receipts import SOURCE, document, service


def tamper(remote: Remote, written: dict[str, Any], claim: dict[str, str]) -> None:
    if "digest" in claim:
        written["services"][0]["digest"] = claim["digest"]
    remote.git("fetch", "-q", "origin", BRANCH)
    remote.git("checkout", "-q", "-B", BRANCH, f"origin/{BRANCH}")
    (remote.work / files(remote)[0]).write_text(json.dumps(written))
    remote.git("commit", "-qam", "by hand")
    remote.git("push", "-q", "origin", f"HEAD:{BRANCH}")
    remote.git("checkout", "-q", "main")


@pytest.mark.parametrize(
    ("claim", "doubt"),
    [
        ({"gitopsCommit": "0" * 40}, "commit 000000000000 is not on the branch"),
        ({"tag": "ffffffff"}, "names tag 00000000, and the receipt ffffffff"),
        (
            {"digest": "sha256:" + "cd" * 32},
            "stands for sha256:abababababab…, and the receipt says sha256:cdcd",
        ),
        ({"gitopsCommit": ""}, "it names no GitOps commit"),
    ],
)
async def test_what_the_branch_does_not_say_is_doubted(
    remote: Remote, claim: dict[str, str], doubt: str
) -> None:
    written = await deployed(remote, "20260801T000000-0001")
    await store(remote, written)
    tamper(remote, {**written, **{k: v for k, v in claim.items() if k != "digest"}}, claim)
    (found,) = (await read(remote)).values()
    assert not found.receipts[0].verified
    assert doubt in found.receipts[0].doubt


async def test_who_brought_an_image_verifies_the_runs_that_found_it(remote: Remote) -> None:
    written = await deployed(remote, "20260801T000000-0001")
    remote.pull()
    later = remote.put({"README": "x"})
    written["services"][0]["stages"][1] = {
        **written["services"][0]["stages"][1],
        "status": "Skipped",
        "outputs": {"commit": later},
    }
    await store(remote, written)
    (found,) = (await read(remote)).values()
    assert (found.receipts[0].receipt.gitops_commit, found.receipts[0].doubt) == (later, "")


async def test_a_digest_that_nobody_names_is_not_verified(remote: Remote) -> None:
    done = await deploy(remote, change(commit=SOURCE))
    await store(remote, document(service(commit=done.commit)))
    (found,) = (await read(remote)).values()
    assert "names a digest" in found.receipts[0].doubt
