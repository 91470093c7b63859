"""Accounts of Argo CD's own API, and of the cluster, with exactly the rights that `rbac` prints."""

from __future__ import annotations

import json
import ssl
import time
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any

import anyio.lowlevel
import httpx
from pydantic import SecretStr

from slipway_host import rbac_manifests, rights
from slipway_host.applications_server import ServerApplications
from slipway_lab import argocd, argocd_token
from slipway_lab.kubernetes import apply, kubectl

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Sequence

    from slipway_host.settings import PostgresSettings, Target
    from slipway_lab.layout import Layout

Json = dict[str, Any]
KNOWN_S = 20


@asynccontextmanager
async def over_server(
    layout: Layout, token: str, *, url: str = argocd.URL, ca: str = ""
) -> AsyncIterator[ServerApplications]:
    """Give Argo CD's Applications by its own API, as whoever has the token."""

    async def given() -> SecretStr:
        await anyio.lowlevel.checkpoint()
        return SecretStr(token)

    found = ServerApplications(url, ca or layout.ca.read_text(), given)
    try:
        yield found
    finally:
        await found.close()


def printed(targets: Sequence[Target], *, role: str, account: str) -> str:
    """Return the policy that `rbac` prints for services, under a role of the test's own."""
    lines = [line[4:] for line in rbac_manifests.policy(targets).splitlines() if line.startswith("#   ")]
    assert lines
    return "\n".join(lines).replace("role:slipway", f"role:{role}").replace("<account>", account) + "\n"


def spelled(apps: str, *actions: str, name: str) -> str:
    """Return a policy with some of the rights on the Applications that a pattern means."""
    lines = [f"p, role:{name}, applications, {one}, */{apps}, allow" for one in actions]
    return "\n".join([*lines, f"g, {name}, role:{name}", ""])


@contextmanager
def account(layout: Layout, name: str, policy: str) -> Iterator[str]:
    """Give the token of an account of Argo CD's that has this policy and nothing else."""
    registered = argocd_token.registration(name)
    policies = f"policy.{name}.csv"
    # The policy first: who is known by then has it.
    _patch(layout, "configmap", "argocd-rbac-cm", {"data": {policies: policy}})
    _patch(layout, "configmap", "argocd-cm", {"data": {f"accounts.{name}": "apiKey"}})
    _patch(layout, "secret", "argocd-secret", {"stringData": registered})
    token = argocd_token.token(layout, name)
    try:
        _wait_known(layout, token)
        yield token
    finally:
        _patch(layout, "configmap", "argocd-cm", {"data": {f"accounts.{name}": None}})
        _patch(layout, "configmap", "argocd-rbac-cm", {"data": {policies: None}})
        _patch(layout, "secret", "argocd-secret", {"data": dict.fromkeys(registered)})


def _patch(layout: Layout, kind: str, name: str, body: Json) -> None:
    kubectl(layout, "-n", "argocd", "patch", kind, name, "--type=merge", "--patch", json.dumps(body))


def _wait_known(layout: Layout, token: str) -> None:
    """Return once the server has seen the account; its own informers tell it."""
    until = time.monotonic() + KNOWN_S
    trust = ssl.create_default_context(cafile=str(layout.ca))
    with httpx.Client(base_url=argocd.URL, verify=trust) as client:
        while True:
            said = client.get("/api/v1/account", headers={"Authorization": f"Bearer {token}"})
            if said.is_success or time.monotonic() > until:
                break
            time.sleep(0.2)
    said.raise_for_status()


@contextmanager
def least(layout: Layout, target: Target, postgres: PostgresSettings) -> Iterator[str]:
    """Give the kubeconfig of the ServiceAccount that `rbac` prints for a service."""
    name, place = f"{target.app}-least", target.namespace
    asked = rights.rights(target, postgres)
    apply(layout, *rbac_manifests.manifests(asked, account=name, namespace=place, namespaces=[place]))
    token = kubectl(layout, "-n", place, "create", "token", name).strip()
    config = json.loads(kubectl(layout, "config", "view", "--raw", "-o", "json"))
    config["users"] = [{"name": one["name"], "user": {"token": token}} for one in config["users"]]
    try:
        yield json.dumps(config)
    finally:
        gone = ("--ignore-not-found", name)
        kubectl(layout, "delete", "clusterrole,clusterrolebinding", *gone)
        for namespace in sorted({right.namespace for right in asked if right.namespace}):
            kubectl(layout, "-n", namespace, "delete", "role,rolebinding", *gone)
