"""R13, R24: Rollouts led to a new version by the real Argo Rollouts, or given up by it."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from pydantic import SecretStr

from slipway_host import promotion, restart
from slipway_host.diagnosis import diagnose
from slipway_host.errors import RolloutFailedError, RolloutPausedError
from slipway_host.kube import KubeClient
from slipway_host.progress import silent
from slipway_host.results import StageResult, Status
from slipway_host.together import together
from slipway_lab.kubernetes import kubeconfig_path
from support.argocd_account import least
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
    from slipway_host.settings import PostgresSettings
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


@pytest.fixture(scope="module")
def first(worlds: Worlds, layout: Layout) -> dict[str, StageResult]:
    """Proofs of the first version of all worlds; every values file names the second one afterwards."""

    async def arrive() -> dict[str, StageResult]:
        found: dict[str, StageResult] = {}
        text = kubeconfig_path(layout, "deployer").read_text()
        async with await KubeClient.connect(SecretStr(text)) as kube:
            rollouts = Rollouts(layout, worlds, kube)

            async def one(name: str) -> None:
                found[name] = await rollouts.arrive(name, [], tag=TAG)

            await together(*(partial(one, name) for name in WORLDS))
        worlds.images.push(NEXT)
        rollouts.publish(NEXT, *WORLDS)
        return found

    return anyio.run(arrive)


@pytest.fixture
def rollouts(first: dict[str, StageResult], worlds: Worlds, layout: Layout, kube: KubeClient) -> Rollouts:
    assert all(one.status is Status.SUCCEEDED for one in first.values())
    return Rollouts(layout, worlds, kube)


def stayed(rollouts: Rollouts, first: dict[str, StageResult], name: str) -> None:
    """The pods of the first version are the ones that serve, and nobody has exchanged them."""
    assert rollouts.ready(name) == {pod["name"]: TAG for pod in first[name].outputs["pods"]}
    assert rollouts.answers(name)


async def test_a_canary_is_proven_once_it_is_fully_promoted(rollouts: Rollouts) -> None:
    lines = list[str]()

    done = await rollouts.arrive("canary", lines)

    said = "\n".join(lines)
    assert "2 ready pods run" in done.summary
    assert list(rollouts.ready("canary").values()) == [NEXT, NEXT]
    assert re.search(r"step 1 of 3 \(setWeight: 50\)", said), said
    assert re.search(r"step 2 of 3 \(pause: 2s\), paused by its step until \d\d:\d\d:\d\d UTC", said), said
    assert re.search(r"step 3 of 3 \(analysis\), analysis \S+ is (Pending|Running)", said), said


async def test_a_canary_that_crashes_fails_at_once_and_the_stable_pods_stay(
    rollouts: Rollouts, first: dict[str, StageResult]
) -> None:
    with pytest.raises(RolloutFailedError, match=r"exit code 1.*its last words: no table users"):
        await rollouts.arrive("crash", [])

    told = dt.datetime.now(dt.UTC)
    # One second is what events' times are rounded by.
    assert (told - rollouts.started("crash")).total_seconds() <= LIMIT_S + 1
    stayed(rollouts, first, "crash")


async def test_a_failed_analysis_is_told_and_the_way_back_needs_no_new_pod(
    rollouts: Rollouts, first: dict[str, StageResult]
) -> None:
    with pytest.raises(RolloutFailedError) as caught:
        await rollouts.arrive("analysis", [])

    said = caught.value.cause
    assert "was aborted, and its stable version serves on: RolloutAborted" in said
    assert re.search(r"AnalysisRun \S+ Failed: metric name Failed: value \"?library/python", said), said
    assert caught.value.next_command.startswith("dagger call rollback --service=")
    stayed(rollouts, first, "analysis")
    # What the commit of an automatic rollback asks for.
    rollouts.publish(TAG, "analysis")
    back = await rollouts.arrive("analysis", [], tag=TAG)
    assert [one["name"] for one in back.outputs["pods"]] == list(rollouts.ready("analysis"))
    stayed(rollouts, first, "analysis")


async def test_blue_green_is_proven_beside_the_pods_that_wait_for_a_way_back(rollouts: Rollouts) -> None:
    done = await rollouts.arrive("blue-green", [])

    # The old pod serves nobody any more, and stays for half a minute.
    found = rollouts.ready("blue-green")
    assert sorted(found.values()) == [TAG, NEXT]
    assert [found[one["name"]] for one in done.outputs["pods"]] == [NEXT]


async def test_a_pause_waits_for_a_person_who_needs_no_more_than_the_least_rights(
    rollouts: Rollouts, postgres: PostgresSettings, layout: Layout
) -> None:
    target, lines = rollouts.target("by-hand"), list[str]()
    promote = f"dagger call promote --service={target.service}"
    with least(layout, target, postgres) as kubeconfig:
        async with await KubeClient.connect(SecretStr(kubeconfig)) as weak:
            own = replace(rollouts, kube=weak)
            with pytest.raises(RolloutPausedError, match=r"step 2 of 4 \(pause\).* until it is") as caught:
                await rollouts.pauses("by-hand", lines, kube=weak)
            assert caught.value.next_command == promote
            assert f"1 of 1 new pods, 1 old: {promote}" in "\n".join(lines)
            assert sorted(rollouts.ready("by-hand").values()) == [TAG, NEXT]
            case = replace(rollouts.worlds.case("by-hand", weak), target=target)
            assert (await diagnose(case)).document()["fix"] == promote

            act = partial(promotion.promote, weak, target, report=lines.append, deadline_s=30)
            done = [await act(full=False), await act(full=True), await act(full=True)]

            assert [one.status for one in done] == [Status.SUCCEEDED, Status.SUCCEEDED, Status.SKIPPED]
            assert "step 3 of 4" in done[0].summary or "step 4 of 4" in done[0].summary
            proof = await own.arrive("by-hand", lines)
            assert list(rollouts.ready("by-hand").values()) == [NEXT]
            at = f"{dt.datetime.now(dt.UTC):%Y-%m-%dT%H:%M:%SZ}"
            assert await restart.restart(weak, target, at=at, report=silent, deadline_s=60)
    assert rollouts.ready("by-hand").keys() != {pod["name"] for pod in proof.outputs["pods"]}


async def test_an_abort_by_hand_leaves_the_stable_version(
    rollouts: Rollouts, first: dict[str, StageResult]
) -> None:
    target = rollouts.target("given-up")
    with pytest.raises(RolloutPausedError, match="before the new pods get the traffic until it is promoted"):
        await rollouts.pauses("given-up", [])

    abort = partial(promotion.abort, rollouts.kube, target, report=silent, deadline_s=30)
    done = [await abort(), await abort()]

    assert [one.status for one in done] == [Status.SUCCEEDED, Status.SKIPPED]
    with pytest.raises(RolloutFailedError, match="was aborted"):
        await rollouts.arrive("given-up", [])
    serving = {pod["name"] for pod in first["given-up"].outputs["pods"]}
    assert serving <= rollouts.ready("given-up").keys()
    assert rollouts.answers("given-up")
