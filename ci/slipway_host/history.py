"""What ran where: read from the values file's own history, whoever wrote it (R36)."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from slipway_host import values
from slipway_host.caller import command
from slipway_host.errors import ConflictError, NotFoundError, quote
from slipway_host.git_log import trailers_of
from slipway_host.image_change import IMAGE_DIGEST, ROLLED_BACK, SOURCE_COMMIT, named_for, source_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from slipway_host.git import Clone
    from slipway_host.git_log import Version
    from slipway_host.receipts import Stored

DEPLOY, ROLLBACK, OTHER = "deploy", "rollback", "other"
BATCH = 100
"""Files read at once: one request of the server, and as many parsed as an answer is likely to need."""
_SUBJECT = re.compile(r"(rollback: revert to |Revert \")")
_RETURNS = re.compile(r"Revert \"(rollback: |Revert )")
"""The revert of a rollback: what it leaves was not bad."""
_REVERTS = re.compile(r"^This reverts commit [0-9a-f]{7,64}", re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One image that the branch named, from one commit to the next.

    Args:
        tag: the image's tag.
        digest: in the file or the commit's trailer, else empty.
        commit: the GitOps commit that brought it.
        source: the service's commit by the trailer, else empty.
        when: the author's date, ISO 8601.
        author: the author, name and address.
        kind: `deploy` by Slipway, `rollback` by Slipway or a git revert, `other` for what others wrote.
        subject: the commit's first line.
        run: the newest run that kept a receipt of it, else empty.
        status: how that run ended, `Deployed` or `Failed`, else empty.
        seconds: how long it took; None without a receipt.
        doubt: why its receipt is not verified; empty where it is, and without one.
    """

    tag: str
    digest: str
    commit: str
    source: str
    when: str
    author: str
    kind: str
    subject: str
    run: str = ""
    status: str = ""
    seconds: float | None = None
    doubt: str = ""

    def document(self) -> dict[str, Any]:
        """Return the entry as JSON values."""
        return asdict(self)


async def read(copy: Clone, app: str, path: str, *, limit: int) -> list[Entry]:
    """Return what a values file named, newest first, at most `limit` entries.

    Fetches as much history as that needs. A file that was renamed begins with its new name.
    """
    while True:
        versions = await copy.versions(path)
        found = await _entries(copy, app, path, versions, limit)
        if len(found) >= limit or not await copy.deepen():
            return found


async def _entries(copy: Clone, app: str, path: str, versions: Sequence[Version], limit: int) -> list[Entry]:
    found: list[Entry] = []
    named: dict[str, tuple[str, str]] = {"": ("", "")}
    for at, version in enumerate(versions):
        if len(found) >= limit:
            break
        if at % BATCH == 0:
            # One more than the batch: each is compared with the one before it.
            blobs = [one.blob for one in versions[at : at + BATCH + 1] if one.blob not in named]
            for oid, data in (await copy.contents(blobs)).items():
                tag = values.read_tag(data) or ""
                # What no registry takes for a tag has never run: a template, or somebody's mistake.
                named[oid] = (tag if values.TAG.fullmatch(tag) else "", values.read_digest(data) or "")
        image = named[version.blob]
        before = named[versions[at + 1].blob] if at + 1 < len(versions) else ("", "")
        if image[0] and image != before:
            found.append(await _entry(copy, app, path, version, image))
    return found


async def _entry(copy: Clone, app: str, path: str, version: Version, image: tuple[str, str]) -> Entry:
    message = version.message
    if len(version.parents) > 1:
        # What was merged says more than the merge.
        message = f"{message}\n{await copy.messages(version.parents[0], version.commit, path)}"
    source = source_of(trailers_of(message, SOURCE_COMMIT), app) or ""
    digest = image[1] or named_for(trailers_of(message, IMAGE_DIGEST), app, values.DIGEST) or ""
    back = trailers_of(message, ROLLED_BACK) or _SUBJECT.match(message) or _REVERTS.search(message)
    if _RETURNS.match(message):
        back = None
    return Entry(
        tag=image[0],
        digest=digest,
        commit=version.commit,
        source=source,
        when=version.when,
        author=version.author,
        kind=ROLLBACK if back else DEPLOY if source else OTHER,
        subject=version.message.partition("\n")[0],
    )


def previous(entries: Sequence[Entry]) -> Entry | None:
    """Return the newest entry with another tag than now that nobody has rolled back from; None for none.

    A tag counts by the last time that it ran: one that was rolled back from, and deployed again later
    without that, is as good as any other.
    """
    seen = {entries[0].tag} if entries else set()
    for at, entry in enumerate(entries[1:], start=1):
        if entry.tag in seen:
            continue
        seen.add(entry.tag)
        if entries[at - 1].kind != ROLLBACK:
            return entry
    return None


def before(entries: Sequence[Entry], commit: str, *, app: str) -> tuple[Entry, Entry] | None:
    """Return what a commit brought and what ran before it; None where it changed no image here.

    Raises:
        ConflictError: the image has been changed again since; names the newest such commit.
        NotFoundError: nothing ran before it.
    """
    at = next((at for at, entry in enumerate(entries) if entry.commit.startswith(commit)), None)
    if at is None:
        return None
    if at:
        newer = entries[0]
        raise ConflictError(
            f"{app}: commit {newer.commit[:8]} ({newer.subject[:80]}) has changed the image since "
            f"{commit[:8]}: reverting that would undo it, too",
            next_command=command("rollback", f"--revert={newer.commit[:12]}")
            + " first, or rollback --to=<tag>",
        )
    if len(entries) == 1:
        raise NotFoundError(f"{app}: {commit[:8]} was the first deploy: there is nothing to return to")
    return entries[0], entries[1]


def told(entries: Sequence[Entry], kept: Sequence[Stored]) -> list[Entry]:
    """Return entries with what receipts say of them; the newest run that names the commit counts."""
    runs: dict[tuple[str, str], Stored] = {}
    for one in reversed(kept):
        runs[one.receipt.gitops_commit, one.receipt.tag] = one
    found = []
    for entry in entries:
        last = runs.get((entry.commit, entry.tag))
        if last is None:
            found.append(entry)
            continue
        run, status, seconds = last.receipt.run, last.service.status, last.receipt.seconds
        found.append(replace(entry, run=run, status=status, seconds=seconds, doubt=last.doubt))
    return found


def table(entries: Sequence[Entry]) -> str:
    """Return entries as a table for people; the first one is what the branch names now.

    Where runs have kept receipts, it says how each run ended, and whether the branch says the same.
    """
    if not entries:
        return "  no image was ever named"
    rows: list[tuple[str, ...]] = [
        ("TAG", "WHEN", "KIND", "ENDED", "TOOK", "RECEIPT", "GITOPS", "SOURCE", "AUTHOR", "DIGEST")
    ]
    rows += [
        (
            entry.tag,
            entry.when,
            entry.kind,
            entry.status or "-",
            "-" if entry.seconds is None else f"{entry.seconds:.0f} s",
            f"{'?' if entry.doubt else '✓'} {entry.run}" if entry.run else "-",
            entry.commit[:8],
            entry.source[:8] or "-",
            quote(entry.author.partition(" <")[0], limit=30),
            entry.digest[:19] or "-",
        )
        for entry in entries
    ]
    if not any(entry.run for entry in entries):
        rows = [(*row[:3], *row[6:]) for row in rows]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        "  " + "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    lines += [f"  ? {entry.run} is not verified: {quote(entry.doubt)}" for entry in entries if entry.doubt]
    return "\n".join(lines)
