"""The Job of one command: its name, its rights, and how its end is read."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from slipway_host.job_manifest import Task, complete, end, failure, job_name, manifest, started
from slipway_host.names import DNS_LABEL
from support.target import api_target

TARGET = api_target()
TASK = Task(
    component="migration",
    image="registry.test:5000/acme/api@sha256:" + "a" * 64,
    command=("/app/migrate", "up"),
    timeout_s=600,
    run_as_user=None,
    environment={},
)


def test_two_long_names_that_begin_alike_do_not_share_a_job() -> None:
    names = [
        job_name(replace(TARGET, app="a" * 35 + end), "migrate", ["x"]) for end in ("-" + "b" * 27, "-c")
    ]
    assert len(set(names)) == 2
    for name in names:
        assert DNS_LABEL.fullmatch(name)


def test_the_container_gets_what_it_asks_for_and_no_rights() -> None:
    pod = manifest(TARGET, "x", TASK)["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert container == {
        "name": "migration",
        "image": TASK.image,
        "command": ["/app/migrate", "up"],
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }
    assert pod["securityContext"] == {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    assert pod["automountServiceAccountToken"] is False
    assert pod["imagePullSecrets"] == [{"name": "registry-credentials"}]


def test_it_is_tried_once_and_ends_in_time() -> None:
    spec = manifest(TARGET, "x", replace(TASK, timeout_s=42, run_as_user=1000))["spec"]
    assert (spec["backoffLimit"], spec["activeDeadlineSeconds"]) == (0, 42)
    assert spec["template"]["spec"]["restartPolicy"] == "Never"
    assert spec["template"]["spec"]["securityContext"]["runAsUser"] == 1000


def test_neither_argo_cd_nor_a_service_takes_it_for_its_own() -> None:
    body = manifest(TARGET, "x", TASK)
    # The chart's Deployments and Services select by name and instance.
    assert body["metadata"]["labels"] == {
        "app.kubernetes.io/managed-by": "slipway",
        "app.kubernetes.io/part-of": "api",
        "app.kubernetes.io/component": "migration",
    }
    assert body["metadata"]["labels"] == body["spec"]["template"]["metadata"]["labels"]


@pytest.mark.parametrize(
    ("conditions", "done", "reason"),
    [
        ([], False, ""),
        ([("Complete", "True", "")], True, ""),
        ([("Failed", "True", "BackoffLimitExceeded")], False, "BackoffLimitExceeded"),
        ([("FailureTarget", "True", "DeadlineExceeded")], False, "DeadlineExceeded"),
        ([("Failed", "False", "x"), ("Complete", "False", "")], False, ""),
    ],
)
def test_the_job_s_own_conditions_say_how_it_ended(
    conditions: list[tuple[str, str, str]],
    done: bool,  # noqa: FBT001
    reason: str,
) -> None:
    body = {"status": {"conditions": [{"type": k, "status": s, "reason": r} for k, s, r in conditions]}}
    assert (complete(body), failure(body)) == (done, reason)


@pytest.mark.parametrize(
    ("state", "code", "begun"),
    [
        ({}, None, False),
        ({"waiting": {"reason": "ContainerCreating"}}, None, False),
        ({"running": {}}, None, True),
        ({"terminated": {"exitCode": 3}}, 3, True),
    ],
)
def test_the_container_s_state_says_whether_it_ran(
    state: dict[str, Any],
    code: int | None,
    begun: bool,  # noqa: FBT001
) -> None:
    pod = {"status": {"containerStatuses": [{"name": "migration", "state": state}]}}
    found = end(pod)
    assert (found.code if found else None, started(pod)) == (code, begun)


@pytest.mark.parametrize(
    ("ended", "said"),
    [
        ({"exitCode": 3, "reason": "Error"}, "ended with exit code 3"),
        ({"exitCode": 137, "reason": "OOMKilled"}, "ended with exit code 137 (OOMKilled)"),
        (
            {"exitCode": 128, "reason": "StartError", "message": "no such file:\n/app/smoke"},
            "could not start: no such file: /app/smoke",
        ),
        ({"exitCode": 128, "reason": "StartError"}, "could not start: StartError"),
    ],
)
def test_an_end_is_told_with_what_kubernetes_says_of_it(ended: dict[str, Any], said: str) -> None:
    pod = {"status": {"containerStatuses": [{"name": "migration", "state": {"terminated": ended}}]}}
    assert str(end(pod)) == said
