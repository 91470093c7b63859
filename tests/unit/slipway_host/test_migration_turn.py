"""Migrations of one service take turns, whatever becomes of those who hold one."""

from __future__ import annotations

from dataclasses import replace

import anyio
import pytest

from slipway_host import job_run, migration_turn, waiting
from slipway_host.errors import DeadlineError, UnknownOutcomeError
from slipway_host.results import Status
from slipway_host.settings import MigrationSettings
from support.migration import DONE, TARGET, Cluster, Json, run


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "SETTLE_S", 0.001)
    monkeypatch.setattr(job_run, "GRACE_S", 0.5)
    monkeypatch.setattr(migration_turn, "POLL_S", 0.001)


def other(name: str, *conditions: str) -> Json:
    status = {"conditions": [{"type": kind, "status": "True"} for kind in conditions]}
    return {"metadata": {"name": name, "uid": name}, "status": status}


async def test_another_commit_s_migration_has_to_end_first_even_one_that_begins_between_look_and_turn() -> (
    None
):
    cluster, lines = Cluster(), list[str]()
    ended = [other("failed", "FailureTarget", "Failed"), other("done", "Complete")]
    # Before the turn: one runs, its pods are being stopped, nothing; then with the turn: another one runs.
    cluster.others = [[other("b")], [other("b", "FailureTarget")], ended, [other("a")], [other("a")], [], []]
    cluster.looks = [lambda: cluster.became(DONE)]
    assert (await run(cluster, lines=lines)).status is Status.SUCCEEDED
    waits = [line for line in lines if "waiting for Job" in line]
    assert [line.split()[4].strip(",") for line in waits] == ["b", "a"]
    assert (cluster.created, cluster.turns, cluster.turn, cluster.others) == (1, 2, None, [])


async def test_the_wait_for_another_migration_has_a_deadline_that_names_it() -> None:
    brief = MigrationSettings(command=("/app/migrate",), timeout_s=1)
    cluster = Cluster()
    cluster.others = [[other("endless")]] * 100_000
    with pytest.raises(DeadlineError, match="not begun in 1 s while Job endless runs"):
        await run(cluster, replace(TARGET, migration=brief))
    assert (cluster.created, cluster.turn) == (0, None)


async def test_a_turn_of_a_killed_run_is_taken_over_and_one_of_a_living_run_is_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(migration_turn, "STALE_S", 1.0)
    for lives in (False, True):
        cluster, lines = Cluster(), list[str]()
        cluster.turn = other("api-migrate-turn")
        cluster.looks = [lambda c=cluster: c.became(DONE)]  # type: ignore[misc]

        async def live(cluster: Cluster = cluster) -> None:
            # Each time another one's, so that none is seen for long; then nobody's.
            for number in range(30):
                await anyio.sleep(0.05)
                cluster.turn = other("api-migrate-turn")
                cluster.turn["metadata"]["uid"] = f"alive{number}"
            cluster.turn = None

        async with anyio.create_task_group() as tasks:
            if lives:
                tasks.start_soon(live)
            assert (await run(cluster, lines=lines)).status is Status.SUCCEEDED
        assert any("left over" in line for line in lines) is not lives
        assert cluster.created == 1
        assert not cluster.turn


async def test_a_turn_whose_answer_was_lost_is_known_as_our_own(monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = Cluster()
    cluster.looks = [lambda: cluster.became(DONE)]
    take = cluster.take_turn

    def lost(body: Json) -> Json:
        take(body)
        raise UnknownOutcomeError("the connection was lost")

    monkeypatch.setattr(cluster, "take_turn", lost)
    assert (await run(cluster)).status is Status.SUCCEEDED
    assert cluster.turns == 1
    assert cluster.turn is None
