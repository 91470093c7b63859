"""How a wait follows the cluster: woken when something changes, patient when a server is away."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, TypeVar

import anyio
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, wait_random_exponential

from slipway_host.errors import DeliveryError, TransientError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

    from slipway_host.kube import KubeClient
    from slipway_host.progress import Report

    Source = Callable[[], AsyncIterator[object]]
    """Begins to follow something; whatever it yields is a hint to look again."""

T = TypeVar("T")
RESYNC_S = 10.0
"""A watch on a half-open connection stays silent: look again anyway, as informers do."""
SETTLE_S = 0.2
"""Changes come in bursts; one look is enough for all of a burst."""


@dataclass(frozen=True, kw_only=True)
class Watched:
    """A collection of the Kubernetes API whose changes are of interest."""

    path: str
    selector: str = ""
    fields: str = ""


def in_cluster(kube: KubeClient, watched: Sequence[Watched]) -> list[Source]:
    """Return what follows collections of the Kubernetes API."""
    return [partial(kube.watch, one.path, selector=one.selector, fields=one.fields) for one in watched]


class Changes:
    """Wakes a loop when something that it watches has changed."""

    def __init__(self) -> None:
        self._event = anyio.Event()
        self._failure: DeliveryError | None = None

    def changed(self, failure: DeliveryError | None = None) -> None:
        """Wake the loop, if so with what ended a watch for good."""
        self._failure = self._failure or failure
        self._event.set()

    async def wait(self, at_most_s: float = RESYNC_S) -> None:
        """Return after a change, and after `at_most_s` at the latest.

        A change that came since the last call counts: read first, then wait, and nothing is missed.
        """
        with anyio.move_on_after(at_most_s):
            await self._event.wait()
            await anyio.sleep(min(SETTLE_S, at_most_s))
        self._event = anyio.Event()
        if self._failure:
            raise self._failure


async def patiently(act: Callable[[], Awaitable[T]], report: Report) -> T:
    """Return what `act` returns, however often it takes; the caller sets the deadline."""

    def say(attempt: RetryCallState) -> None:
        error = attempt.outcome.exception() if attempt.outcome else None
        report(f"{error.cause if isinstance(error, DeliveryError) else error}; trying again")

    retrying = AsyncRetrying(
        retry=retry_if_exception_type(TransientError),
        wait=wait_random_exponential(multiplier=0.5, max=5),
        before_sleep=say,
        reraise=True,
    )

    async def once() -> T:
        # tenacity awaits only what is a coroutine function by its looks: no lambda is.
        return await act()

    return await retrying(once)


async def watching(sources: Sequence[Source], loop: Callable[[Changes], Awaitable[T]], report: Report) -> T:
    """Return what `loop` returns; while it runs, its `Changes` follow the sources.

    The loop reads the state itself and takes changes only as a hint to do so: what a broken and
    renewed watch has missed (a deletion, above all) then cannot mislead it (fault 92).
    """
    changes = Changes()

    async def follow(source: Source) -> None:
        async def once() -> None:
            async for _ in source():
                changes.changed()

        try:
            await patiently(once, report)
        except DeliveryError as error:
            changes.changed(error)

    async with anyio.create_task_group() as tasks:
        for source in sources:
            tasks.start_soon(follow, source)
        # Raised inside, an error would leave the task group wrapped in a group.
        try:
            outcome: T | DeliveryError = await loop(changes)
        except DeliveryError as error:
            outcome = error
        tasks.cancel_scope.cancel()
    if isinstance(outcome, DeliveryError):
        raise outcome
    return outcome
