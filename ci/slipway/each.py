"""Runs one stage for several services side by side, and prints what came of it."""

from collections.abc import Awaitable, Callable, Sequence
from functools import partial

from slipway.inputs import say
from slipway.work import Work
from slipway_host import each as side_by_side
from slipway_host.each import NOBODY, Outcome

__all__ = ["NOBODY", "each", "told"]


async def each(stage: str, works: Sequence[Work], call: Callable[[Work], Awaitable[str]]) -> str:
    """Return what the calls return, by service.

    Raises:
        DeliveryError: of one or several services; what the others returned is printed before.
    """
    return told(await side_by_side.each(stage, {work.name: partial(call, work) for work in works}))


def told(outcome: Outcome) -> str:
    """Return what a function has to say.

    Raises:
        DeliveryError: the outcome's. A function that fails returns nothing, and whoever has to act needs
            all of what was found: that is printed before.
    """
    if outcome.error:
        if outcome.text:
            say(outcome.text)
        raise outcome.error
    return outcome.text
