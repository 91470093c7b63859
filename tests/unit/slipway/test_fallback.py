"""When a deploy rolls back by itself, and what it says then."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from slipway import fallback
from slipway_host import retreat
from slipway_host.errors import (
    AccessDeniedError,
    DeadlineError,
    DeliveryError,
    HealthDegradedError,
    LoadCheckError,
    NotFoundError,
    OverBudgetError,
    RolloutFailedError,
    SmokeTestError,
    SupersededError,
)
from slipway_host.results import StageResult, Status

pytestmark = pytest.mark.anyio
RESULT = {"gitops": StageResult(stage="gitops", status=Status.SUCCEEDED, summary="")}


def chain(
    error: DeliveryError | None, *, stage: str = "rollout", rollback: str = "automatic", results: Any = None
) -> Any:
    return SimpleNamespace(
        name="api",
        fallback={},
        work=SimpleNamespace(
            environment=SimpleNamespace(rollback=rollback), target=SimpleNamespace(tag="bad")
        ),
        run=SimpleNamespace(
            error=error.at(stage, landed=["gitops (x)"], next_command="dagger call deploy")
            if error
            else None,
            results=RESULT if results is None else results,
        ),
    )


@pytest.mark.parametrize("stage", ["rollout", "health", "smoke", "load", "proof"])
@pytest.mark.parametrize("kind", [RolloutFailedError, HealthDegradedError, DeadlineError])
def test_a_version_that_does_not_arrive_is_rolled_back(stage: str, kind: type[DeliveryError]) -> None:
    assert fallback.concerns(chain(kind("x"), stage=stage))


def test_a_version_over_its_budget_is_rolled_back() -> None:
    assert fallback.concerns(chain(OverBudgetError("p95", outputs={}), stage="load"))


@pytest.mark.parametrize(
    "one",
    [
        chain(RolloutFailedError("x"), rollback="manual"),
        chain(DeadlineError("x"), stage="sync"),
        chain(SupersededError("x"), stage="proof"),
        chain(AccessDeniedError("x")),
        chain(SmokeTestError("its image is not there"), stage="smoke"),
        chain(LoadCheckError("could not measure"), stage="load"),
        chain(RolloutFailedError("x"), results={}),
        chain(
            RolloutFailedError("x"),
            results={"gitops": StageResult(stage="gitops", status=Status.SKIPPED, summary="")},
        ),
        chain(None),
    ],
)
def test_nothing_else_is(one: Any) -> None:
    assert not fallback.concerns(one)


def outcome(error: DeliveryError | None = None, *, status: str = "Deployed") -> Any:
    run = SimpleNamespace(landed=("gitops (back)",), error=error, status=status)
    document = {"pods": [1, 2], "pullRequest": "https://h/1"}
    way = SimpleNamespace(tag="good", left="bad")
    return SimpleNamespace(run=run, document=lambda: document, way=way)


async def fall(monkeypatch: pytest.MonkeyPatch, result: Any) -> tuple[Any, Any]:
    wishes = []

    class Fake:
        def __init__(self, _call: Any, wish: Any, _verify: Any) -> None:
            wishes.append(wish)

        async def back(self, *_: Any) -> list[Any]:
            if isinstance(result, Exception):
                raise result
            return [result]

    monkeypatch.setattr(retreat, "Retreat", Fake)
    monkeypatch.setattr(fallback, "verifier", lambda _works: None)
    one, fine = chain(RolloutFailedError("no pod is ready")), chain(None)
    await fallback.fall_back(cast("Any", None), [one, fine], cast("Any", None), cast("Any", None))
    assert len(wishes) == 1
    assert fine.fallback == {}
    return one, wishes[0]


async def test_the_deploy_still_fails_and_says_where_it_returned_to(monkeypatch: pytest.MonkeyPatch) -> None:
    one, wish = await fall(monkeypatch, outcome())
    said = str(one.run.error)
    assert said.startswith("rollout: no pod is ready; rolled back to good, which 2 ready pod(s) run, proven")
    assert "bad is held" in said
    assert "gitops (x); rollback gitops (back)" in said
    assert one.fallback["pods"] == [1, 2]
    assert (wish.leaving, wish.by, wish.reason) == (
        "bad",
        "automatic rollback",
        "rollout failed: no pod is ready",
    )


async def test_a_rollback_that_fails_as_well_is_said_beside_the_first_cause(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for result in (
        NotFoundError("no other tag", stage="preflight"),
        outcome(DeadlineError("late", stage="sync")),
    ):
        one, _ = await fall(monkeypatch, result)
        said = str(one.run.error)
        assert said.startswith("rollout: no pod is ready; the automatic rollback failed: ")
        assert said.endswith("Next: dagger call rollback --service=api")


async def test_a_rollback_by_pull_request_is_not_called_done(monkeypatch: pytest.MonkeyPatch) -> None:
    one, _ = await fall(monkeypatch, outcome(status="Waiting"))
    assert "the rollback to good waits for a merge: https://h/1" in str(one.run.error)
