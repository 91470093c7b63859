"""R22 and faults 82 to 84: what an Application's own words mean for the next deploy."""

from __future__ import annotations

import copy
import datetime as dt
from typing import Any

import pytest

from slipway_host.application import Application
from slipway_host.argocd_checks import application, controller, windows
from slipway_host.checks import CheckStatus
from slipway_host.settings import GitSettings
from support.target import api_target

Json = dict[str, Any]
TARGET = api_target(commit="0" * 40)
HEAD = "c" * 40
GIT = GitSettings(url="https://git.test/acme/gitops.git", branch="main")
BODY: Json = {
    "metadata": {"name": "api", "namespace": "argocd"},
    "spec": {
        "source": {
            "repoURL": "https://git.test/acme/gitops.git",
            "targetRevision": "main",
            "path": "apps/api",
        },
        "destination": {"namespace": "mosuon"},
        "syncPolicy": {"automated": {"selfHeal": True}},
    },
    "status": {"sync": {"status": "Synced", "revision": HEAD}, "health": {"status": "Healthy"}},
}


def app(**changes: Json) -> Application:
    body = copy.deepcopy(BODY)
    for key, value in changes.items():
        body[key] = {**body.get(key, {}), **value}
    return Application(body)


def source(**changes: Any) -> Application:
    return app(spec={"source": {**BODY["spec"]["source"], **changes}})


@pytest.mark.parametrize(
    "found",
    [
        app(),
        source(repoURL="git@git.test:acme/gitops.git"),
        source(repoURL="ssh://git@git.test:2222/acme/gitops"),
        source(repoURL="HTTPS://Git.test/acme/gitops/"),
        source(targetRevision="HEAD"),
        source(targetRevision="refs/heads/main"),
        source(path="charts/app", helm={"valueFiles": ["../../apps/api/values.yaml"]}),
        source(path="."),
        app(
            spec={
                "source": None,
                "sources": [
                    {
                        "repoURL": "https://charts.test",
                        "chart": "app",
                        "helm": {"valueFiles": ["$v/apps/api/values.yaml"]},
                    },
                    {"repoURL": GIT.url, "targetRevision": "main", "ref": "v"},
                ],
            }
        ),
    ],
)
def test_application_that_follows_the_values_file_is_well(found: Application) -> None:
    said = application(found, TARGET, GIT, head=HEAD)
    assert said.status is CheckStatus.OK, said.found
    assert "automated sync with self-heal" in said.found


@pytest.mark.parametrize(
    ("found", "status", "reason"),
    [
        (
            source(repoURL="https://git.test/acme/other.git"),
            CheckStatus.FAILED,
            "follows https://git.test/acme/other.git, not git.test/acme/gitops",
        ),
        (
            source(repoURL="http://git.inside.svc:3000/acme/gitops"),
            CheckStatus.WARNING,
            "follows http://git.inside.svc:3000/acme/gitops",
        ),
        (source(targetRevision="release"), CheckStatus.FAILED, "follows release, not main"),
        (source(path="apps/ui"), CheckStatus.WARNING, "reads apps/ui, and does not seem to take apps/api"),
        (
            app(spec={"destination": {"namespace": "elsewhere"}}),
            CheckStatus.FAILED,
            "deploys to namespace elsewhere, not to mosuon",
        ),
        (
            app(status={"conditions": [{"type": "ComparisonError", "message": "no such chart"}]}),
            CheckStatus.FAILED,
            "ComparisonError: no such chart",
        ),
        (
            app(operation={"initiatedBy": {"username": "mallory"}}),
            CheckStatus.WARNING,
            "a sync of mallory runs",
        ),
        (
            app(
                operation={"sync": {}},
                status={"operationState": {"message": "blocked by sync window", "phase": "Running"}},
            ),
            CheckStatus.WARNING,
            "a sync window of the project holds a sync back",
        ),
    ],
)
def test_what_keeps_a_deploy_from_arriving_is_named(
    found: Application, status: CheckStatus, reason: str
) -> None:
    said = application(found, TARGET, GIT, head=HEAD)
    assert (said.status, reason in said.found) == (status, True), said.found
    assert said.fix == "kubectl -n argocd get application api -o yaml"


def test_error_of_an_older_commit_may_be_mended_already() -> None:
    broken = {"conditions": [{"type": "ComparisonError", "message": "no such file"}]}
    said = application(app(status=broken), TARGET, GIT, head="d" * 40)
    assert said.status is CheckStatus.WARNING
    assert "not compared since the branch moved to dddddddd" in said.found


def test_token_in_an_applications_address_is_not_shown() -> None:
    said = application(
        source(repoURL="https://bot:canary-4711@git.test/acme/other.git"), TARGET, GIT, head=HEAD
    )
    assert "canary" not in said.found


@pytest.mark.parametrize(
    ("policy", "words"),
    [
        (None, "no automated sync"),
        ({"automated": {"enabled": False}}, "no automated sync"),
        ({"automated": {}}, "automated sync without self-heal"),
    ],
)
def test_sync_policy_is_said(policy: Json | None, words: str) -> None:
    assert words in application(app(spec={"syncPolicy": policy}), TARGET, GIT, head=HEAD).found


NOW = dt.datetime(2026, 1, 1, 12, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("times", "status", "words"),
    [
        (["2026-01-01T11:59:30Z", "2026-01-01T09:00:00Z"], CheckStatus.OK, "compared 30 s ago"),
        (["2026-01-01T11:00:00Z"], CheckStatus.WARNING, "60 minutes ago"),
        ([""], CheckStatus.FAILED, "nothing was ever compared"),
    ],
)
def test_controller_is_judged_by_its_latest_comparison(  # fault 84
    times: list[str], status: CheckStatus, words: str
) -> None:
    said = controller([app(status={"reconciledAt": time}) for time in times], now=NOW)
    assert (said.status, words in said.found) == (status, True), said.found


def test_sync_windows_of_the_project_are_shown() -> None:  # fault 83
    assert windows(app(), []).status is CheckStatus.OK
    said = windows(app(), [{"kind": "deny", "schedule": "0 22 * * *", "duration": "8h"}])
    assert said.status is CheckStatus.WARNING
    assert "deny 0 22 * * * for 8h" in said.found
