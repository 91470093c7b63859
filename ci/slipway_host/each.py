"""Runs one function for several services side by side; one's failure hides nothing of the others."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from slipway_host.caller import command
from slipway_host.errors import DeliveryError
from slipway_host.receipt import combined
from slipway_host.together import together

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

NOBODY = "Nothing to do: no service is concerned."


@dataclass(frozen=True)
class Outcome:
    """What a function ends with.

    Args:
        text: to print, whether it went well or not.
        error: what ends the call; None where all went well.
    """

    text: str
    error: DeliveryError | None = None


async def each(function: str, calls: Mapping[str, Callable[[], Awaitable[Outcome | str]]]) -> Outcome:
    """Return what the calls say, in their order, and one error for those that failed.

    Args:
        function: its name, as in `dagger call`.
        calls: by service.
    """
    said: dict[str, Outcome] = {}

    async def one(name: str, call: Callable[[], Awaitable[Outcome | str]]) -> None:
        try:
            found = await call()
        except DeliveryError as error:
            found = Outcome("", error)
        if isinstance(found, str):
            found = Outcome(found)
        if found.error:
            found.error.at(function, next_command=command(function, f"--service={name}"))
        said[name] = found

    await together(*(partial(one, name, call) for name, call in calls.items()))
    ordered = [(name, said[name]) for name in calls]
    text = "\n".join(_entry(name, found.text) for name, found in ordered if found.text)
    errors = {name: found.error for name, found in ordered if found.error}
    if errors:
        return Outcome(text, combined(errors, total=len(calls)))
    return Outcome(text if calls else NOBODY)


def _entry(name: str, text: str) -> str:
    """Return a service's part: one line beside its name, several below it."""
    return f"{name}:\n{text}" if "\n" in text else f"{name}: {text}"
