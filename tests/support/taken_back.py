"""What `dagger call rollback` tells the GitOps repository of a service, for tests that stop there."""

from slipway_host import git, rollback
from slipway_host.gitops import GitOpsResult
from slipway_host.image_change import ImageChange
from slipway_host.rollback import Way
from slipway_host.settings import SecretsSettings
from support.gitops_remote import Remote, deploy, path
from support.target import api_target

DIGEST = "sha256:" + "ab" * 32
A, B, C, D, E = (one * 5 for one in ("aaaa1111", "bbbb2222", "cccc3333", "dddd4444", "eeee5555"))
TARGET = api_target(
    environment="dev",
    commit=C,
    repository="r.invalid/acme/api",
    namespace="n",
    values=path("api"),
    health_port=80,
    secrets=SecretsSettings(name="s"),
)


def taken_back(way: rollback.Way, *, reason: str = "broken", everything: bool = False) -> ImageChange:
    hold = rollback.hold_of(way, everything=everything, reason=reason, by="ann")
    return ImageChange(
        app="api",
        path=path("api"),
        tag=way.tag,
        digest=DIGEST,
        write_digest=False,
        source_commit=way.source or None,
        rolled_back=None if way.done else way.left,
        hold=None if way.done else hold,
    )


async def way_back(remote: Remote, *, to: str = "", revert: str = "") -> Way | None:
    async with git.clone(remote.settings, protocols=("file",)) as copy:
        await copy.fetch()
        return await rollback.find(copy, TARGET, to=to, revert=revert)


async def back(remote: Remote, *, to: str = "", everything: bool = False) -> GitOpsResult:
    """Do what `dagger call rollback` does to the GitOps repository."""
    way = await way_back(remote, to=to)
    assert way
    change_back = taken_back(way, everything=everything)
    return await deploy(remote, change_back, message=rollback.MESSAGE)


def way(**more: object) -> Way:
    whole = {"left": "c", "tag": "b", "source": "", "digest": "", "known": True}
    return Way(**{**whole, **more})  # type: ignore[arg-type]
