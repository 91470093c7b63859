"""A migration's way through what the lab's cluster does not do on demand."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tenacity import wait_none

from slipway_host import creation, job_run, migration_turn, waiting
from slipway_host.config import Generated
from slipway_host.errors import (
    AccessDeniedError,
    ConflictError,
    DeadlineError,
    DeliveryError,
    MigrationFailedError,
    ServiceUnavailableError,
    UnknownOutcomeError,
)
from slipway_host.migration import job, name_of
from slipway_host.results import Status
from slipway_host.settings import DatabaseSettings, MigrationSettings, SecretsSettings
from support.migration import DIGEST, DONE, FAILED, MIGRATION, TARGET, Cluster, existing, run
from support.target import api_target

API = api_target(database=DatabaseSettings(name="api", role="api"))
UP = MigrationSettings(command=("/app/migrate", "up"))


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(creation, "wait_random_exponential", lambda **_: wait_none())
    monkeypatch.setattr(waiting, "SETTLE_S", 0.001)
    monkeypatch.setattr(job_run, "GRACE_S", 0.5)
    monkeypatch.setattr(migration_turn, "POLL_S", 0.001)


async def test_without_a_migration_nothing_is_asked() -> None:
    result = await run(Cluster(), replace(TARGET, migration=None))
    assert (result.status, result.summary) == (Status.SKIPPED, "no migration is configured")


async def test_a_job_that_has_done_its_work_is_left_alone() -> None:
    cluster = Cluster(existing(DONE))
    assert (await run(cluster)).status is Status.SKIPPED
    assert cluster.created == cluster.deleted == 0


async def test_a_job_that_failed_makes_way_and_one_on_its_way_out_is_waited_for() -> None:
    for conditions, metadata in ((FAILED, {}), ([], {"deletionTimestamp": "2026-08-01T00:00:00Z"})):
        cluster = Cluster(existing(conditions))
        assert cluster.job
        cluster.job["metadata"] |= metadata
        if metadata:
            cluster.looks = [lambda: None, lambda c=cluster: setattr(c, "job", None)]  # type: ignore[misc]
        cluster.looks.append(lambda: None)
        cluster.looks.append(lambda c=cluster: c.became(DONE))  # type: ignore[misc]
        assert (await run(cluster)).status is Status.SUCCEEDED
        assert (cluster.created, cluster.deleted) == (1, 0 if metadata else 1)


@pytest.mark.parametrize("lost", [UnknownOutcomeError("the connection was lost"), ConflictError("exists")])
async def test_a_creation_without_an_answer_or_a_lost_race_is_settled_by_a_look(lost: DeliveryError) -> None:
    cluster = Cluster()
    cluster.creations = [lost]
    if isinstance(lost, ConflictError):
        cluster.creations.append(None)
    cluster.looks = [lambda: None, lambda: None, lambda: cluster.became(DONE)]
    assert (await run(cluster)).status is Status.SUCCEEDED
    assert cluster.created == 1


async def test_a_job_that_somebody_deletes_is_an_error_and_not_a_success() -> None:
    cluster = Cluster()
    cluster.looks = [lambda: setattr(cluster, "job", None)]
    with pytest.raises(MigrationFailedError, match="somebody has deleted it") as caught:
        await run(cluster)
    assert caught.value.outputs == {}


async def test_a_log_that_cannot_be_followed_does_not_end_the_migration() -> None:
    cluster = Cluster()
    cluster.log = ["begun", ServiceUnavailableError("the connection was lost")]
    cluster.looks = [lambda: cluster.became(DONE)]
    lines: list[str] = []
    assert (await run(cluster, lines=lines)).status is Status.SUCCEEDED
    assert lines[-1] == "migrate: the connection was lost; its log is not followed any more"


async def test_without_a_followed_log_the_end_of_it_has_the_last_words() -> None:
    cluster = Cluster()
    cluster.log = [AccessDeniedError("pods/log is forbidden")]
    cluster.end_log = "password=canary\nno such column"
    cluster.looks = [lambda: cluster.became(FAILED, 2)]
    with pytest.raises(MigrationFailedError) as caught:
        await run(cluster)
    assert "ended with exit code 2; its last words: password=*** no such column" in str(caught.value)
    # It has begun: the receipt names it.
    assert caught.value.outputs == {"job": name_of(TARGET, MIGRATION, DIGEST)}


async def test_an_endless_log_is_shown_up_to_its_limit_and_its_end_is_still_known() -> None:
    cluster = Cluster()
    cluster.log = [*(["x" * 500] * 1000), "the reason", "::error::injected"]
    cluster.looks = [lambda: cluster.became(FAILED, 1)]
    lines: list[str] = []
    with pytest.raises(MigrationFailedError, match="the reason : :error: :injected"):
        await run(cluster, lines=lines)
    assert sum(map(len, lines)) < job_run.LOG_LIMIT + 5000
    assert "the log goes on: kubectl --namespace mosuon logs job/api-migrate-0e123456-" in lines[-1]


async def test_a_pod_that_vanished_leaves_kubernetes_reason() -> None:
    cluster = Cluster()
    cluster.looks = [lambda: setattr(cluster, "job", existing(FAILED))]
    with pytest.raises(MigrationFailedError, match=r"failed \(BackoffLimitExceeded\)") as caught:
        await run(cluster)
    # Nobody has seen it begin, and nobody says so.
    assert caught.value.outputs == {}


async def test_our_own_deadline_holds_where_kubernetes_keeps_silent() -> None:
    brief = MigrationSettings(command=("/app/migrate",), timeout_s=1)
    cluster = Cluster()
    with pytest.raises(DeadlineError, match="no end after 1 s"):
        await run(cluster, replace(TARGET, migration=brief))
    assert (cluster.created, cluster.turn) == (1, None)


def test_the_name_is_the_same_for_the_same_work_and_another_for_any_other() -> None:
    name = name_of(API, UP, DIGEST)
    assert name == name_of(API, UP, DIGEST)
    assert name.startswith("api-migrate-0e123456-")
    others = {
        name_of(API, UP, "sha256:" + "b" * 64),
        name_of(replace(API, commit="9" * 40), UP, DIGEST),
        name_of(API, replace(UP, command=("/app/migrate up",)), DIGEST),
        name_of(API, replace(UP, image="migrate:1"), DIGEST),
        name_of(API, replace(UP, run_as_user=7), DIGEST),
        name_of(replace(API, secrets=SecretsSettings(name="other")), UP, DIGEST),
    }
    assert len(others - {name}) == 6


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
    body = job(replace(API, database=database, secrets=secrets), UP, DIGEST)
    source = body["spec"]["template"]["spec"]["containers"][0]["envFrom"][0]
    assert source["secretRef"]["optional"] is optional
