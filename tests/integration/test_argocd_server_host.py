"""Argo CD by its own API alone: `slipway-host` without any right on Applications in the cluster."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from pydantic import SecretStr

from slipway_host import targets
from slipway_host.checks import CheckStatus, Result, examine
from slipway_host.doctor import World as Doctor
from slipway_host.errors import SettingsError
from slipway_host.kube import KubeClient
from slipway_host.loader import load_config
from slipway_host.rights import Right, denied
from slipway_lab import argocd, argocd_token
from slipway_lab.kubernetes import kubectl
from slipway_lab.layout import HOST
from support import machine as machines
from support.argocd_account import account, least, over_server, printed, spelled
from support.worlds import World, Worlds

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from slipway_host.applications_server import ServerApplications
    from slipway_host.pods import Json
    from slipway_host.settings import GitSettings, PostgresSettings, RegistrySettings, Target
    from slipway_lab.layout import Layout
    from support.machine import Machine

# Nothing syncs by itself: whatever runs, the account has asked Argo CD's server for.
BY_HAND = World(link="", says="", fix="", application=lambda app: app["spec"]["syncPolicy"].pop("automated"))
WORLDS = {"well": BY_HAND}


@pytest.fixture
def anywhere(worlds: Worlds, tmp_path: Path) -> Machine:
    """The machine without any account at Argo CD, and as the cluster's usual account."""
    service: Json = {"secrets": {"generate": {"JWT_SECRET": {}}}}
    found = machines.machine(
        worlds,
        "well",
        tmp_path,
        service,
        argocd={"server": argocd.URL, "ca": worlds.layout.ca.read_text()},
    )
    found.push()
    return found


@pytest.fixture
def target(anywhere: Machine) -> Target:
    config = load_config(json.dumps(anywhere.here.config), path="slipway.yaml")
    return targets.target_of(config, anywhere.service, environment="dev", commit=anywhere.here.commit)


@pytest.fixture
def token(layout: Layout, target: Target) -> Iterator[str]:
    """The token of an account with the policy that `rbac` prints for the service."""
    with account(layout, target.app, printed([target], role=target.app, account=target.app)) as found:
        yield found


@pytest.fixture
def kubeconfig(layout: Layout, target: Target, postgres: PostgresSettings) -> Iterator[str]:
    """That of an account of the cluster with the rights that `rbac` prints for the service."""
    with least(layout, target, postgres) as found:
        yield found


@pytest.fixture
def machine(anywhere: Machine, token: str, kubeconfig: str, tmp_path: Path) -> Machine:
    """The machine with both accounts."""
    file = tmp_path / "kubeconfig"
    file.touch(mode=0o600)
    file.write_text(kubeconfig)
    return replace(anywhere, given={"KUBECONFIG": str(file), "ARGOCD_AUTH_TOKEN": token})


@pytest.fixture
async def weak(kubeconfig: str) -> AsyncIterator[KubeClient]:
    """The cluster, as that account."""
    async with await KubeClient.connect(SecretStr(kubeconfig)) as client:
        yield client


def operation(layout: Layout, target: Target) -> Json:
    """Return the last operation on the Application that Argo CD's controller has taken up."""
    words = ("-n", argocd.NAMESPACE, "get", "application", target.app, "-o", "json")
    found: Json = json.loads(kubectl(layout, *words))["status"]["operationState"]["operation"]
    return found


async def test_a_whole_deploy_goes_through_argo_cds_server_alone_and_a_second_one_has_nothing_to_do(
    layout: Layout, machine: Machine, target: Target, weak: KubeClient
) -> None:
    verbs = ("get", "list", "watch", "patch", "update")
    where = {"namespace": argocd.NAMESPACE, "group": "argoproj.io", "resource": "applications"}
    asked = [Right(verb=verb, use="sync", **where) for verb in verbs]
    assert await denied(weak, asked) == asked

    before = machine.head()
    receipt = machine.json("deploy", "--receipt-only")

    (service,) = receipt["services"]
    head = machine.head()
    assert (service["status"], receipt["gitopsCommit"]) == ("Deployed", head)
    assert head != before
    acted = {stage["stage"]: stage["status"] for stage in service["stages"]}
    expected = ("preflight", "secrets", "gitops", "sync", "rollout", "health", "proof")
    assert {name: acted[name] for name in expected} == dict.fromkeys(expected, "Succeeded")
    assert service["argocdRevision"] == head
    assert {pod["image_id"].partition("@")[2] for pod in service["pods"]} == {service["digest"]}
    assert machine.image().endswith(f":{machine.here.commit[:8]}")
    synced = operation(layout, target)
    assert synced["initiatedBy"]["username"] == target.app
    assert synced["sync"]["revision"] == head

    again = machine.run("deploy").stdout

    assert f"Nothing to do: {machine.app} {machine.here.commit[:8]} runs already" in again
    assert machine.head() == head
    assert operation(layout, target) == synced
    assert f"Argo CD     {target.app} Synced at {head[:8]}" in machine.run("status").stdout


def test_without_its_token_nothing_is_changed_and_rbac_asks_for_no_right_on_applications(
    machine: Machine, target: Target
) -> None:
    account_alone = {"KUBECONFIG": machine.given["KUBECONFIG"]}
    before = machine.head()
    refused = replace(machine, given=account_alone).run("deploy", code=1)
    assert "ARGOCD_AUTH_TOKEN is not given" in refused.stderr
    assert machine.head() == before
    asked = machine.run("rbac").stdout
    assert "argoproj.io" not in asked
    assert f"#   p, role:slipway, applications, sync, */{target.app}, allow" in asked


async def test_doctor_asks_argo_cd_and_not_the_cluster_what_the_account_may(
    layout: Layout, target: Target, token: str, weak: KubeClient, postgres: PostgresSettings
) -> None:
    service, name = target.service, f"{target.app}-some"

    async def seen(token: str) -> dict[str, Result]:
        async with over_server(layout, token) as applications:
            return await examined(applications, weak, target, postgres)

    found = await seen(token)
    named = (f"{one}: {service}" for one in ("argocd rights", "rights", "sync windows"))
    for check in ("argocd server", *named):
        assert found[check].status is CheckStatus.OK, found[check]
    assert f"at {HOST}, as {target.app}" in found["argocd server"].found

    rights = f"argocd rights: {service}"
    with account(layout, name, spelled(target.app, "get", "sync", name=name)) as given:
        said = (await seen(given))[rights]
    assert (said.status, said.found.partition(": ")[2]) == (CheckStatus.WARNING, "update (undo and resume)")
    with account(layout, name, spelled(target.app, "get", name=name)) as given:
        said = (await seen(given))[rights]
    assert said.status is CheckStatus.FAILED
    assert "sync (sync, and the end of a foreign sync)" in said.found

    found = await seen(argocd_token.token(layout, "nobody"))
    assert found["argocd server"].status is CheckStatus.FAILED
    assert "does not accept ARGOCD_AUTH_TOKEN" in found["argocd server"].found
    assert found[rights].status is CheckStatus.SKIPPED


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
