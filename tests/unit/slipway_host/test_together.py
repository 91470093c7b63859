import anyio
import anyio.lowlevel
import pytest

from slipway_host.errors import ScannerError
from slipway_host.together import Once, together

pytestmark = pytest.mark.anyio


async def test_it_is_made_once_for_all_who_ask_at_a_time_and_later() -> None:
    made = []

    async def make() -> int:
        await anyio.lowlevel.checkpoint()
        made.append(1)
        return len(made)

    once = Once(make)
    assert await together(once, once, once) == [1, 1, 1]
    assert await once() == 1


async def test_expected_failure_is_everybody_s_and_each_stage_writes_into_its_own_copy() -> None:
    tries = []

    async def make() -> int:
        tries.append(1)
        raise ScannerError("no mirror", next_command="wait")

    once = Once(make)
    said = []
    for stage in ("scan-source", "scan-image"):
        with pytest.raises(ScannerError) as caught:
            await once()
        said.append(str(caught.value.at(stage, landed=["push"])))
    assert said[0] == "scan-source: no mirror. Landed: push. Next: wait"
    assert said[1] == "scan-image: no mirror. Landed: push. Next: wait"
    assert tries == [1]


async def test_who_is_cancelled_while_it_is_made_leaves_it_to_the_next() -> None:
    tries = []

    async def make() -> str:
        tries.append(1)
        if len(tries) == 1:
            await anyio.sleep_forever()
        return "made"

    once = Once(make)
    with anyio.move_on_after(0.01) as scope:
        await once()
    assert scope.cancelled_caught
    assert await once() == "made"
