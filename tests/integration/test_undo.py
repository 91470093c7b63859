"""R16, fault 94: an emergency undo that Argo CD does not heal away, and the way back from it."""

import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import replace

import anyio
import pytest
from pydantic import SecretStr

from slipway_host import suspension
from slipway_host.applications import Applications, KubernetesApplications
from slipway_host.errors import AccessDeniedError, ConflictError, NotFoundError
from slipway_host.kube import KubeClient
from slipway_host.progress import silent
from slipway_host.results import Status
from slipway_host.settings import PostgresSettings
from slipway_host.suspension import ANNOTATION, SKIP, Suspension
from slipway_lab import argocd, gitserver
from slipway_lab.kubernetes import kubectl
from slipway_lab.layout import Layout
from support import argocd_objects
from support.argocd_account import account, least, over_server, printed
from support.argocd_objects import AUTOMATED
from support.undo_world import WAIT_S, WHEN, World


@pytest.fixture
def kind() -> str:
    return "Deployment"


@pytest.fixture
def world(layout: Layout, namespace: str, kind: str) -> Iterator[World]:
    found = World(layout, namespace, kind)
    found.publish(1)
    found.apply(argocd_objects.readable(layout, f"{namespace}-undo", found.url))
    yield found
    names = (f"{namespace}-root", namespace)
    kubectl(layout, "-n", "argocd", "delete", "application", *names, "--ignore-not-found", "--timeout=60s")
    kubectl(layout, "-n", "argocd", "delete", "secret", f"{namespace}-undo")
    shutil.rmtree(layout.run / f"{namespace}-undo")
    shutil.rmtree(gitserver.repository(layout, found.repository))


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet", "DaemonSet"])
async def test_an_undo_outlives_self_heal_and_resume_puts_back_exactly_what_was(
    kube: KubeClient, world: World
) -> None:
    world.apply(world.application(world.name, "app", world.name))
    await world.two_versions(kube)

    done = await world.undo(kube)

    assert done.status is Status.SUCCEEDED
    assert "SUSPENDED" in done.summary
    assert "dagger call resume --service=api" in done.summary
    assert "automated" not in (await world.app(kube))["spec"]["syncPolicy"]
    await world.stays(kube, 1)
    before = (await world.app(kube))["metadata"]["resourceVersion"]
    again = await world.undo(kube)
    assert (again.status, await world.version(kube)) == (Status.SKIPPED, "1")
    assert ANNOTATION in (await world.app(kube))["metadata"]["annotations"], before

    resumed, idle = await world.resume(kube), await world.resume(kube)

    assert (resumed.status, idle.status) == (Status.SUCCEEDED, Status.SKIPPED)
    app = await world.app(kube)
    assert app["spec"]["syncPolicy"]["automated"] == AUTOMATED
    assert {ANNOTATION, SKIP}.isdisjoint(app["metadata"].get("annotations") or {})
    await world.becomes(kube, 2)


@asynccontextmanager
async def least_rights(
    world: World, postgres: PostgresSettings, *, server: bool
) -> AsyncIterator[tuple[KubeClient, Applications]]:
    """Give cluster and Applications as the accounts that `rbac` prints; both know of this one alone."""
    layout = world.layout
    target = replace(world.target, argocd_server=argocd.URL if server else "")
    with ExitStack() as stack:
        kubeconfig = stack.enter_context(least(layout, target, postgres))
        async with await KubeClient.connect(SecretStr(kubeconfig)) as kube:
            if not server:
                yield kube, KubernetesApplications(kube)
                return
            policy = printed([target], role=world.name, account=world.name)
            token = stack.enter_context(account(layout, world.name, policy))
            async with over_server(layout, token) as applications:
                yield kube, applications


@pytest.mark.parametrize("server", [False, True], ids=["kubernetes", "argocd server"])
async def test_an_undo_under_an_app_of_apps_outlives_its_self_heal_too_with_the_least_rights(
    kube: KubeClient,
    world: World,
    postgres: PostgresSettings,
    server: bool,  # noqa: FBT001 - a parameter of the test's
) -> None:
    world.apply(world.application(f"{world.name}-root", "root", "argocd"))
    await world.two_versions(kube)

    async with least_rights(world, postgres, server=server) as (weak, applications):
        with pytest.raises(AccessDeniedError):
            await applications.find("argocd", f"{world.name}-root")
        await undone_under_an_app_of_apps(kube, world, weak, applications)


