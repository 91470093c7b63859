"""Looks at many things side by side, each with a deadline, and none hides what another found."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

import anyio

from slipway_host.errors import DeliveryError, TerminalError, quote

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

DEADLINE_S = 15.0
LIMIT = 300


class CheckStatus(StrEnum):
    """How a check ended."""

    OK = "ok"
    WARNING = "warning"
    """A run may go well, and somebody should look at it."""
    FAILED = "failed"
    """A run would fail."""
    SKIPPED = "skipped"
    """It was not looked at; what was found says why."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What a check has found.

    Args:
        found: one line, without secrets.
        status: ok, unless something is wrong.
        fix: the command that mends it, or shows more of it.
    """

    found: str
    status: CheckStatus = CheckStatus.OK
    fix: str = ""


def skipped(why: str) -> Finding:
    """Return what a check says that has nothing to look at."""
    return Finding(found=why, status=CheckStatus.SKIPPED)


@dataclass(frozen=True, kw_only=True)
class Check:
    """One thing to look at.

    Args:
        name: what people call it; the service after a colon, where it is one's alone.
        look: returns what is there; a DeliveryError is a failed check.
        needs: names of the checks without which this one could only repeat their failure.
        deadline_s: seconds that it may take.
    """

    name: str
    look: Callable[[], Awaitable[Finding]]
    needs: tuple[str, ...] = ()
    deadline_s: float = DEADLINE_S


@dataclass(frozen=True, kw_only=True)
class Result:
    """A check and what it has found."""

    name: str
    status: CheckStatus
    found: str
    fix: str = ""


@dataclass(kw_only=True)
class _Running:
    """A check's end, for those that wait for it."""

    done: anyio.Event = field(default_factory=anyio.Event)
    result: Result | None = None


async def examine(checks: Sequence[Check]) -> list[Result]:
    """Return every check's result, in the order of the checks.

    A check whose `needs` have failed, or are skipped for that, is skipped and names them.
    """
    running = {check.name: _Running() for check in checks}

    async def one(check: Check) -> None:
        mine = running[check.name]
        try:
            mine.result = await _look(check, running)
        finally:
            mine.done.set()

    async with anyio.create_task_group() as tasks:
        for check in checks:
            tasks.start_soon(one, check)
    return [found.result for found in running.values() if found.result]


async def _look(check: Check, running: dict[str, _Running]) -> Result:
    for name in check.needs:
        await running[name].done.wait()
        before = running[name].result
        if before and before.status in {CheckStatus.FAILED, CheckStatus.SKIPPED}:
            why = f"not looked at, because of {name}"
            return Result(name=check.name, status=CheckStatus.SKIPPED, found=why)
    try:
        with anyio.fail_after(check.deadline_s):
            found = await check.look()
    except TimeoutError:
        return Result(
            name=check.name, status=CheckStatus.FAILED, found=f"no answer in {check.deadline_s:g} s"
        )
    except DeliveryError as error:
        cause = quote(error.cause, limit=LIMIT)
        return Result(name=check.name, status=CheckStatus.FAILED, found=cause, fix=error.next_command)
    return Result(name=check.name, status=found.status, found=found.found, fix=found.fix)


def failures(results: Sequence[Result]) -> list[Result]:
    """Return the failed ones."""
    return [result for result in results if result.status is CheckStatus.FAILED]


def table(results: Sequence[Result]) -> str:
    """Return the results for people: one line each, and below it what to type where something is wrong."""
    width = max((len(result.name) for result in results), default=0)
    lines = []
    for result in results:
        lines.append(f"{result.name:<{width}}  {result.status:<7}  {result.found}".rstrip())
        if result.fix and result.status is not CheckStatus.OK:
            lines.append(f"{'':<{width}}  {'':<7}  → {result.fix}")
    counted = ((sum(result.status is status for result in results), status) for status in CheckStatus)
    lines.append(", ".join(f"{count} {status}" for count, status in counted if count))
    return "\n".join(lines)


def to_json(results: Sequence[Result]) -> str:
    """Return the results for machines."""
    document = {
        "ok": not failures(results),
        "checks": [
            {"name": r.name, "status": str(r.status), "found": r.found, "fix": r.fix} for r in results
        ],
    }
    return json.dumps(document, indent=2, ensure_ascii=False)


def failure(results: Sequence[Result]) -> DeliveryError | None:
    """Return the one line that names the failed checks, None where none failed."""
    found = failures(results)
    if not found:
        return None
    names = ", ".join(result.name for result in found)
    first = next((result.fix for result in found if result.fix), "")
    return TerminalError(
        f"{len(found)} of {len(results)} checks failed: {names} ({found[0].name}: {found[0].found})",
        next_command=first,
    )
