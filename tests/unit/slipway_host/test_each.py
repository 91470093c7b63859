"""One function for several services: what it says of each, and the one error for those that failed."""

import pytest

from slipway_host.caller import Caller, asking
from slipway_host.command import COMMANDS
from slipway_host.each import NOBODY, Outcome, each
from slipway_host.errors import NotFoundError

pytestmark = pytest.mark.anyio


async def well() -> str:
    return "Succeeded: done"


async def long() -> str:
    return "one\ntwo"


async def absent() -> str:
    raise NotFoundError("there is no pod")


async def broken() -> Outcome:
    return Outcome("✗ pods", NotFoundError("no such image", next_command="dagger call deploy"))


async def test_services_are_told_in_their_order_and_long_texts_stand_below_the_name() -> None:
    found = await each("logs", {"api": long, "ui": well})
    assert found == Outcome("api:\none\ntwo\nui: Succeeded: done")


async def test_a_failure_hides_nothing_of_the_others_and_names_the_command_for_its_service() -> None:
    with asking(Caller(functions=frozenset(COMMANDS), environment="prod")):
        found = await each("logs", {"api": absent, "ui": well})
    assert found.text == "ui: Succeeded: done"
    assert str(found.error) == (
        "1 of 2 services failed: api: logs: there is no pod. Landed: nothing. "
        "Next: slipway-host logs --environment=prod --service=api"
    )


async def test_what_a_failed_service_had_to_say_is_kept_beside_its_error() -> None:
    found = await each("diagnose", {"api": broken})
    assert found.text == "api: ✗ pods"
    assert str(found.error).endswith("no such image. Landed: nothing. Next: dagger call deploy")


async def test_no_service_is_nothing_to_do() -> None:
    assert await each("sync", {}) == Outcome(NOBODY)
