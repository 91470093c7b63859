"""The commits of a service's own repository: when each was made, and which of them a deployment brought."""

from __future__ import annotations

import re
from bisect import bisect_left
from dataclasses import dataclass, field
from typing import Protocol

FORMAT = "%H %ct %P"
"""What `SourceLog.parse` reads, of `git log`."""
_HASH = re.compile(r"(?:^|[-_.])([0-9a-f]{7,40})$")
"""A tag that is a commit's hash or ends in one, as `1234abcd`, `sha-1234abcd`, `main-1234abcd`."""


class Commits(Protocol):
    """A repository that can be asked for its log."""

    async def log(self, form: str, *paths: str) -> str:
        """Return a line for each known commit, or for each that changed one of these paths."""


@dataclass(frozen=True, kw_only=True)
class SourceLog:
    """What is known of a repository's commits.

    Args:
        times: full hash → committer's date, seconds since 1970: when it came into version control.
        parents: full hash → its parents'.
    """

    times: dict[str, int] = field(default_factory=dict)
    parents: dict[str, tuple[str, ...]] = field(default_factory=dict)
    _sorted: list[str] = field(default_factory=list)

    @classmethod
    def parse(cls, text: str) -> SourceLog:
        """Return the log that `git log --format=FORMAT` printed."""
        times, parents = {}, {}
        for line in text.splitlines():
            commit, when, *older = line.split()
            times[commit] = int(when)
            parents[commit] = tuple(older)
        return cls(times=times, parents=parents, _sorted=sorted(times))

    def resolve(self, source: str, tag: str) -> str | None:
        """Return the commit of an image, by its trailer or else by its tag; None for an unknown one."""
        if source:
            return source if source in self.times else None
        found = _HASH.search(tag)
        if not found:
            return None
        at = bisect_left(self._sorted, found[1])
        matching = [one for one in self._sorted[at : at + 2] if one.startswith(found[1])]
        return matching[0] if len(matching) == 1 else None


class Delivered:
    """Which commits have been deployed, as deployments are told to it in their order.

    Args:
        log: the repository.
        touching: commits that changed the service; None for all.
    """

    def __init__(self, log: SourceLog, touching: frozenset[str] | None = None) -> None:
        self._log, self._touching = log, touching
        self._known: set[str] = set()
        self._begun = False

    def deploy(self, source: str, tag: str) -> list[int] | None:
        """Return when each commit was made that this deployment is the first to have.

        None where that is not known: the image's commit is not in the log, or nothing before it is.
        """
        head = self._log.resolve(source, tag)
        if head is None:
            return None
        new, stack = [], [head]
        while stack:
            commit = stack.pop()
            if commit in self._known:
                continue
            self._known.add(commit)
            new.append(commit)
            stack += (one for one in self._log.parents[commit] if one in self._log.parents)
        begun, self._begun = self._begun, True
        if not begun:
            return None
        # A merge changes nothing itself: what it brings are the commits of its branch.
        return [self._log.times[commit] for commit in new if self._counts(commit)]

    def _counts(self, commit: str) -> bool:
        single = len(self._log.parents[commit]) < 2  # noqa: PLR2004 - a merge has two
        return single and (self._touching is None or commit in self._touching)
