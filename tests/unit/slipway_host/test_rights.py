"""The list of rights: what is in it, and that what is asked is what is granted."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import anyio.lowlevel
import pytest
from pydantic import SecretStr
from ruamel.yaml import YAML

from slipway_host.rbac_manifests import account_of, as_yaml, manifests, policy
from slipway_host.rights import Right, denied, for_plan, for_previews, rights, sync_windows
from slipway_host.settings import (
    DatabaseSettings,
    MigrationSettings,
    PostgresSettings,
    SmokeSettings,
)
from support.load import settings
from support.target import api_target

if TYPE_CHECKING:
    from slipway_host.kube import KubeClient

Json = dict[str, Any]
TARGET = api_target(commit="0" * 40, database=DatabaseSettings(name="api", role="api"))
POSTGRES = PostgresSettings(
    namespace="infra",
    selector="app=postgres",
    container="postgresql",
    host="db",
    port=5432,
    admin_user="postgres",
    secret="postgresql",
)


def words(found: list[Right]) -> list[str]:
    return [str(right) for right in found]


def test_no_right_is_a_wildcard_and_no_secret_can_be_listed() -> None:
    found = rights(TARGET, POSTGRES)
    assert not any("*" in f"{right}" for right in found)
    assert not any(right.resource == "secrets" and right.verb in {"list", "watch"} for right in found)
    assert all(right.name for right in found if right.resource == "secrets" and right.verb != "create")


def test_service_without_a_database_needs_nothing_where_the_database_is() -> None:
    found = rights(replace(TARGET, database=None), POSTGRES)
    assert not any(right.namespace == "infra" for right in found)
    assert "create pods/exec in namespace infra" in words(rights(TARGET, POSTGRES))  # fault 49


@pytest.mark.parametrize(
    "more",
    [
        {"migration": MigrationSettings(command=("/app/migrate",))},
        {"smoke": SmokeSettings(command=("/app/smoke",))},
        {"load": settings()},
        {"migration": MigrationSettings(command=("m",)), "smoke": SmokeSettings(command=("s",))},
    ],
)
def test_what_runs_as_a_job_needs_jobs_where_the_service_is_and_only_then(more: dict[str, Any]) -> None:
    verbs = ("get", "list", "watch", "create", "delete")
    jobs = {f"{verb} jobs.batch in namespace mosuon" for verb in verbs}
    with_jobs = replace(TARGET, **more)
    assert set(words(rights(with_jobs, POSTGRES))) - set(words(rights(TARGET, POSTGRES))) == jobs


def test_rights_of_a_preview_hold_for_those_that_are_yet_to_be() -> None:
    target = replace(TARGET, app="api-pr-1", namespace="shop-pr-1", environment="pr-1")
    found = for_previews(target, rights(target, POSTGRES))
    assert not any("pr-1" in f"{right}" for right in found)
    said = words(found)
    assert "get secrets api-secrets" in said
    assert "patch applications.argoproj.io in namespace argocd" in said
    assert {"create namespaces", "delete namespaces", "get namespaces"} <= set(said)
    assert not any(right.resource == "secrets" and right.verb in {"list", "watch"} for right in found)


def test_reading_projects_is_no_right_that_a_deploy_needs() -> None:
    (optional,) = sync_windows(TARGET)
    assert str(optional) == "get appprojects.argoproj.io in namespace argocd"
    assert optional.resource not in {right.resource for right in rights(TARGET, POSTGRES)}


def test_with_argo_cds_own_api_nothing_is_needed_on_applications_and_its_policy_is_told() -> None:
    server = replace(TARGET, argocd_server="https://argocd.test", migration=None)
    found = [*rights(server, POSTGRES), *sync_windows(server), *for_plan(server, rights(server, POSTGRES))]
    assert not any(right.group == "argoproj.io" for right in found)
    assert policy([TARGET]) == ""
    text = policy([server, replace(server, app="ui")])
    assert all(line.startswith("#") for line in text.splitlines())
    lines = [line[4:] for line in text.splitlines() if line.startswith("#   ")]
    assert "p, role:slipway, applications, update, */ui, allow" in lines
    assert (len(lines), lines[-1]) == (7, "g, <account>, role:slipway")
    body = manifests(rights(server, POSTGRES), account="deployer", namespace="ci")
    assert list(YAML(typ="safe", pure=True).load_all(text + as_yaml(body))) == body
    planning = policy([server], for_plan=True)
    assert "applications, get, */api" in planning
    assert not [word for word in ("sync", "update") if f"applications, {word}" in planning]


def test_who_plans_may_change_nothing() -> None:  # R21
    migrating = replace(TARGET, migration=MigrationSettings(command=("/app/migrate",)))
    found = for_plan(migrating, rights(migrating, POSTGRES))
    # psql in the server's own pod is the one way to its catalogue there.
    writes = [right for right in found if right.verb not in {"get", "list"}]
    assert words(writes) == ["create pods/exec in namespace infra"]
    assert {str(right) for right in found if right.namespace == "mosuon"} == {
        "get secrets api-secrets in namespace mosuon",
        "get secrets registry-credentials in namespace mosuon",
        "get deployments.apps api in namespace mosuon",
        "list replicasets.apps in namespace mosuon",
        "list pods in namespace mosuon",
        "get jobs.batch in namespace mosuon",
    }
    outside = for_plan(migrating, rights(migrating, replace(POSTGRES, dsn=SecretStr("x"))))
    assert {right.verb for right in outside} == {"get", "list"}


async def test_what_the_server_denies_is_returned_and_nothing_else() -> None:
    class Server:
        def __init__(self) -> None:
            self.asked: list[Json] = []

        async def create(self, path: str, body: Json) -> Json:
            assert path == "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
            asked = body["spec"]["resourceAttributes"]
            self.asked.append(asked)
            await anyio.lowlevel.checkpoint()
            allowed = asked.get("subresource") != "exec"
            return {"status": {"allowed": allowed}}

    server = Server()
    found = await denied(cast("KubeClient", server), rights(TARGET, POSTGRES))
    assert words(found) == ["get pods/exec in namespace infra", "create pods/exec in namespace infra"]
    assert {
        "namespace": "mosuon",
        "verb": "get",
        "resource": "secrets",
        "name": "api-secrets",
    } in server.asked


def test_manifests_grant_what_is_asked_for() -> None:
    asked = rights(TARGET, POSTGRES)
    granted = {
        (
            role["metadata"].get("namespace", ""),
            rule["apiGroups"][0],
            rule["resources"][0],
            verb,
            rule.get("resourceNames", [""])[0],
        )
        for role in manifests(asked, account="deployer", namespace="ci")
        for rule in role.get("rules", [])
        for verb in rule["verbs"]
    }
    assert granted == {(one.namespace, one.group, one.resource, one.verb, one.name) for one in asked}


def test_service_outside_needs_nothing_where_no_namespace_has_to_be_made() -> None:
    assert "create namespaces" not in words(rights(TARGET, POSTGRES))
    assert "create namespaces" in words(rights(TARGET, POSTGRES, create_namespace=True))


def test_migration_needs_jobs_and_nobody_else_does() -> None:
    job = replace(TARGET, migration=MigrationSettings(command=("migrate",)))
    more = set(rights(job, POSTGRES)) - set(rights(TARGET, POSTGRES))
    assert {(right.resource, right.verb) for right in more} == {
        ("jobs", verb) for verb in ("get", "list", "watch", "create", "delete")
    }


def test_server_by_connection_string_needs_no_exec() -> None:
    outside = replace(POSTGRES, dsn=SecretStr("postgresql://db.test/"))
    assert not any(right.namespace == "infra" for right in rights(TARGET, outside))


def test_yaml_has_each_manifest_by_itself() -> None:
    body = manifests(rights(TARGET, POSTGRES), account="deployer", namespace="ci")
    text = as_yaml(body)
    assert "&id" not in text
    assert list(YAML(typ="safe", pure=True).load_all(text)) == body


def test_namespaces_come_before_what_is_in_them() -> None:
    body = manifests(rights(TARGET, POSTGRES), account="deployer", namespace="ci", namespaces=["mosuon"])
    assert [one["metadata"]["name"] for one in body if one["kind"] == "Namespace"] == ["ci", "mosuon"]
    assert [one["kind"] for one in body[:3]] == ["Namespace", "Namespace", "ServiceAccount"]


def test_every_role_is_bound_to_the_one_account() -> None:
    body = manifests(rights(TARGET, POSTGRES), account="deployer", namespace="ci")
    assert next(one for one in body if one["kind"] == "ServiceAccount")["metadata"]["namespace"] == "ci"
    roles = [one for one in body if one["kind"].endswith("Role")]
    bindings = [one for one in body if one["kind"].endswith("RoleBinding")]
    assert [role["metadata"].get("namespace", "") for role in roles] == ["", "argocd", "infra", "mosuon"]
    assert [b["roleRef"]["kind"] for b in bindings] == [role["kind"] for role in roles]
    assert all(
        b["subjects"] == [{"kind": "ServiceAccount", "name": "deployer", "namespace": "ci"}] for b in bindings
    )


def test_two_repositories_have_accounts_of_their_own_and_one_does_not_replace_the_other_s_roles() -> None:
    other = api_target(app="ui", namespace="mosuon")
    assert account_of([TARGET]) != account_of([other])
    assert account_of([TARGET, other]) == "slipway-mosuon"
