"""Argo CD by its own API, as accounts without any right on Applications in the cluster."""

from __future__ import annotations

import ssl
import time
from functools import partial
from typing import TYPE_CHECKING

import anyio
import pytest
import trustme
from pydantic import SecretStr

from slipway_host import argocd, gitops
from slipway_host.argocd_server import DeniedError, SyncWindowError
from slipway_host.checks import CheckStatus, Result, examine
from slipway_host.doctor import World as Doctor
from slipway_host.errors import (
    AccessDeniedError,
    ConflictError,
    DeadlineError,
    ServiceUnavailableError,
    SettingsError,
    TerminalError,
)
from slipway_host.kube import KubeClient
from slipway_host.progress import silent
from slipway_host.results import Status
from slipway_host.rights import Right, denied
from slipway_lab import argocd as lab_argocd
from slipway_lab import argocd_token, credentials
from slipway_lab.layout import GIT, HOST
from support.argocd_account import account, least, over_server, printed
from support.argocd_world import BY_HAND, NAMES, RUNNING_S, Json, World
from support.host_side import host_side

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from slipway_host.applications_server import ServerApplications
    from slipway_host.settings import GitSettings, PostgresSettings, RegistrySettings, Target
    from slipway_lab.layout import Layout


@pytest.fixture(scope="module")
def world(layout: Layout) -> Iterator[World]:
    made = World(layout, f"as{int(time.time()) % 1_000_000:06d}")
    made.up()
    yield made
    made.down()


@pytest.fixture(scope="module")
def trust(layout: Layout) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(layout.ca))


@pytest.fixture(scope="module")
def token(layout: Layout, world: World, trust: ssl.SSLContext) -> Iterator[str]:
    """The token of an account with the policy that `rbac` prints for these services."""
    policy = printed([world.target(app) for app in NAMES], role=world.name, account=world.name)
    with account(layout, world.name, policy, trust) as found:
        yield found


@pytest.fixture(scope="module")
def server(layout: Layout, token: str) -> ServerApplications:
    return over_server(layout, token)


def spelled(world: World, *actions: str, name: str) -> str:
    """Return a policy with some of the rights on all of the Applications."""
    lines = [f"p, role:{name}, applications, {one}, */{world.name}-*, allow" for one in actions]
    return "\n".join([*lines, f"g, {name}, role:{name}", ""])


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


async def test_a_foreign_sync_is_waited_for_and_ended_only_where_that_is_asked(
    world: World, server: ServerApplications
) -> None:
    before = await server.read(world.target("hooked"))
    world.by_mallory("hooked", world.publish(sleep_s=5))
    first = world.publish()
    # Whoever has read before cannot know: what came first is a conflict, and read again.
    with pytest.raises(ConflictError, match="another operation is already in progress"):
        await server.request(before, argocd.operation(before, revision=first, request="r", run_id="run-1"))
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
    with pytest.raises(AccessDeniedError, match=r"does not accept ARGOCD_AUTH_TOKEN: .*HTTP 401") as caught:
        await over_server(layout, given).read(world.target("manual"))
    assert given not in f"{caught.value} {caught.value!r}"
    assert "argocd account generate-token" in caught.value.next_command


async def test_who_may_only_look_is_told_what_the_policy_lacks(
    layout: Layout, world: World, trust: ssl.SSLContext
) -> None:
    name = f"{world.name}-reader"
    with account(layout, name, spelled(world, "get", name=name), trust) as given:
        reader = over_server(layout, given)
        assert (await reader.read(world.target("manual"))).name == f"{world.name}-manual"
        with pytest.raises(
            DeniedError, match=r"denies POST .*permission denied: applications, sync"
        ) as caught:
            await world.sync(reader, "manual", world.publish())
    assert "dagger call rbac" in caught.value.next_command


async def test_an_application_that_is_missing_or_hidden_is_said_to_be_either(
    layout: Layout, world: World, server: ServerApplications, trust: ssl.SSLContext
) -> None:
    with pytest.raises(
        DeniedError, match=f"no Application {world.name}-none .*there is none, or the account"
    ):
        await server.read(world.target("none"))
    name = f"{world.name}-blind"
    with account(layout, name, "", trust) as given, pytest.raises(DeniedError, match="there is none, or"):
        await over_server(layout, given).read(world.target("manual"))


async def test_a_server_that_is_away_or_nobody_vouches_for_is_told_apart(
    layout: Layout, world: World, token: str
) -> None:
    away = over_server(layout, token, url=f"https://{HOST}:8449")
    with pytest.raises(ServiceUnavailableError, match=f"Argo CD at {HOST} does not answer") as caught:
        await away.read(world.target("manual"))
    assert caught.value.next_command == f"curl https://{HOST}:8449/api/version"
    with pytest.raises(DeadlineError, match=f"could not be read in 5 s: Argo CD at {HOST} does not answer"):
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
    with pytest.raises(SettingsError, match="nobody vouches for the certificate of Argo CD at"):
        await over_server(layout, token, ca=other).read(world.target("manual"))
    # The git server answers in its place, and is no Argo CD.
    with pytest.raises(SettingsError, match=r"is argocd\.server the address of Argo CD's own API"):
        await over_server(layout, token, url=GIT).read(world.target("manual"))


