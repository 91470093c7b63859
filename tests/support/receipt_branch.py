"""A GitOps repository with receipts of two services on a branch of its own."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from slipway_host import receipt_keeper, receipts
from slipway_host.progress import silent
from support.gitops_remote import Remote, change, deploy
from support.receipts import DIGEST, document, service
from support.target import api_target

if TYPE_CHECKING:
    from slipway_host.receipts import Reading
    from slipway_host.settings import GitSettings, Target

BRANCH = "slipway-receipts"
API = api_target()
UI = api_target(service="ui", app="ui", values="apps/ui/values.yaml")


def settings(remote: Remote) -> GitSettings:
    return replace(remote.settings, receipts=BRANCH)


async def store(remote: Remote, written: dict[str, Any], *targets: Target) -> str:
    return await receipt_keeper.store(
        settings(remote), written, targets or (API,), report=silent, protocols=("file",)
    )


async def read(remote: Remote, *targets: Target, **wish: Any) -> dict[str, Reading]:
    return await receipts.read(settings(remote), targets or (API,), protocols=("file",), **wish)


def files(remote: Remote, branch: str = BRANCH) -> list[str]:
    return remote.git("ls-tree", "-r", "--name-only", branch, at=remote.bare).split()


async def deployed(remote: Remote, run: str, digit: int = 0) -> dict[str, Any]:
    """Deploy for the branch, and return the receipt that tells of it."""
    source = f"{digit:08x}" * 5
    done = await deploy(remote, change(commit=source, digest=DIGEST))
    return document(service(commit=done.commit), run=run, commit=source, tag=source[:8])
