"""Runs steps side by side, so that a failure comes out as itself and not wrapped in a group."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Generic, TypeVar

import anyio

from slipway_host.errors import DeliveryError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

T = TypeVar("T")


def first_error(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """Return the error to show: an expected one where there is one, else the first."""
    leaves = [
        first_error(error) if isinstance(error, BaseExceptionGroup) else error for error in group.exceptions
    ]
    unexpected = [leaf for leaf in leaves if not isinstance(leaf, DeliveryError)]
    # What nobody expected is a bug, and must not hide behind what was expected.
    return unexpected[0] if unexpected else leaves[0]


async def together(*calls: Callable[[], Awaitable[T]]) -> list[T]:
    """Return the calls' results in order; the first failure cancels the others and is raised."""
    results: dict[int, T] = {}

    async def keep(index: int, call: Callable[[], Awaitable[T]]) -> None:
        results[index] = await call()

    try:
        async with anyio.create_task_group() as tasks:
            for index, call in enumerate(calls):
                tasks.start_soon(keep, index, call)
    except BaseExceptionGroup as group:
        raise first_error(group) from None
    return [results[index] for index in range(len(calls))]


class Once(Generic[T]):
    """Makes something when it is first asked for; whoever asks meanwhile waits for the same.

    An expected failure is everybody's, too: what took long to fail is not tried again by the next one.

    Args:
        make: makes it.
    """

    def __init__(self, make: Callable[[], Awaitable[T]]) -> None:
        self._make = make
        self._lock = anyio.Lock()
        self._made: list[T] = []
        self._failed: DeliveryError | None = None

    async def __call__(self) -> T:
        """Return what was made."""
        async with self._lock:
            if not self._made and self._failed is None:
                try:
                    self._made.append(await self._make())
                except DeliveryError as error:
                    self._failed = error
        if self._failed:
            # A copy each: the stages that it stops write their own names into it.
            raise copy.copy(self._failed) from self._failed
        return self._made[0]
