"""R22 on the lab: what is there is found to be well, and what is not is named by itself."""

import json
import re
import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from slipway_host.applications import KubernetesApplications
from slipway_host.checks import CheckStatus, Result, examine
from slipway_host.doctor import World
from slipway_host.kube import KubeClient
from slipway_host.rbac_manifests import manifests
from slipway_host.registry import RegistryClient
from slipway_host.rights import rights
from slipway_host.settings import (
    DatabaseSettings,
    GitSettings,
    PostgresSettings,
    RegistrySettings,
    Target,
)
from slipway_lab import credentials, gitserver
from slipway_lab.kubernetes import apply, kubeconfig_path, kubectl
from slipway_lab.layout import REGISTRY, Layout
from support import argocd_objects
from support.target import api_target

Json = dict[str, Any]


@pytest.fixture
def target(layout: Layout, run_id: str) -> Iterator[Target]:
    yield api_target(
        app=run_id,
        environment="dev",
        commit="0" * 40,
        repository=f"{REGISTRY}/mosuon/{run_id}",
        namespace=run_id,
        database=DatabaseSettings(name=run_id.replace("-", "_"), role=run_id.replace("-", "_")),
    )
    # The registry leaves an empty folder where an upload was given up.
    shutil.rmtree(repository(layout, run_id), ignore_errors=True)


def repository(layout: Layout, name: str) -> Path:
    """Return where the registry keeps one of the account's repositories."""
    return layout.state / f"registry/docker/registry/v2/repositories/mosuon/{name}"


@pytest.fixture
def application(layout: Layout, target: Target, gitops: GitSettings) -> Iterator[None]:
    """An Application of this test's own, which Argo CD leaves alone: it may not read the repository."""
    skip = {"argocd.argoproj.io/skip-reconcile": "true"}
    apply(
        layout,
        argocd_objects.application(
            target.app,
            gitops.url,
            "apps/api",
            namespace=target.namespace,
            automated=False,
            annotations=skip,
        ),
    )
    yield
    kubectl(layout, "-n", "argocd", "delete", "application", target.app, "--wait=false")


@asynccontextmanager
async def connected(text: str) -> AsyncIterator[KubeClient]:
    async with await KubeClient.connect(SecretStr(text)) as client:
        yield client


class Places:
    """The world as settings, each to be changed by a test."""

    def __init__(
        self,
        kube: KubeClient,
        target: Target,
        registry: RegistrySettings,
        gitops: GitSettings,
        postgres: PostgresSettings,
    ) -> None:
        self.kube, self.target = kube, target
        self.registry, self.gitops, self.postgres = registry, gitops, postgres

    async def look(self) -> dict[str, Result]:
        async def kube() -> KubeClient:
            return self.kube

        async def registry() -> RegistrySettings:
            return self.registry

        async def repository() -> GitSettings:
            return self.gitops

        async def postgres() -> PostgresSettings:
            return self.postgres

        world = World(
            targets=[self.target],
            kube=kube,
            applications=KubernetesApplications,
            registry=registry,
            repository=repository,
            postgres=postgres,
        )
        return {result.name: result for result in await examine(world.checks())}


@pytest.fixture
def places(
    kube: KubeClient,
    target: Target,
    registry: RegistrySettings,
    gitops: GitSettings,
    postgres: PostgresSettings,
) -> Places:
    return Places(kube, target, registry, gitops, postgres)


def stored(layout: Layout, name: str) -> set[str]:
    """Return what the registry keeps of a repository: tags, layers, uploads to go on with."""
    return {path.name for path in repository(layout, name).rglob("*")} & {
        "_manifests",
        "_layers",
        "data",
        "startedat",
    }


def failed(found: dict[str, Result]) -> set[str]:
    return {name for name, result in found.items() if result.status is CheckStatus.FAILED}


@pytest.mark.usefixtures("application")
async def test_a_world_that_is_well_fails_no_check_and_is_left_as_it_was(
    layout: Layout, places: Places
) -> None:
    bare = gitserver.repository(layout, re.sub(r".*?/(mosuon/.*)\.git", r"\1", places.gitops.url))
    before = (Path(bare) / "refs/heads/main").read_text()
    places.gitops = replace(places.gitops, receipts="slipway-receipts")

    found = await places.look()

    # fault 84: as if there were no controller.
    assert failed(found) == {"argocd controller"}
    assert found["argocd controller"].found.startswith("nothing was ever compared")
    assert found["registry push: api"].status is CheckStatus.OK
    assert found["receipts"].found == "the account may push to slipway-receipts, which keeps receipts"
    assert found["rights: api"].found.startswith("all ")
    assert re.match(r"PostgreSQL 1\d\.\d+ .*as postgres", found["postgresql"].found)
    assert "is not complete yet" in found["database: api"].found
    assert "no automated sync" in found["argocd: api"].found
    assert (Path(bare) / "refs/heads/main").read_text() == before
    assert not (Path(bare) / "refs/heads/slipway-receipts").exists()
    assert stored(layout, places.target.app) == set()
    assert await places.kube.find(f"/api/v1/namespaces/{places.target.namespace}") is None