async def examined(
    applications: ServerApplications, kube: KubeClient, target: Target, postgres: PostgresSettings
) -> dict[str, Result]:
    """Return what doctor finds of Argo CD and of the cluster; of the rest, no account is given."""

    async def cluster() -> KubeClient:
        return kube

    async def registry() -> RegistrySettings:
        raise SettingsError("REGISTRY_PASSWORD is not given")

    async def repository() -> GitSettings:
        raise SettingsError("GH_PAT is not given")

    async def database() -> PostgresSettings:
        return postgres

    doctor = Doctor(
        targets=[target],
        kube=cluster,
        applications=lambda _: applications,
        server=applications,
        registry=registry,
        repository=repository,
        postgres=database,
    )
    return {found.name: found for found in await examine(doctor.checks())}


async def test_doctor_asks_argo_cd_and_not_the_cluster_what_the_account_may(
    layout: Layout,
    world: World,
    server: ServerApplications,
    trust: ssl.SSLContext,
    postgres: PostgresSettings,
) -> None:
    target, name = world.target("manual"), f"{world.name}-some"
    with least(layout, target, postgres) as kubeconfig:
        async with await KubeClient.connect(SecretStr(kubeconfig)) as kube:
            missing = Right(
                namespace="argocd", group="argoproj.io", resource="applications", verb="get", use="sync"
            )
            assert await denied(kube, [missing]) == [missing]
            found = await examined(server, kube, target, postgres)
            for check in ("argocd server", "argocd rights: api", "rights: api", "sync windows: api"):
                assert found[check].status is CheckStatus.OK, found[check]
            assert f"at {HOST}, as {world.name}" in found["argocd server"].found

            policy = spelled(world, "get", "sync", name=name)
            with account(layout, name, policy, trust) as given:
                said = (await examined(over_server(layout, given), kube, target, postgres))[
                    "argocd rights: api"
                ]
            assert (said.status, said.found.partition(": ")[2]) == (
                CheckStatus.WARNING,
                "update (undo and resume)",
            )
            with account(layout, name, spelled(world, "get", name=name), trust) as given:
                said = (await examined(over_server(layout, given), kube, target, postgres))[
                    "argocd rights: api"
                ]
            assert said.status is CheckStatus.FAILED
            assert "sync (sync, and the end of a foreign sync)" in said.found

            refused = over_server(layout, argocd_token.token(layout, "nobody"))
            found = await examined(refused, kube, target, postgres)
            assert found["argocd server"].status is CheckStatus.FAILED
            assert "does not accept ARGOCD_AUTH_TOKEN" in found["argocd server"].found
            assert found["argocd rights: api"].status is CheckStatus.SKIPPED


def test_slipway_host_takes_the_token_from_the_environment_alone(
    layout: Layout, world: World, token: str, postgres: PostgresSettings, tmp_path: Path
) -> None:
    target = world.target("manual")
    argo = {"server": lab_argocd.URL, "ca": layout.ca.read_text()}
    more: Json = {"argocd": argo, "namespace": world.name, "gitops": {"repository": world.git.url}}
    here = host_side(layout, tmp_path, world.name, {"app": target.app}, **more)
    commit = world.publish()
    with least(layout, target, postgres) as kubeconfig:
        file = tmp_path / "kubeconfig"
        file.touch(mode=0o600)
        file.write_text(kubeconfig)
        git = {"GIT_USERNAME": credentials.GIT_WRITER, "GH_PAT": credentials.read(layout, "git-writer")}
        accounts = {**git, "KUBECONFIG": str(file)}
        without = here.run("sync", **accounts)
        assert without.returncode == 1
        assert "ARGOCD_AUTH_TOKEN is not given" in without.stderr
        done = here.run("sync", **accounts, ARGOCD_AUTH_TOKEN=token)
        assert done.returncode == 0, done.stderr
        assert f"Succeeded: Synced at {commit[:8]}" in done.stdout
        shown = here.run("status", **accounts, ARGOCD_AUTH_TOKEN=token)
        assert f"Argo CD     {target.app} Synced at {commit[:8]}" in shown.stdout, shown.stderr
        printed_by_rbac = here.run("rbac", **accounts)
    assert "argoproj.io" not in printed_by_rbac.stdout
    assert f"#   p, role:slipway, applications, sync, */{target.app}, allow" in printed_by_rbac.stdout
    assert token not in without.stderr + done.stdout + done.stderr + shown.stdout + shown.stderr
