"""Whether the branch that Argo CD watches says what receipts say: a receipt alone is only a file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Self

from slipway_host import values
from slipway_host.git_log import trailers_of
from slipway_host.image_change import IMAGE_DIGEST, named_for

if TYPE_CHECKING:
    from collections.abc import Mapping

    from slipway_host.git import Clone
    from slipway_host.receipt_model import Receipt

NO_COMMIT = "it names no GitOps commit: the run ended before there was one"


@dataclass(frozen=True, kw_only=True)
class Claim:
    """What a receipt says that the branch can tell.

    Args:
        app: the application.
        values: path of its values file.
        commit: the GitOps commit; empty where the run did not get that far.
        tag: the image's tag.
        digest: the image's digest.
    """

    app: str
    values: str
    commit: str
    tag: str
    digest: str

    @classmethod
    def of(cls, receipt: Receipt, values: str) -> Self:
        """Return the claim of a receipt with one service."""
        (service,) = receipt.services
        return cls(
            app=service.app,
            values=values,
            commit=receipt.gitops_commit,
            tag=receipt.tag,
            digest=service.digest,
        )


async def doubts(copy: Clone, claims: Mapping[str, Claim]) -> dict[str, str]:
    """Return why each claim is not what the branch says; "" where it is.

    Brings as much history as that needs. A handful of git commands for all claims together: some
    thousand of them take seconds.

    Args:
        copy: of the branch that Argo CD watches.
        claims: by a name of the caller's.
    """
    there = await _on_branch(copy, {claim.commit for claim in claims.values()} - {""})
    placed = [claim for claim in claims.values() if claim.commit in there]
    blobs = await copy.blobs((claim.commit, claim.values) for claim in placed)
    texts = await copy.contents(list(blobs.values()))
    named = {oid: (values.read_tag(data), values.read_digest(data)) for oid, data in texts.items()}
    messages = await copy.messages_of({claim.commit for claim in placed})
    found = {}
    for name, claim in claims.items():
        if not claim.commit:
            found[name] = NO_COMMIT
        elif claim.commit not in there:
            found[name] = f"commit {claim.commit[:12]} is not on the branch"
        else:
            tag, digest = named.get(blobs.get((claim.commit, claim.values), ""), (None, None))
            said = digest or _digest(messages[claim.commit], claim.app)
            if said is None and tag == claim.tag:
                # The run found the image there already: who brought it says which digest it is.
                said = _digest(await _bringer(copy, claim), claim.app)
            found[name] = _difference(claim, tag, said)
    return found


def _difference(claim: Claim, tag: str | None, digest: str | None) -> str:
    at = f"{PurePosixPath(claim.values)} at {claim.commit[:12]}"
    if tag is None:
        return f"{at} names no tag"
    if tag != claim.tag:
        return f"{at} names tag {tag[:128]}, and the receipt {claim.tag[:128]}"
    if digest is None:
        return f"neither {at} nor its commit's message names a digest"
    if digest != claim.digest:
        return f"{at} stands for {digest[:19]}…, and the receipt says {claim.digest[:19] or 'none'}…"
    return ""


async def _on_branch(copy: Clone, commits: set[str]) -> set[str]:
    """Return those commits that the branch holds; fetches history until it has all, or there is no more."""
    while True:
        found = commits & await copy.ancestry()
        if found == commits or not await copy.deepen():
            return found


async def _bringer(copy: Clone, claim: Claim) -> str:
    """Return the message of the commit that brought a values file to what it was at the claim's commit."""
    last = await copy.last_commit(claim.values, trailer=IMAGE_DIGEST, at=claim.commit)
    if last is None:
        return ""
    then = await copy.find(claim.values, at=last.commit)
    # Somebody else may have written the file since.
    same = then is not None and values.read_tag(then) == claim.tag
    return "\n".join(f"{IMAGE_DIGEST}: {value}" for value in last.values) if same else ""


def _digest(message: str, app: str) -> str | None:
    return named_for(trailers_of(message, IMAGE_DIGEST), app, values.DIGEST)
