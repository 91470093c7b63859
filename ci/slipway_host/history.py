"""What ran where: read from the values file's own history, whoever wrote it (R36)."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from slipway_host import values
from slipway_host.caller import command
from slipway_host.errors import ConflictError, NotFoundError, quote
from slipway_host.git_log import trailers_of
from slipway_host.image_change import (
    IMAGE_DIGEST,
    MIGRATION,
    ROLLED_BACK,
    SOURCE_COMMIT,
    named_for,
    source_of,
)
from slipway_host.names import DNS_LABEL
from slipway_host.values_reader import ValuesReader

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from slipway_host.git import Clone
    from slipway_host.git_log import Version
    from slipway_host.receipts import Stored

DEPLOY, ROLLBACK, OTHER = "deploy", "rollback", "other"
BATCH = 100
"""Files read at once: one request of the server, and as many parsed as an answer is likely to need."""
MANY = 4000
"""The same where all are needed: what memory holds with ease."""
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
        migration: the Job that had migrated the database before this, by the commit's trailer, else empty.
        run: the newest run that kept a receipt of it, else empty.
        status: how that run ended, `Deployed` or `Failed`, else empty.
        seconds: how long it took; None without a receipt.
        doubt: why its receipt is not verified; empty where it is, and without one.
        begins: nothing older was read, or the commit made the file: it may as well have moved it here.
    """

    tag: str
    digest: str
    commit: str
    source: str
    when: str
    author: str
    kind: str
    subject: str
    migration: str = ""
    run: str = ""
    status: str = ""
    seconds: float | None = None
    doubt: str = ""
    begins: bool = False

    def document(self) -> dict[str, Any]:
        """Return the entry as JSON values."""
        found = asdict(self)
        del found["begins"]
        return found


async def read(copy: Clone, app: str, path: str, *, limit: int) -> list[Entry]:
    """Return what a values file named, newest first, at most `limit` entries.

    Fetches as much history as that needs. A file that was renamed begins with its new name.
    """
    while True:
        versions = await copy.versions(path)
        found = await _entries(copy, app, path, versions, limit)
        if len(found) >= limit or not await copy.deepen():
            return found


async def read_all(copy: Clone, files: Mapping[str, str], young: Collection[str]) -> dict[str, list[Entry]]:
    """Return what many values files named lately, each newest first, with what they named just before.

    The copy has to have the branch's whole history. Thousands of commits take seconds: one pass over
    the log, the contents fetched at once, and few of them parsed.

    Args:
        copy: of the branch.
        files: application → path of its values file.
        young: commits of the branch up to its head, without a gap. Of each file, the newest version that
            is older is the last entry, and `begins` there.
    """
    every = await copy.versions_of(list(dict.fromkeys(files.values())))
    versions = {
        path: found[: 1 + sum(version.commit in young for version in found)] for path, found in every.items()
    }
    paths = {one.blob: path for path, found in versions.items() for one in found if one.blob}
    reader, blobs, named = ValuesReader(), list(paths), {"": ("", "")}
    for at in range(0, len(blobs), MANY):
        for oid, data in (await copy.contents(blobs[at : at + MANY])).items():
            named[oid] = reader.read(paths[oid], data)
    merged = await copy.merged(list(versions))
    return {
        app: await _entries(copy, app, path, versions[path], named=named, merged=merged)
        for app, path in files.items()
    }


async def _entries(
    copy: Clone,
    app: str,
    path: str,
    versions: Sequence[Version],
    limit: int | None = None,
    *,
    named: dict[str, tuple[str, str]] | None = None,
    merged: Mapping[tuple[str, str], str] | None = None,
) -> list[Entry]:
    """Return what versions of a file named.

    What `named` does not know of their contents is read, and without `merged` the message of each commit
    that was merged.
    """
    found: list[Entry] = []
    reader, named = ValuesReader(), {"": ("", "")} if named is None else named
    for at, version in enumerate(versions):
        if limit is not None and len(found) >= limit:
            break
        if at % BATCH == 0:
            # One more than the batch: each is compared with the one before it.
            blobs = [one.blob for one in versions[at : at + BATCH + 1] if one.blob not in named]
            for oid, data in (await copy.contents(blobs)).items():
                named[oid] = reader.read(path, data)
        image = named[version.blob]
        older = versions[at + 1].blob if at + 1 < len(versions) else ""
        if image[0] and image != named[older]:
            message = version.message
            if len(version.parents) > 1:
                # What was merged says more than the merge.
                since = version.parents[0]
                more = (
                    await copy.messages(since, version.commit, path)
                    if merged is None
                    else merged.get((version.commit, path), "")
                )
                message = f"{message}\n{more}"
            found.append(_entry(app, version, message, image, begins=not older))
    return found


def _entry(app: str, version: Version, message: str, image: tuple[str, str], *, begins: bool) -> Entry:
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
        migration=named_for(trailers_of(message, MIGRATION), app, DNS_LABEL) or "",
        begins=begins,
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
    if any(entry.migration for entry in entries):
        last = ["MIGRATION", *(entry.migration or "-" for entry in entries)]
        rows = [(*row, cell) for row, cell in zip(rows, last, strict=True)]
    if not any(entry.run for entry in entries):
        rows = [(*row[:3], *row[6:]) for row in rows]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        "  " + "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    lines += [f"  ? {entry.run} is not verified: {quote(entry.doubt)}" for entry in entries if entry.doubt]
    return "\n".join(lines)
