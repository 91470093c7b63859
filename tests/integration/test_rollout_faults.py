"""R13: how long a rollout waits for what cannot come up, on a real kubelet (faults 85 and 86)."""

from __future__ import annotations

import datetime as dt
import json
import re
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import pytest
from anyio import to_thread

from slipway_host import pods
from slipway_host.errors import RolloutFailedError
from slipway_host.rollout import wait_rollout
from slipway_host.together import together
from slipway_lab.kubernetes import kubectl
from support.worlds import TAG, World, Worlds, deployment

if TYPE_CHECKING:
    from collections.abc import Iterator

    from slipway_host.kube import KubeClient
    from slipway_lab.layout import Layout

LIMIT_S = 15.0
CRASH = "import sys; sys.exit('no database at postgres://api:canary-4711@db')"
ALWAYS = (deployment(imagePullPolicy="Always"),)

# Beside the error's words: the event whose first time is the failure's, a crash being a start that fails.
WORLDS = {
    "crash": World(
        link="Started",
        says=r"exit code 1.*its last words: no database at postgres://api:\*\*\*@db",
        fix="kubectl -n {app} logs ",
        objects=(deployment(CRASH),),
    ),
    "no-tag": World(
        link="Failed",
        says=r"cannot pull its image: the registry has no such tag or digest",
        fix="kubectl -n {app} describe pod ",
        tag="deadbeef",
    ),
    "denied": World(
        link="Failed",
        says=r"cannot pull its image: the registry refuses the node's credentials",
        fix="kubectl -n {app} describe pod ",
        pull="wrong",
        objects=ALWAYS,
    ),
    "down": World(
        link="Failed",
        says=r"cannot pull its image: the node does not reach the registry",
        fix="kubectl -n {app} describe pod ",
        values=f'image:\n  repository: 10.86.0.1:5999/mosuon/api\n  tag: "{TAG}"\n',
        settings=lambda target: replace(target, repository="10.86.0.1:5999/mosuon/api"),
    ),
}


@pytest.fixture(scope="module")
def worlds(layout: Layout) -> Iterator[Worlds]:
    made = Worlds(layout, WORLDS)
    try:
        yield made
    finally:
        made.down()


def failed_at(layout: Layout, namespace: str, reason: str) -> dt.datetime:
    """Return when the kubelet first told of the failure."""
    fields = f"--field-selector=reason={reason},involvedObject.kind=Pod"
    found = json.loads(kubectl(layout, "-n", namespace, "get", "events", fields, "-o", "json"))["items"]
    return min(dt.datetime.fromisoformat(event["firstTimestamp"]) for event in found)


def limit(layout: Layout, namespace: str) -> float:
    """Return the seconds that a report may take, one of them for the rounding of events' times.

    A busy node may pull before it has the pull secret, and says so: that is given time to pass.
    """
    fields = f"--field-selector=reason={pods.NO_PULL_SECRET},involvedObject.kind=Pod"
    found = json.loads(kubectl(layout, "-n", namespace, "get", "events", fields, "-o", "json"))["items"]
    return LIMIT_S + 1 + (pods.DENIED_GRACE_S if found else 0)


async def test_what_cannot_come_up_is_reported_within_15_seconds_of_its_failure(
    worlds: Worlds, kube: KubeClient, layout: Layout
) -> None:
    seconds: dict[str, float] = {}
    limits: dict[str, float] = {}

    async def one(name: str) -> None:
        world, lines = WORLDS[name], list[str]()
        target = replace(worlds.case(name, kube).target, image_tag=world.tag)
        with pytest.raises(RolloutFailedError) as caught:
            await wait_rollout(kube, target, digest="sha256:none", report=lines.append, deadline_s=120)
        told = dt.datetime.now(dt.UTC)
        seconds[name] = (told - failed_at(layout, target.namespace, world.link)).total_seconds()
        limits[name] = limit(layout, target.namespace)
        assert re.search(world.says, caught.value.cause), caught.value.cause
        assert caught.value.next_command.startswith(world.fix.format(app=target.namespace))
        assert any(re.fullmatch(r"pod \S+: (Pending|Running)( \(\w+\))?", line) for line in lines), lines
        assert "canary" not in "".join(lines) + str(caught.value)

    await to_thread.run_sync(worlds.up)
    await together(*(partial(one, name) for name in WORLDS))
    print(seconds, limits)
    late = {name: took for name, took in seconds.items() if took > limits[name]}
    assert late == {}, limits
