"""R18: pods that do not come up, each for a reason of its own, and what a diagnosis says of them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from support.worlds import World, Worlds, deployment

if TYPE_CHECKING:
    from collections.abc import Iterator

    from slipway_host.kube import KubeClient
    from slipway_lab.layout import Layout

SETTLED_S = 90
CRASH = "import sys; print('connecting to postgres://api:canary-4711@db/api'); sys.exit('no database')"

WORLDS = {
    "well": World(link="", says="", fix=""),
    "crash": World(
        link="pods",
        says=r"crashes: exit code 1.*its last words: .*no database",
        fix="dagger call logs --service={app} --previous",
        objects=(deployment(CRASH),),
    ),
    "unready": World(
        link="pods",
        says=r"is not ready: Readiness probe failed: HTTP probe failed with statuscode: 503",
        fix="dagger call logs --service={app} --tail=50",
        objects=(deployment(env=[{"name": "health", "value": "503"}]),),
    ),
}


@pytest.fixture(scope="module")
def worlds(layout: Layout) -> Iterator[Worlds]:
    made = Worlds(layout, WORLDS)
    try:
        made.up()
        yield made
    finally:
        made.down()


@pytest.mark.parametrize("name", WORLDS)
async def test_the_first_broken_link_is_named_with_its_fix(
    worlds: Worlds, kube: KubeClient, name: str
) -> None:
    world, app = WORLDS[name], worlds.name(name)
    found = await worlds.settled(name, kube, deadline_s=SETTLED_S)
    document = found.document()
    print(found.text())
    assert document["broken"] == (world.link or None), found.text()
    assert re.search(world.says, f"{document['cause']}; {document['evidence']}"), found.text()
    assert (document["fix"] or "").startswith(world.fix.format(app=app)), found.text()
    assert "canary" not in found.text()