async def undone_under_an_app_of_apps(
    kube: KubeClient, world: World, weak: KubeClient, applications: Applications
) -> None:
    done = await world.undo(weak, applications=applications)

    assert done.outputs["manager"] == f"{world.name}-root"
    with anyio.fail_after(WAIT_S):
        # The managing Application puts automated sync back: that alone would have lost the undo.
        while (await world.app(kube))["spec"]["syncPolicy"].get("automated") != AUTOMATED:  # noqa: ASYNC110
            await anyio.sleep(0.5)
    await world.stays(kube, 1)
    assert (await world.app(kube))["metadata"]["annotations"][SKIP] == "true"
    again = await world.undo(weak, applications=applications)
    assert again.status is Status.SKIPPED

    resumed = await world.resume(weak, applications=applications)

    assert resumed.status is Status.SUCCEEDED
    assert {ANNOTATION, SKIP}.isdisjoint((await world.app(kube))["metadata"].get("annotations", {}))
    await world.becomes(kube, 2)


async def test_a_label_whose_application_may_not_be_seen_counts_as_its_manager(
    kube: KubeClient, world: World, postgres: PostgresSettings
) -> None:
    # As label tracking and Helm write it: only who may read other Applications could tell them apart.
    body = world.application(world.name, "app", world.name)
    body["metadata"]["labels"] = {"app.kubernetes.io/instance": "somebody"}
    world.apply(body)
    await world.two_versions(kube)

    async with least_rights(world, postgres, server=False) as (weak, applications):
        done = await world.undo(weak, applications=applications)
        assert (done.status, done.outputs["manager"]) == (Status.SUCCEEDED, "somebody")
        app = await world.app(kube)
        assert (app["metadata"]["annotations"][SKIP], await world.version(kube)) == ("true", "1")
        assert "automated" not in app["spec"]["syncPolicy"]
        await world.resume(weak, applications=applications)
    app = await world.app(kube)
    assert app["spec"]["syncPolicy"]["automated"] == AUTOMATED
    assert {ANNOTATION, SKIP}.isdisjoint(app["metadata"].get("annotations") or {})
    await world.becomes(kube, 2)


async def test_an_undo_killed_after_the_suspension_goes_where_it_was_to_go(
    kube: KubeClient, world: World
) -> None:
    world.apply(world.application(world.name, "app", world.name))
    await world.two_versions(kube)
    found = await kube.list(f"/apis/apps/v1/namespaces/{world.name}/replicasets")
    (old,) = [
        item["metadata"]["name"]
        for item in found
        if item["spec"]["template"]["spec"]["containers"][0]["env"][0]["value"] == "1"
    ]
    wanted = Suspension(automated=None, skip=None, by="ann", since=WHEN, goal=old)
    applications = KubernetesApplications(kube)
    await suspension.suspend(applications, world.target, wanted, report=silent, deadline_s=WAIT_S)
    assert await world.version(kube) == "2"

    done = await world.undo(kube)

    assert (done.status, done.outputs["name"], await world.version(kube)) == (Status.SUCCEEDED, old, "1")
    with pytest.raises(NotFoundError, match="has no revision 99: there are revision 3"):
        await world.undo(kube, 99)
    # To a revision by its number: what is remembered of the policy stays.
    await world.undo(kube, 2)
    assert await world.version(kube) == "2"
    await world.resume(kube)
    assert (await world.app(kube))["spec"]["syncPolicy"]["automated"] == AUTOMATED


async def test_a_deploy_of_a_suspended_application_is_refused_with_both_ways_on(
    kube: KubeClient, world: World
) -> None:
    world.apply(world.application(world.name, "app", world.name))
    await world.becomes(kube, 1)
    wanted = Suspension(automated=None, skip=None, by="ann", since=WHEN)
    applications = KubernetesApplications(kube)
    await suspension.suspend(applications, world.target, wanted, report=silent, deadline_s=WAIT_S)

    with pytest.raises(ConflictError, match=f"suspended by ann since {WHEN}") as caught:
        suspension.refuse(await applications.read(world.target), service="api")

    assert "dagger call rollback --service=api" in caught.value.next_command
    assert "dagger call resume --service=api" in caught.value.next_command
