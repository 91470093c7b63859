"""Runs one stage for several services side by side; one's failure hides nothing of the others."""

from collections.abc import Awaitable, Callable, Sequence
from functools import partial

from slipway.inputs import say
from slipway.work import Work
from slipway_host.errors import DeliveryError
from slipway_host.receipt import combined
from slipway_host.together import together

NOBODY = "Nothing to do: no service is concerned."


async def each(stage: str, works: Sequence[Work], call: Callable[[Work], Awaitable[str]]) -> str:
    """Return what the calls return, by service.

    Raises:
        DeliveryError: of one or several services; what the others returned is printed before.
    """
    said: dict[str, str] = {}
    errors: dict[str, DeliveryError] = {}

    async def one(work: Work) -> None:
        try:
            said[work.name] = await call(work)
        except DeliveryError as error:
            errors[work.name] = error.at(stage, next_command=f"dagger call {stage} --service={work.name}")

    await together(*(partial(one, work) for work in works))
    lines = [_entry(work.name, said[work.name]) for work in works if work.name in said]
    text = "\n".join(lines) if works else NOBODY
    if errors:
        if lines:
            say(text)
        ordered = {work.name: errors[work.name] for work in works if work.name in errors}
        raise combined(ordered, total=len(works))
    return text


def _entry(name: str, text: str) -> str:
    """Return a service's part: one line beside its name, several below it."""
    return f"{name}:\n{text}" if "\n" in text else f"{name}: {text}"
