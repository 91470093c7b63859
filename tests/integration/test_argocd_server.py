"""Argo CD by its own API: what the sync stage does there, and what the server refuses."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING

import anyio
import pytest
import trustme

from slipway_host import argocd, gitops
from slipway_host.argocd_server import DeniedError, SyncWindowError
from slipway_host.errors import (
    AccessDeniedError,
    ConflictError,
    DeadlineError,
    ServiceUnavailableError,
    SettingsError,
    TerminalError,
)
from slipway_host.progress import silent
from slipway_host.results import Status
from slipway_host.sync_decision import operation
from slipway_lab import argocd_token
from slipway_lab.layout import GIT, HOST
from support.argocd_account import account, over_server, printed, spelled
from support.argocd_world import BY_HAND, NAMES, RUNNING_S, World

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from slipway_host.applications_server import ServerApplications
    from slipway_lab.layout import Layout


@pytest.fixture(scope="module")
def world(layout: Layout) -> Iterator[World]:
    made = World(layout, f"as{int(time.time()) % 1_000_000:06d}")
    made.up()
    yield made
    made.down()


@pytest.fixture(scope="module")
def token(layout: Layout, world: World) -> Iterator[str]:
    """The token of an account with the policy that `rbac` prints for these services."""
    policy = printed([world.target(app) for app in NAMES], role=world.name, account=world.name)
    with account(layout, world.name, policy) as found:
        yield found


@pytest.fixture
async def server(layout: Layout, token: str) -> AsyncIterator[ServerApplications]:
    async with over_server(layout, token) as found:
        yield found


async def test_our_commit_is_applied_with_our_mark_by_the_tokens_account(
    world: World, server: ServerApplications, token: str
) -> None:
    commit = world.publish()
    done = await world.sync(server, "manual", commit)
    assert done.status is Status.SUCCEEDED
    assert (done.outputs["revision"], done.outputs["requested"]) == (commit, True)
    operation = world.read("manual")["status"]["operationState"]["operation"]
    assert operation["sync"]["revision"] == commit
    assert operation["sync"]["syncOptions"] == BY_HAND["syncOptions"]
    assert operation["sync"].get("prune", False) is False
    assert operation["initiatedBy"]["username"] == world.name
    assert {"name": "Reason", "value": "slipway run run-1"} in operation["info"]
    assert token not in "\n".join(world.lines)

    again = await world.sync(server, "manual", commit)
    assert (again.status, again.outputs["requested"]) == (Status.SKIPPED, False)


async def test_an_application_with_automated_sync_gets_it_from_the_branch(
    world: World, server: ServerApplications
) -> None:
    # The server takes no revision here: what is asked for is the branch, and what is waited for our commit.
    await world.sync(server, "automatic", world.publish())
    commit = world.publish()
    done = await world.sync(server, "automatic", commit)
    assert (done.status, done.outputs["revision"]) == (Status.SUCCEEDED, commit)


async def test_all_looks_share_one_connection(
    world: World, server: ServerApplications, handshakes: Callable[[], int]
) -> None:
    target = world.target("manual")
    for _ in range(20):
        await server.read(target)
    await server.windows(await server.read(target))
    assert handshakes() == 1


async def test_a_foreign_sync_is_waited_for_and_ended_only_where_that_is_asked(
    world: World, server: ServerApplications
) -> None:
    before = await server.read(world.target("hooked"))
    world.by_mallory("hooked", world.publish(sleep_s=5))
    first = world.publish()
    # Whoever has read before cannot know: what came first is a conflict, and read again.
    with pytest.raises(ConflictError, match="another operation is already in progress"):
        await server.request(before, operation(before, revision=first, request="r", run_id="run-1"))
    assert (await world.sync(server, "hooked", first)).outputs["revision"] == first
    assert "waiting for the sync of mallory" in world.lines

    world.by_mallory("hooked", world.publish(sleep_s=600))
    second = world.publish()
    with anyio.fail_after(RUNNING_S):
        done = await world.sync(server, "hooked", second, terminate=True)
    assert done.outputs["revision"] == second
    assert "WARNING: ending the sync of mallory, as asked" in world.lines


async def test_a_sync_that_fails_ends_the_wait_with_its_words(
    world: World, server: ServerApplications
) -> None:
    with anyio.fail_after(RUNNING_S), pytest.raises(TerminalError, match="99999") as caught:
        await world.sync(server, "broken", world.publish())
    assert caught.value.cause.startswith("the sync ended as Failed")
    shows = f"argocd app get {world.name}-broken --app-namespace=argocd --server={HOST}"
    assert caught.value.next_command == shows


async def test_a_sync_window_denies_at_once_and_is_known_before(
    world: World, server: ServerApplications
) -> None:
    app = await server.read(world.target("window"))
    found = await server.windows(app)
    assert [one["schedule"] for one in found or []] == ["* * * * *"]
    assert await server.windows(await server.read(world.target("manual"))) == []
    with pytest.raises(SyncWindowError, match="a sync window of the project denies the sync") as caught:
        await world.sync(server, "window", world.publish())
    assert caught.value.next_command == f"argocd proj get {world.name} --server={HOST}"


@pytest.mark.parametrize("broken", ["expired", "forged", "unknown"])
async def test_a_token_that_is_no_good_is_refused_by_name_and_never_quoted(
    layout: Layout, world: World, broken: str
) -> None:
    given = {
        "expired": argocd_token.token(layout, argocd_token.ACCOUNT, expires_at=argocd_token.ISSUED_AT + 60),
        "forged": argocd_token.token(layout, argocd_token.ACCOUNT)[:-6] + "AAAAAA",
        "unknown": argocd_token.token(layout, "nobody"),
    }[broken]
    async with over_server(layout, given) as applications:
        with pytest.raises(
            AccessDeniedError, match=r"does not accept ARGOCD_AUTH_TOKEN: .*HTTP 401"
        ) as caught:
            await applications.read(world.target("manual"))
    assert given not in f"{caught.value} {caught.value!r}"
    assert "argocd account generate-token" in caught.value.next_command


async def test_who_may_only_look_is_told_what_the_policy_lacks(layout: Layout, world: World) -> None:
    name = f"{world.name}-reader"
    with account(layout, name, spelled(f"{world.name}-*", "get", name=name)) as given:
        async with over_server(layout, given) as reader:
            assert (await reader.read(world.target("manual"))).name == f"{world.name}-manual"
            with pytest.raises(
                DeniedError, match=r"denies POST .*permission denied: applications, sync"
            ) as caught:
                await world.sync(reader, "manual", world.publish())
    assert "dagger call rbac" in caught.value.next_command


async def test_an_application_that_is_missing_or_hidden_is_said_to_be_either(
    layout: Layout, world: World, server: ServerApplications
) -> None:
    with pytest.raises(
        DeniedError, match=f"no Application {world.name}-none .*there is none, or the account"
    ):
        await server.read(world.target("none"))
    name = f"{world.name}-blind"
    with account(layout, name, "") as given:
        async with over_server(layout, given) as blind:
            with pytest.raises(DeniedError, match="there is none, or"):
                await blind.read(world.target("manual"))


async def test_a_server_that_is_away_or_nobody_vouches_for_is_told_apart(
    layout: Layout, world: World, token: str
) -> None:
    async with over_server(layout, token, url=f"https://{HOST}:8449") as away:
        with pytest.raises(ServiceUnavailableError, match=f"Argo CD at {HOST} does not answer") as caught:
            await away.read(world.target("manual"))
        assert caught.value.next_command == f"curl https://{HOST}:8449/api/version"
        late = f"could not be read in 5 s: Argo CD at {HOST} does not answer"
        with pytest.raises(DeadlineError, match=late):
            await argocd.sync(
                away,
                world.target("manual"),
                commit="c" * 40,
                contains=partial(gitops.contains, world.git, "c" * 40),
                run_id="run-1",
                report=silent,
                deadline_s=5,
            )
    other = trustme.CA().cert_pem.bytes().decode()
    async with over_server(layout, token, ca=other) as distrusted:
        with pytest.raises(SettingsError, match="nobody vouches for the certificate of Argo CD at"):
            await distrusted.read(world.target("manual"))
    # The git server answers in its place, and is no Argo CD.
    async with over_server(layout, token, url=GIT) as elsewhere:
        with pytest.raises(SettingsError, match=r"is argocd\.server the address of Argo CD's own API"):
            await elsewhere.read(world.target("manual"))