@pytest.mark.usefixtures("application")
async def test_three_wrong_passwords_are_named_in_one_look(places: Places) -> None:
    places.registry = replace(places.registry, password=SecretStr("canary-registry"))
    places.gitops = replace(places.gitops, token=SecretStr("canary-git-token"))
    places.postgres = replace(places.postgres, admin_password=SecretStr("canary-postgres"))

    found = await places.look()

    assert failed(found) == {
        "registry pull: api",
        "registry push: api",
        "git",
        "postgresql",
        "argocd controller",
    }
    assert found["argocd: api"].found == "not looked at, because of git"
    assert places.registry.username in found["registry push: api"].found
    assert found["values: api"].found == "not looked at, because of git"
    assert found["database: api"].found == "not looked at, because of postgresql"
    assert found["rights: api"].status is CheckStatus.OK
    assert "canary" not in str(found)


async def test_missing_application_and_values_file_are_named(places: Places) -> None:
    places.target = replace(places.target, values="apps/nobody/values.yaml")
    found = await places.look()
    assert failed(found) == {"argocd: api", "sync windows: api", "values: api"}
    assert places.target.app in found["argocd: api"].found
    assert "apps/nobody/values.yaml does not exist" in found["values: api"].found


async def test_account_that_may_only_read_the_repository_cannot_push(layout: Layout, places: Places) -> None:
    reader = SecretStr(credentials.read(layout, "git-reader"))
    places.gitops = replace(places.gitops, username=credentials.GIT_READER, token=reader)
    found = await places.look()
    assert found["git"].status is CheckStatus.OK
    assert found["git push"].status is CheckStatus.FAILED
    assert credentials.GIT_READER in found["git push"].found
    assert found["receipts"].found == "gitops.receipts.store is false: none is kept"
    places.gitops = replace(places.gitops, receipts="slipway-receipts")
    kept = (await places.look())["receipts"]
    assert (kept.status, kept.fix) == (
        CheckStatus.WARNING,
        f"let {credentials.GIT_READER} push to slipway-receipts, or write gitops.receipts.store: false",
    )
    assert kept.found.startswith("the receipt of a run would not be kept: ")
    assert f"denies git push to the account {credentials.GIT_READER}" in kept.found


async def test_upload_is_begun_and_given_up(
    layout: Layout, registry: RegistrySettings, target: Target
) -> None:
    async with RegistryClient(registry) as client:
        await client.try_push(f"mosuon/{target.app}")
        assert await client.find(f"mosuon/{target.app}", "latest") is None
    assert repository(layout, target.app).exists()
    assert stored(layout, target.app) == set()


@pytest.mark.usefixtures("application", "namespace")
async def test_exactly_the_right_that_is_missing_is_named(layout: Layout, places: Places) -> None:
    target, name = places.target, places.target.namespace
    body = manifests(
        rights(target, places.postgres), account=name, namespace=name, namespaces=[target.namespace]
    )
    kubectl(layout, "apply", "-f", "-", stdin="\n---\n".join(map(json.dumps, body)))
    try:
        token = kubectl(layout, "-n", name, "create", "token", name).strip()
        document = json.loads(kubeconfig_path(layout, "deployer").read_text())
        document["users"][0]["user"] = {"token": token}
        async with connected(json.dumps(document)) as client:
            places.kube = client
            found = await places.look()
            assert re.fullmatch(r"all \d+ rights are granted", found["rights: api"].found)
            assert failed(found) == {"argocd controller"}

            role = json.loads(kubectl(layout, "-n", "infra", "get", "role", name, "-o", "json"))
            for rule in role["rules"]:
                if rule["resources"] == ["pods/exec"]:
                    rule["verbs"].remove("create")
            kubectl(layout, "apply", "-f", "-", stdin=json.dumps(role))
            found = await places.look()
        said = found["rights: api"]
        assert said.status is CheckStatus.FAILED
        assert "1 of " in said.found
        assert said.found.endswith("are missing: create pods/exec in namespace infra (database)")
        assert said.fix.startswith("dagger call rbac")
    finally:
        for namespace in ("argocd", "infra"):
            kubectl(layout, "-n", namespace, "delete", "role,rolebinding", name, "--ignore-not-found")
        kubectl(layout, "delete", "clusterrole,clusterrolebinding", name, "--ignore-not-found")
