"""R22 and fault 30: how much room builds need."""

import pytest

from slipway.engine_checks import GIB, room
from slipway_host.checks import CheckStatus


@pytest.mark.parametrize(
    ("gib", "status"),
    [(45, CheckStatus.OK), (9.9, CheckStatus.WARNING), (1.9, CheckStatus.FAILED)],
)
def test_disk_that_runs_full_is_told_before_a_build_does(gib: float, status: CheckStatus) -> None:
    found = room("v0.21.8", int(gib * GIB))
    assert found.status is status
    assert found.found.startswith(f"Dagger v0.21.8, {gib:.0f} GiB free")
    assert ("prune" in found.fix) is (status is not CheckStatus.OK)
