"""What Argo CD says when it cannot compare, sorted (faults 82 and 83)."""

from __future__ import annotations

from typing import Any

import pytest

from slipway_host.comparison import judge, reason, same_repository, value_files, window, windows

RENDER = (
    "Failed to load target state: failed to generate manifest for source 1 of 1: rpc error: code = Unknown "
    "desc = Manifest generation error (cached): failed to execute helm template command: failed to get "
    "command args to log: `helm template . --name-template api --values /tmp/x/values.yaml --include-crds` "
    "failed exit status 1: Error: execution error at (app/templates/all.yaml:3:3): host is missing"
)
RPC = "rpc error: code = Unknown desc = "


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        (RENDER, "render"),
        (
            "rpc error: code = Unknown desc = failed to list refs: authentication required: Unauthorized",
            "repository",
        ),
        (f"{RPC}failed to list refs: repository not found", "repository"),
        (
            'failed to list refs: Get "https://git": dial tcp 10.0.0.1:443: connect: connection refused',
            "repository",
        ),
        (f"{RPC}unable to resolve 'release' to a commit SHA", "revision"),
        (f"{RPC}charts/none: app path does not exist", "path"),
        (
            "application destination server 'x' and namespace 'y' do not match any of the allowed",
            "destination",
        ),
        ("something else", "other"),
    ],
)
def test_an_error_is_sorted_by_who_has_to_act(message: str, kind: str) -> None:
    assert judge(message).kind == kind


def test_of_a_command_that_failed_only_its_own_words_are_kept() -> None:
    said = reason(RENDER)
    assert said.endswith("Error: execution error at (app/templates/all.yaml:3:3): host is missing")
    assert "--name-template" not in said
    assert said.startswith("Manifest generation error (cached): failed to execute helm template command: ")
    assert reason("repository not found") == "repository not found"


@pytest.mark.parametrize(
    ("other", "same"),
    [
        ("https://git.test/acme/gitops", True),
        ("https://bot@git.test/acme/gitops.git/", True),
        ("ssh://git@git.test:22/acme/gitops.git", True),
        ("git@git.test:acme/gitops.git", True),
        ("https://GIT.test/Acme/gitops.git", True),
        ("https://git.test/acme/gitops-dev.git", False),
        ("https://mirror.test/acme/gitops.git", False),
        ("", False),
    ],
)
def test_a_repository_is_the_same_over_every_transport(other: str, same: bool) -> None:  # noqa: FBT001
    assert same_repository("https://git.test/acme/gitops.git", other) is same


def test_values_files_are_paths_from_the_repositorys_root() -> None:
    files = ["../../apps/api/values.yaml", "/shared.yaml", "values-prod.yaml"]
    source: dict[str, Any] = {"path": "charts/app", "helm": {"valueFiles": files}}
    assert value_files(source) == ["apps/api/values.yaml", "shared.yaml", "charts/app/values-prod.yaml"]
    assert value_files({"path": "charts/app"}) == []


def test_only_windows_that_concern_the_application_are_told() -> None:
    usual = {"kind": "deny", "schedule": "0 22 * * *", "duration": "8h"}
    project: dict[str, Any] = {
        "spec": {
            "syncWindows": [
                {**usual, "applications": ["ap*"], "timeZone": "Europe/Berlin"},
                {**usual, "applications": ["ui"]},
                {**usual, "namespaces": ["prod"], "duration": "1h"},
            ]
        }
    }
    app = {"metadata": {"name": "api"}, "spec": {"destination": {"namespace": "prod"}}}
    said = ["deny 0 22 * * * (Europe/Berlin) for 8h", "deny 0 22 * * * (UTC) for 1h"]
    assert [window(one) for one in windows(project, app)] == said
    assert windows({}, app) == []


def test_a_time_zone_that_nobody_has_told_is_not_guessed() -> None:
    # Argo CD's own API leaves it out.
    assert window({"kind": "deny", "schedule": "0 22 * * *", "duration": "8h"}) == "deny 0 22 * * * for 8h"
