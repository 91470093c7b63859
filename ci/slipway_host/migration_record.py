"""Which migrations of a service have begun: by the branch's commits, and by the receipts of runs.

A commit names the Job that had done its work before it. Of a run that brought no commit, its receipt tells.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from slipway_host.history import Entry
    from slipway_host.receipts import Stored


def migrated(newer: Sequence[Entry], older: Sequence[Entry]) -> tuple[Entry, ...]:
    """Return those of the newer entries whose deploy ran a migration, newest first.

    A Job that an older entry names had run before: an image that is deployed anew has it already.
    """
    known, found = {entry.migration for entry in older}, []
    for entry in reversed(newer):
        if entry.migration and entry.migration not in known:
            known.add(entry.migration)
            found.append(entry)
    return tuple(reversed(found))


def broken_off(kept: Sequence[Stored], done: Collection[str]) -> tuple[Stored, ...]:
    """Return the runs whose migration began, and has not done its work since, the newest for each Job.

    No commit tells of them. Receipts do since they name the Job of a migration that failed.

    Args:
        kept: receipts of one service, newest first.
        done: Jobs that the branch's commits name.
    """
    found: dict[str, Stored] = {}
    ended = {job for one in kept if (job := job_of(one, failed=False))}
    for one in kept:
        job = job_of(one, failed=True)
        if job and job not in ended and job not in done:
            found.setdefault(job, one)
    return tuple(found.values())


def job_of(one: Stored, *, failed: bool) -> str:
    """Return the Job of a run's migration that has failed, or has done its work; empty for none."""
    stage = one.service.stage("migrate")
    return str(stage.outputs.get("job", "")) if stage and (stage.status == "Failed") is failed else ""


def told(one: Stored) -> str:
    """Return a run whose migration failed, for people: commit, run and Job."""
    return f"{one.receipt.commit[:12]} (run {one.receipt.run}, Job {job_of(one, failed=True)})"
