"""R13, R24: Rollouts led to a new version by the real Argo Rollouts, or given up by it."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from slipway_host import promotion
from slipway_host.errors import RolloutFailedError, RolloutPausedError
from slipway_host.results import Status
from slipway_host.together import together
from support.rollout_worlds import (
    CRASH,
    NEXT,
    Rollouts,
    analysis,
    blue_green,
    canary,
    job,
    service,
    web,
    world,
)
from support.worlds import TAG, Worlds

if TYPE_CHECKING:
    from slipway_host.kube import KubeClient
    from slipway_lab.layout import Layout

LIMIT_S = 15.0
PAUSE = {"pause": {"duration": "2s"}}
BY_HAND: dict[str, Any] = {"pause": {}}
WORLDS = {
    "canary": world(canary(PAUSE, analysis("passes")), job("passes", "exit 0"), replicas=2),
    "crash": world(canary(PAUSE), before=CRASH),
    "analysis": world(canary(analysis("name")), web("name", condition="result == 'library/rust'")),
    "blue-green": world(blue_green(), service("-preview")),
    "by-hand": world(canary(BY_HAND, {"setWeight": 80}, BY_HAND)),
    "given-up": world(blue_green(autoPromotionEnabled=False), service("-preview")),
}


@pytest.fixture
def rollouts(worlds: Worlds, layout: Layout, kube: KubeClient) -> Rollouts:
    return Rollouts(layout, worlds, kube)


async def test_the_first_version_of_a_rollout_is_proven_without_its_steps(rollouts: Rollouts) -> None:
    async def one(name: str) -> None:
        lines = list[str]()
        done = await rollouts.arrive(name, lines, tag=TAG)
        assert done.status is Status.SUCCEEDED
        print(name, *lines, sep="\n  ")

    await together(*(partial(one, name) for name in WORLDS))
    rollouts.worlds.images.push(NEXT)
    rollouts.publish(NEXT)


async def test_a_canary_is_proven_once_it_is_fully_promoted(rollouts: Rollouts) -> None:
    lines = list[str]()
    done = await rollouts.arrive("canary", lines)
    said = "\n".join(lines)
    print(said)
    assert rollouts.ready_tags("canary") == [NEXT, NEXT]
    assert "2 ready pods run" in done.summary
    assert re.search(r"step 1 of 3 \(setWeight: 50\)", said)
    assert re.search(r"step 2 of 3 \(pause: 2s\), paused by its step until \d\d:\d\d:\d\d UTC", said)
    assert re.search(r"step 3 of 3 \(analysis\), .*analysis \S+ is Running", said)


async def test_a_canary_that_crashes_fails_at_once_and_the_stable_pods_stay(rollouts: Rollouts) -> None:
    lines = list[str]()
    began = anyio.current_time()
    with pytest.raises(RolloutFailedError, match=r"exit code 1.*its last words: no table users") as caught:
        await rollouts.arrive("crash", lines)
    print(anyio.current_time() - began, *lines, str(caught.value), sep="\n")
    assert rollouts.ready_tags("crash") == [TAG]


async def test_a_failed_analysis_aborts_and_says_what_it_measured(rollouts: Rollouts) -> None:
    lines = list[str]()
    with pytest.raises(RolloutFailedError) as caught:
        await rollouts.arrive("analysis", lines)
    print(*lines, str(caught.value), sep="\n")
    said = caught.value.cause
    assert "was aborted, and its stable version serves on: RolloutAborted" in said
    assert re.search(r"AnalysisRun \S+ Failed: metric name Failed: value \"?library/python", said)
    assert caught.value.next_command.startswith("dagger call rollback --service=")
    assert rollouts.ready_tags("analysis") == [TAG]


async def test_blue_green_is_proven_beside_the_pods_that_wait_for_a_way_back(rollouts: Rollouts) -> None:
    lines = list[str]()
    done = await rollouts.arrive("blue-green", lines)
    print(*lines, done.summary, sep="\n")
    assert rollouts.ready_tags("blue-green") == [TAG, NEXT]
    assert [pod["name"] for pod in done.outputs["pods"]] == done.outputs["pods"] or len(
        done.outputs["pods"]
    ) == 1


async def test_a_pause_without_an_end_is_named_with_the_command_that_ends_it(rollouts: Rollouts) -> None:
    lines = list[str]()
    target = rollouts.target("by-hand")
    with pytest.raises(RolloutPausedError, match=r"step 2 of 4 \(pause\).* until it is promoted") as caught:
        await rollouts.arrive("by-hand", lines, rollout_s=12)
    assert caught.value.next_command == f"dagger call promote --service={target.service}"
    assert rollouts.ready_tags("by-hand") == [TAG, NEXT]
    promote = partial(promotion.promote, rollouts.kube, target, report=lines.append, deadline_s=30)
    first = await promote(full=False)
    second = await promote(full=True)
    third = await promote(full=True)
    print(*lines, first.summary, second.summary, third.summary, sep="\n")
    assert (first.status, second.status, third.status) == (
        Status.SUCCEEDED,
        Status.SUCCEEDED,
        Status.SKIPPED,
    )
    await rollouts.arrive("by-hand", lines)


async def test_an_abort_by_hand_leaves_the_stable_version(rollouts: Rollouts) -> None:
    lines = list[str]()
    target = rollouts.target("given-up")
    with pytest.raises(RolloutPausedError, match="until it is promoted"):
        await rollouts.arrive("given-up", lines, rollout_s=10)
    abort = partial(promotion.abort, rollouts.kube, target, report=lines.append, deadline_s=30)
    first, second = await abort(), await abort()
    print(*lines, first.summary, second.summary, sep="\n")
    assert (first.status, second.status) == (Status.SUCCEEDED, Status.SKIPPED)
    with pytest.raises(RolloutFailedError, match="was aborted"):
        await rollouts.arrive("given-up", lines)
