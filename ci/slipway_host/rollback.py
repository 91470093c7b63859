"""Which image a service returns to, and what is known of the way there."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from slipway_host import history, migration_record, receipts, values
from slipway_host.caller import command
from slipway_host.errors import ConflictError, NotFoundError, SettingsError
from slipway_host.holds import Hold

if TYPE_CHECKING:
    from collections.abc import Sequence

    from slipway_host.git import Clone
    from slipway_host.history import Entry
    from slipway_host.receipts import Stored
    from slipway_host.settings import Target

MESSAGE = "rollback: revert to {tag}"
LOOKS = (20, 2000)
"""Entries of history to read at first, and where these do not tell."""
LISTED = 5


@dataclass(frozen=True, kw_only=True)
class Way:
    """One service's way back.

    Args:
        left: the tag that the branch names now.
        tag: the one to return to; the same where that is done already.
        source: the service's commit of it by the GitOps history, else empty.
        digest: of its image by the GitOps history, else empty.
        known: the GitOps repository has named this tag before.
        migrations: deploys that are taken back and whose migration ran, newest first.
        unsaid: how many of them do not say whether one ran: others' commits, and those of older releases.
        since: when the branch began to name the tag to return to; empty where it never did.
        jobs: migrations that the branch's commits name.
        uncommitted: runs since whose migration ran, and which ended before their commit.
        broken_off: runs since whose migration began and failed.
    """

    left: str
    tag: str
    source: str
    digest: str
    known: bool
    migrations: tuple[Entry, ...] = ()
    unsaid: int = 0
    since: str = ""
    jobs: frozenset[str] = frozenset()
    uncommitted: tuple[Stored, ...] = ()
    broken_off: tuple[Stored, ...] = ()

    @property
    def done(self) -> bool:
        """Whether the branch names the image already."""
        return self.left == self.tag


async def find(copy: Clone, target: Target, *, to: str, revert: str) -> Way | None:
    """Return a service's way back, by the branch's history; None where the commit to revert left it alone.

    Args:
        copy: the GitOps repository, fetched.
        target: the service.
        to: a tag, or nothing for the previous good one.
        revert: a GitOps commit, or nothing.

    Raises:
        NotFoundError: there is nothing to return to.
        ConflictError: the image has been changed again since the commit to revert.
    """
    found: Way | None = None
    entries: list[Entry] = []
    for limit in LOOKS:
        entries = await history.read(copy, target.app, target.values, limit=limit)
        complete = len(entries) < limit or limit == LOOKS[-1]
        if not entries:
            break
        if revert:
            pair = history.before(entries, revert, app=target.app)
            found = _way(entries, pair[1]) if pair else None
        else:
            found = choose(entries, to=to)
        if complete or (found and found.known):
            break
    if found is None and not revert:
        said = ", ".join(entry.tag for entry in entries[:LISTED])
        raise NotFoundError(
            f"{target.values} has named no other tag that was not rolled back from"
            f"{f': there were {said}' if said else ': it has never named one'}",
            next_command=command("rollback", f"--service={target.service}", "--to=<tag>"),
        )
    return found


def choose(entries: Sequence[Entry], *, to: str) -> Way | None:
    """Return the way to a tag, or to the previous good one; None where there is none.

    Where the newest change of the image is a rollback, that is it: the same command again, after an
    interruption say, neither goes further back nor returns to what was left. Further back leads `to`.
    """
    now = entries[0]
    if to:
        there = next((entry for entry in entries if entry.tag == to), None)
        return _way(entries, there) if there else _unknown(now, to)
    if now.kind == history.ROLLBACK:
        return _way(entries, now)
    there = history.previous(entries)
    return _way(entries, there) if there else None


def _way(entries: Sequence[Entry], there: Entry) -> Way:
    at = list(entries).index(there)
    newer = entries[:at]
    return Way(
        left=entries[0].tag,
        tag=there.tag,
        source=there.source,
        digest=there.digest,
        known=True,
        migrations=migration_record.migrated(newer, entries[at:]),
        unsaid=sum(not entry.migration and entry.kind != history.ROLLBACK for entry in newer),
        since=there.when,
        jobs=frozenset(entry.migration for entry in entries),
    )


def _unknown(now: Entry, to: str) -> Way:
    if not values.TAG.fullmatch(to):
        raise SettingsError(f"--to: {to[:80]!r} is not an image tag")
    return Way(left=now.tag, tag=to, source="", digest="", known=False)


def check_digest(way: Way, digest: str, *, repository: str) -> None:
    """Refuse an image that is not what the tag once named.

    Raises:
        ConflictError: the tag was moved since.
    """
    if way.digest and way.digest != digest:
        raise ConflictError(
            f"{repository}:{way.tag} was {way.digest} when it was deployed, and the registry has {digest} "
            "under that tag now: the tag was moved",
            next_command=f"{command('history')}, and name another tag with --to",
        )


async def with_runs(copy: Clone, branch: str, target: Target, way: Way) -> Way:
    """Return a way with the runs since whose migration began, and which brought no commit.

    A migration comes before the commit: of a run that ends in it or between the two, only its receipt tells.

    Args:
        copy: the GitOps repository, fetched.
        branch: the one that keeps the receipts; empty for none.
        target: the service.
        way: where it goes.

    Raises:
        DeliveryError: the receipts cannot be read.
    """
    if not branch or not way.since or way.done or target.migration is None:
        return way
    at = await copy.fetch_tip(branch)
    since = dt.datetime.fromisoformat(way.since)
    kept = (await receipts.held(copy, at or "", [target], since=since))[target.service]
    found: dict[str, Stored] = {}
    for one in kept.receipts:
        job = migration_record.job_of(one, failed=False)
        if job and job not in way.jobs and not one.receipt.gitops_commit:
            # Newest first: of several runs that found the same Job, the one that ran it stays.
            found[job] = one
    failed = migration_record.broken_off(kept.receipts, way.jobs)
    return replace(way, uncommitted=tuple(found.values()), broken_off=failed)


def warning(way: Way, target: Target) -> str:
    """Return what is to be said of the database, or nothing: no rollback touches it.

    Named are the deploys whose migration ran, and those in which it failed half way. Where none says that it
    ran, and the service has a migration, it is taken to have run before each.
    """
    if way.done:
        return ""
    ran = [f"{one.source[:12] or one.tag} (Job {one.migration})" for one in way.migrations]
    ran += [f"{one.receipt.commit[:12]} (run {one.receipt.run}, no commit)" for one in way.uncommitted]
    said = ""
    if ran:
        said = f"{target.service}: a migration ran in {len(ran)} deploy(s) since {way.tag}: {_listed(ran)}"
        if way.unsaid and target.migration:
            said += f"; {way.unsaid} more deploy(s) do not say whether theirs ran"
    elif target.migration and (way.unsaid or not way.known):
        deploys = f"{way.unsaid} deploy(s)" if way.unsaid else "the deploys"
        said = f"{target.service} has a migration ({' '.join(target.migration.command)[:80]}), which ran "
        said += f"before each of {deploys} since {way.tag}"
    if broken := [migration_record.told(one) for one in way.broken_off]:
        said += "; " if said else f"{target.service}: "
        said += f"a migration failed after it had begun, in {len(broken)} run(s) since {way.tag}, and may "
        said += f"have changed the database in part: {_listed(broken)}"
    if not said:
        return ""
    return f"{said}: the database stays as it is; whether {way.tag} works with it, only its authors know"


def _listed(found: Sequence[str]) -> str:
    more = f" and {len(found) - LISTED} more" if len(found) > LISTED else ""
    return f"{', '.join(found[:LISTED])}{more}"


def hold_of(way: Way, *, everything: bool, reason: str, by: str) -> Hold:
    """Return what a rollback keeps from coming back: the tag that it leaves, or every deploy."""
    return Hold(
        tag="" if everything else way.left,
        reason=reason or f"rolled back to {way.tag}",
        by=by,
        since=now(),
    )


def now() -> str:
    """Return the time in UTC, to the second."""
    return f"{dt.datetime.now(dt.UTC):%Y-%m-%dT%H:%M:%SZ}"
