"""When commits landed on a branch: in the order of ancestry, whatever the clocks of their machines say."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Sequence

TOLERANCE_S = 60.0
"""Clocks of machines in one team differ by seconds; what differs by more is taken for wrong."""


@dataclass(frozen=True)
class Landing:
    """When a commit landed.

    Args:
        at: UTC; between those before and after it where its own date cannot be.
        doubtful: its own date is more than a minute off: durations from or to it mean nothing.
    """

    at: dt.datetime
    doubtful: bool = False


def landings(dates: Sequence[dt.datetime], *, now: dt.datetime) -> list[Landing]:
    """Return when commits landed that follow each other on a branch (fault 77).

    A commit cannot have landed before its parent, nor in the future. Where dates say so, the fewest
    possible are taken for wrong: those outside a longest run of dates that never go back.

    Args:
        dates: of the commits, oldest first by ancestry.
        now: when the branch was read.
    """
    capped = [min(date, now) for date in dates]
    right = _longest(capped)
    following, after = now, []
    for at in range(len(capped) - 1, -1, -1):
        following = capped[at] if at in right else following
        after.append(following)
    after.reverse()
    last = after[0] if after else now
    found = []
    for date, own, latest in zip(dates, capped, after, strict=True):
        last = min(max(own, last), latest)
        found.append(Landing(last, doubtful=abs((date - last).total_seconds()) > TOLERANCE_S))
    return found


def _longest(dates: Sequence[dt.datetime]) -> set[int]:
    """Return the indices of a longest subsequence that never falls."""
    tails: list[dt.datetime] = []
    ends: list[int] = []
    previous: list[int] = []
    for at, date in enumerate(dates):
        length = bisect_right(tails, date)
        previous.append(ends[length - 1] if length else -1)
        if length == len(tails):
            tails.append(date)
            ends.append(at)
        else:
            tails[length] = date
            ends[length] = at
    found = set()
    at = ends[-1] if ends else -1
    while at >= 0:
        found.add(at)
        at = previous[at]
    return found
