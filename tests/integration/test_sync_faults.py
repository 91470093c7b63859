"""R12: why Argo CD does not apply a commit, told apart by the sync stage (faults 78 to 84)."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from pydantic import SecretStr

from slipway_host import argocd, gitops
from slipway_host.errors import AccessDeniedError, DeadlineError, NotFoundError, TerminalError
from slipway_host.kube import KubeClient
from slipway_host.progress import silent
from slipway_lab import gitserver
from slipway_lab.kubernetes import apply, kubectl
from support import argocd_objects
from support.worlds import World, Worlds, deployment

if TYPE_CHECKING:
    from collections.abc import Iterator

    from slipway_host.results import StageResult
    from slipway_lab.layout import Layout

Json = dict[str, Any]
REQUIRED: Json = {
    "apiVersion": "v1",
    "kind": "ConfigMap",
    "metadata": {"name": "{{ required `settings.host is missing` .Values.host }}"},
}


def own_project(app: Json) -> None:
    app["spec"]["project"] = app["metadata"]["name"]


def world(**changes: Any) -> World:
    return World(link="sync", says="", fix="", **changes)


WORLDS = {
    "window": world(application=own_project),
    "unrenderable": world(objects=(REQUIRED,)),
    "invalid": world(objects=(deployment(ports=[{"containerPort": 99999}]),)),
    "unwatched": world(application=lambda app: app["metadata"].update(namespace=app["metadata"]["name"])),
    "none": world(application=None),
}


@pytest.fixture(scope="module")
def worlds(layout: Layout) -> Iterator[Worlds]:
    made = Worlds(layout, WORLDS)
    closed = made.name("window")
    try:
        apply(layout, argocd_objects.closed_project(closed))
        made.up()
        yield made
    finally:
        made.down()
        kubectl(layout, "-n", "argocd", "delete", "appproject", closed)


async def sync(worlds: Worlds, kube: KubeClient, name: str, *, namespace: str = "") -> StageResult:
    case = worlds.case(name, kube)
    commit = gitserver.head_of(worlds.layout, worlds.repository)
    if namespace:
        case.target = replace(case.target, argocd_namespace=namespace)
    return await argocd.sync(
        case.applications,
        case.target,
        commit=commit,
        contains=partial(gitops.contains, case.git, commit),
        run_id="run-1",
        report=silent,
        deadline_s=60,
        silent_after_s=3 if namespace else argocd.SILENT_S,
    )


async def test_a_sync_window_ends_the_wait_with_its_name(worlds: Worlds, kube: KubeClient) -> None:
    with anyio.fail_after(30), pytest.raises(TerminalError, match="a sync window of the project denies"):
        await sync(worlds, kube, "window")


async def test_a_chart_that_does_not_render_ends_the_wait_with_helms_words(
    worlds: Worlds, kube: KubeClient
) -> None:
    with anyio.fail_after(30), pytest.raises(TerminalError) as caught:
        await sync(worlds, kube, "unrenderable")
    assert "since Argo CD cannot render the manifests" in caught.value.cause
    assert "settings.host is missing" in caught.value.cause


async def test_a_sync_that_keeps_failing_ends_the_wait_before_its_retries(
    worlds: Worlds, kube: KubeClient
) -> None:
    with anyio.fail_after(50), pytest.raises(TerminalError, match="containerPort: Invalid value: 99999"):
        await sync(worlds, kube, "invalid")


async def test_a_controller_that_does_not_look_is_told_from_a_missing_application(
    worlds: Worlds, kube: KubeClient
) -> None:
    with pytest.raises(DeadlineError, match="application controller does not answer"):
        await sync(worlds, kube, "unwatched", namespace=worlds.name("unwatched"))
    with pytest.raises(NotFoundError, match="Argo CD has no Application"):
        await sync(worlds, kube, "none")


async def test_missing_rights_name_the_question_to_ask(layout: Layout, worlds: Worlds) -> None:
    place = worlds.name("none")
    kubectl(layout, "-n", place, "create", "serviceaccount", "weak")
    token = kubectl(layout, "-n", place, "create", "token", "weak").strip()
    config = json.loads(kubectl(layout, "config", "view", "--raw", "-o", "json"))
    config["users"] = [{"name": one["name"], "user": {"token": token}} for one in config["users"]]
    async with await KubeClient.connect(SecretStr(json.dumps(config))) as weak:
        with pytest.raises(AccessDeniedError, match="forbidden") as caught:
            await sync(worlds, weak, "window")
    assert caught.value.next_command.startswith("kubectl auth can-i ")
