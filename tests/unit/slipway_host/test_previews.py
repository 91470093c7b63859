"""What stages say that they would do: the same decisions as when they act, and no write."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import anyio.lowlevel
import pytest
from pydantic import SecretStr

from slipway_host import database, migration, namespaces, pull_secret, secrets, sync_preview
from slipway_host.application import Application
from slipway_host.applications import KubernetesApplications
from slipway_host.errors import AccessDeniedError, ConflictError, MovedError, SettingsError, TerminalError
from slipway_host.progress import silent
from slipway_host.secrets import ensure_app_secret
from slipway_host.settings import DatabaseSettings, MigrationSettings, RegistrySettings, SecretsSettings
from support.app_secret import CANARY, PATH, POSTGRES, TARGET, URL, put
from support.database_server import BEGUN, DATABASE, PASSWORD, ROLE, Server
from support.kube import FakeKube
from support.target import api_target

if TYPE_CHECKING:
    from slipway_host.kube import KubeClient
    from slipway_host.plan import SyncPlan
    from slipway_host.secrets import Decision
    from slipway_host.settings import Target

API = DatabaseSettings(name="api", role="api", extensions=("pg_trgm",))
REGISTRY = RegistrySettings(host="registry.test", username="ci", password=SecretStr("canary"))
HEAD = "a" * 40


@pytest.fixture
def kube() -> FakeKube:
    return FakeKube()


def client(kube: FakeKube) -> KubeClient:
    return cast("KubeClient", kube)


async def decide(kube: FakeKube, target: Target = TARGET, *, role: bool = False) -> Decision:
    async def role_exists() -> bool:
        await anyio.lowlevel.checkpoint()
        return role

    async def accepts(password: SecretStr) -> bool:
        await anyio.lowlevel.checkpoint()
        return password.get_secret_value() == CANARY

    return await secrets.preview(client(kube), target, POSTGRES, role_exists=role_exists, accepts=accepts)


async def test_a_secret_that_is_yet_to_be_made_is_told_by_its_keys(kube: FakeKube) -> None:
    found = await decide(kube)
    assert (found.creates, found.missing, found.origin) == (True, ("DATABASE_URL", "JWT_SECRET"), "new")
    assert kube.writes == []


async def test_only_keys_that_are_missing_are_told_and_no_value_is_in_the_words(kube: FakeKube) -> None:
    put(kube, {"DATABASE_URL": URL, "OTHER": CANARY})
    found = await decide(kube)
    assert (found.creates, found.has, found.missing) == (False, ("DATABASE_URL",), ("JWT_SECRET",))
    assert found.origin == "DATABASE_URL"
    assert CANARY not in repr(found)
    assert kube.writes == []


async def test_whose_password_is_taken_over_is_told(kube: FakeKube) -> None:
    put(kube, {"DB_PASSWORD": CANARY, "JWT_SECRET": "j" * 32})
    assert (await decide(kube, role=True)).origin == "DB_PASSWORD"


async def test_what_would_stop_the_secret_stops_its_preview(kube: FakeKube) -> None:
    put(kube, {"JWT_SECRET": "-"})
    with pytest.raises(ConflictError, match="a mere `-`"):
        await decide(kube)
    with pytest.raises(SettingsError, match="lacks REDIS_URL"):
        await decide(FakeKube(), replace(TARGET, secrets=SecretsSettings(name="s", asked=("REDIS_URL",))))


async def test_a_key_that_is_not_allowed_is_not_added(kube: FakeKube) -> None:
    async def nobody() -> bool:
        await anyio.lowlevel.checkpoint()
        return False

    with pytest.raises(MovedError, match="lacks DATABASE_URL: not in the plan"):
        await ensure_app_secret(client(kube), TARGET, POSTGRES, role_exists=nobody, allowed=("JWT_SECRET",))
    assert kube.writes == []
    assert PATH not in kube.objects


async def test_a_pull_secret_is_created_changed_or_kept(kube: FakeKube) -> None:
    async def asked(registry: RegistrySettings = REGISTRY) -> str:
        return await pull_secret.preview(client(kube), "mosuon", "pull", registry)

    assert await asked() == "create"
    assert kube.writes == []
    with pytest.raises(MovedError, match="to create it is not in the plan"):
        await pull_secret.ensure_pull_secret(
            client(kube), "mosuon", "pull", REGISTRY, allowed=frozenset({pull_secret.CHANGE})
        )
    await pull_secret.ensure_pull_secret(client(kube), "mosuon", "pull", REGISTRY)
    assert await asked() == "keep"
    other = replace(REGISTRY, username="other")
    assert await asked(other) == "change"
    with pytest.raises(MovedError, match="to change it"):
        await pull_secret.ensure_pull_secret(
            client(kube), "mosuon", "pull", other, allowed=frozenset({pull_secret.CREATE})
        )
    assert len(kube.writes) == 1


async def test_a_namespace_that_is_gone_is_made_only_where_that_is_allowed(kube: FakeKube) -> None:
    assert await namespaces.absent(client(kube), "api")
    with pytest.raises(MovedError, match="namespace api is gone"):
        await namespaces.ensure_namespace(client(kube), "api", labels={}, allowed=False)
    assert kube.writes == []
    await namespaces.ensure_namespace(client(kube), "api", labels={})
    assert not await namespaces.absent(client(kube), "api")


@pytest.mark.parametrize(
    ("server", "expected"),
    [
        (Server(), {"postgres": ("CREATE ROLE api",), "api": ("CREATE EXTENSION pg_trgm",)}),
        (Server(ROLE, BEGUN), {"postgres": ("CREATE ROLE api",), "api": ("CREATE EXTENSION pg_trgm",)}),
        (Server(ROLE, DATABASE), {}),
    ],
    ids=["nothing", "begun", "all"],
)
async def test_sql_is_told_by_database(server: Server, expected: dict[str, Any]) -> None:
    server.lacking, server.lacking_inside = ["CREATE ROLE api"], ["CREATE EXTENSION pg_trgm"]
    assert await database.preview(server, API, PASSWORD) == expected
    assert server.scripts == []


async def test_sql_in_a_service_s_own_database_is_read_there() -> None:
    server = Server(ROLE, DATABASE)
    server.pending = 2
    assert await database.preview(server, API, PASSWORD) == {"api": ("GRANT 0", "GRANT 1")}


async def test_another_password_stops_the_preview_too() -> None:
    with pytest.raises(ConflictError, match="another password"):
        await database.preview(Server(ROLE, DATABASE), API, SecretStr("other"))


@pytest.mark.parametrize(
    ("status", "state", "runs"),
    [
        (None, "absent", True),
        ({"conditions": [{"type": "Complete", "status": "True"}]}, "done", False),
        ({"conditions": [{"type": "Failed", "status": "True"}]}, "failed", True),
        ({}, "running", False),
    ],
)
async def test_a_migration_runs_unless_its_job_has(
    kube: FakeKube, status: dict[str, Any] | None, state: str, *, runs: bool
) -> None:
    settings = MigrationSettings(command=("./migrate",))
    unknown = await migration.preview(client(kube), api_target(), settings, digest="")
    assert (unknown.job, unknown.runs) == ("", True)
    name = (await migration.preview(client(kube), api_target(), settings, digest="sha256:1")).job
    if status is not None:
        kube.put(f"/apis/batch/v1/namespaces/mosuon/jobs/{name}", {"metadata": {}, "status": status})
    found = await migration.preview(client(kube), api_target(), settings, digest="sha256:1")
    assert (found.job, found.state, found.runs) == (name, state, runs)
    assert kube.writes == []


def application(**more: Any) -> Application:
    body: dict[str, Any] = {
        "metadata": {"name": "api", "namespace": "argocd", "resourceVersion": "7"},
        "spec": {
            "source": {
                "repoURL": "https://amy:canary@git.test/acme/gitops.git",
                "targetRevision": "main",
                "path": "charts/app",
                "helm": {"valueFiles": ["../v.yaml"], "parameters": [{"name": "key", "value": "canary"}]},
            },
            "destination": {"server": "https://k", "namespace": "mosuon"},
            "syncPolicy": {"automated": {"prune": True, "selfHeal": True}},
        },
        "status": {"sync": {"status": "Synced", "revision": HEAD}, "health": {"status": "Healthy"}},
    }
    body["spec"] |= more.pop("spec", {})
    body["status"] |= more.pop("status", {})
    return Application({**body, **more})


class Cluster(FakeKube):
    """A cluster with one Deployment, whose pods nobody asks about."""

    def __init__(self) -> None:
        super().__init__()
        container = {"image": "registry.test:5000/acme/api:old"}
        self.put(
            "/apis/apps/v1/namespaces/mosuon/deployments/api",
            {
                "metadata": {"uid": "u"},
                "spec": {
                    "replicas": 3,
                    "selector": {"matchLabels": {"app": "api"}},
                    "strategy": {
                        "type": "RollingUpdate",
                        "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0},
                    },
                    "template": {"spec": {"containers": [container]}},
                },
            },
        )

    async def list(self, path: str, *, selector: str) -> list[dict[str, Any]]:
        await anyio.lowlevel.checkpoint()
        assert selector == "app=api"
        assert path
        return []


async def synced(
    app: Application, kube: FakeKube | None = None, *, commits: bool = True
) -> tuple[SyncPlan, dict[str, str]]:
    async def contains(revision: str) -> bool:
        await anyio.lowlevel.checkpoint()
        return revision == HEAD

    cluster = client(kube or Cluster())
    return await sync_preview.preview(
        cluster,
        KubernetesApplications(cluster),
        api_target(),
        app,
        head=HEAD,
        commits=commits,
        contains=contains,
        report=silent,
    )


async def test_a_sync_is_told_with_the_pods_that_it_replaces() -> None:
    plan, facts = await synced(application())
    assert plan.acts
    assert (plan.image, plan.pods) == ("old", 3)
    assert plan.strategy == "RollingUpdate maxSurge 1 maxUnavailable 0"
    assert plan.policy == "automated sync, prune, self-heal"
    assert plan.windows == ()
    assert "canary" not in str(facts)
    assert facts["Deployment/api"] == "old, RollingUpdate maxSurge 1 maxUnavailable 0"
    assert "https://git.test/acme/gitops.git@main:charts/app ../v.yaml parameter key" in str(facts)


async def test_what_differs_and_what_is_pruned_is_told() -> None:
    resources = [
        {"kind": "Service", "name": "old", "status": "OutOfSync", "requiresPruning": True},
        {"kind": "Deployment", "name": "api", "status": "OutOfSync"},
        {"kind": "Service", "name": "api", "status": "Synced"},
    ]
    app = application(status={"sync": {"status": "OutOfSync", "revision": HEAD}, "resources": resources})
    plan, facts = await synced(app, commits=False)
    assert (plan.drift, plan.pruned, plan.prune, plan.acts) == (
        ("Deployment/api",),
        ("Service/old",),
        True,
        True,
    )
    assert facts["out of sync in api"] == "Deployment/api, Service/old (to be pruned)"


async def test_nothing_to_apply_is_nothing_even_where_argo_cd_compares_once_more() -> None:
    plan, _ = await synced(application(), commits=False)
    assert not plan.acts
    older = application(status={"sync": {"status": "Synced", "revision": "b" * 40}})
    plan, facts = await synced(older, commits=False)
    assert not plan.acts
    assert plan.line.endswith(f"asked to compare with {HEAD[:8]}")
    assert facts == (await synced(application(), commits=False))[1]


async def test_somebody_elses_sync_is_told_and_no_fact() -> None:
    running = application(operation={"initiatedBy": {"username": "mallory"}})
    plan, facts = await synced(running)
    assert plan.line == "waiting for the sync of mallory"
    assert facts == (await synced(application()))[1]


async def test_a_sync_window_that_holds_one_back_stops_the_plan() -> None:
    state = {"phase": "Running", "message": "Cannot sync: blocked by sync window"}
    held = application(operation={"sync": {}}, status={"operationState": state})
    with pytest.raises(TerminalError, match="a sync window of the project denies"):
        await synced(held)


async def test_windows_are_told_where_the_account_may_see_them() -> None:
    project = "/apis/argoproj.io/v1alpha1/namespaces/argocd/appprojects/default"
    window = {"kind": "deny", "schedule": "0 22 * * *", "duration": "8h", "applications": ["*"]}
    kube = Cluster()
    kube.put(project, {"spec": {"syncWindows": [window]}})
    plan, facts = await synced(application(), kube)
    assert plan.windows == ("deny 0 22 * * * (UTC) for 8h",)
    assert "deny 0 22" in facts["sync windows of api"]
    blind = Cluster()
    blind.before["find"] = [lambda: None, AccessDeniedError("no")]
    assert (await synced(application(), blind))[0].windows is None
