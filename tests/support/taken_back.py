"""What `dagger call rollback` tells the GitOps repository of a service, for tests that stop there."""

from slipway_host import rollback
from slipway_host.image_change import ImageChange
from support.gitops_remote import path

DIGEST = "sha256:" + "ab" * 32


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
