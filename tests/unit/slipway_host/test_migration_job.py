"""The Job of a migration: its name, its rights, and how its end is read."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from slipway_host.config import Generated
from slipway_host.migration_job import complete, exit_code, failure, job, name_of, started
from slipway_host.names import DNS_LABEL
from slipway_host.settings import DatabaseSettings, MigrationSettings, SecretsSettings
from support.target import api_target

DIGEST = "sha256:" + "a" * 64
UP = MigrationSettings(command=("/app/migrate", "up"))
TARGET = api_target(database=DatabaseSettings(name="api", role="api"))


def test_the_name_is_the_same_for_the_same_work_and_another_for_any_other() -> None:
    name = name_of(TARGET, UP, DIGEST)
    assert name == name_of(TARGET, UP, DIGEST)
    assert name.startswith("api-migrate-0e123456-")
    others = {
        name_of(TARGET, UP, "sha256:" + "b" * 64),
        name_of(replace(TARGET, commit="9" * 40), UP, DIGEST),
        name_of(TARGET, replace(UP, command=("/app/migrate up",)), DIGEST),
        name_of(TARGET, replace(UP, image="migrate:1"), DIGEST),
        name_of(TARGET, replace(UP, run_as_user=7), DIGEST),
        name_of(replace(TARGET, secrets=SecretsSettings(name="other")), UP, DIGEST),
    }
    assert len(others - {name}) == 6


def test_two_long_names_that_begin_alike_do_not_share_a_job() -> None:
    names = [name_of(replace(TARGET, app="a" * 35 + end), UP, DIGEST) for end in ("-" + "b" * 27, "-c")]
    assert len(set(names)) == 2
    for name in names:
        assert DNS_LABEL.fullmatch(name)


def test_the_container_gets_the_secret_and_no_rights() -> None:
    pod = job(TARGET, UP, DIGEST)["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert container["image"] == f"{TARGET.repository}@{DIGEST}"
    assert container["command"] == ["/app/migrate", "up"]
    assert container["envFrom"] == [{"secretRef": {"name": "api-secrets", "optional": False}}]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
    }
    assert pod["securityContext"] == {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    assert pod["automountServiceAccountToken"] is False
    assert pod["imagePullSecrets"] == [{"name": "registry-credentials"}]


def test_it_is_tried_once_and_ends_in_time() -> None:
    spec = job(TARGET, replace(UP, timeout_s=42, run_as_user=1000), DIGEST)["spec"]
    assert (spec["backoffLimit"], spec["activeDeadlineSeconds"]) == (0, 42)
    assert spec["template"]["spec"]["restartPolicy"] == "Never"
    assert spec["template"]["spec"]["securityContext"]["runAsUser"] == 1000


@pytest.mark.parametrize(
    ("database", "secrets", "optional"),
    [
        (None, SecretsSettings(name="s"), True),
        (None, SecretsSettings(name="s", generate={"JWT_SECRET": Generated()}), False),
        (DatabaseSettings(name="api", role="api"), SecretsSettings(name="s"), False),
    ],
)
def test_the_secret_may_be_absent_only_where_none_is_configured(
    database: DatabaseSettings | None,
    secrets: SecretsSettings,
    optional: bool,  # noqa: FBT001
) -> None:
    body = job(replace(TARGET, database=database, secrets=secrets), UP, DIGEST)
    source = body["spec"]["template"]["spec"]["containers"][0]["envFrom"][0]
    assert source["secretRef"]["optional"] is optional


def test_argo_cd_does_not_take_it_for_its_own() -> None:
    body = job(TARGET, UP, DIGEST)
    assert "app.kubernetes.io/instance" not in body["metadata"]["labels"]
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
    assert (exit_code(pod), started(pod)) == (code, begun)
