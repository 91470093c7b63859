"""Runs steps side by side, so that a failure comes out as itself and not wrapped in a group."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

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
