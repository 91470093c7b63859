"""When a deploy rolls back by itself, and what it says then."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from slipway_host import fallback
from slipway_host.errors import (
    AccessDeniedError,
    DeadlineError,
    DeliveryError,
    HealthDegradedError,
    LoadCheckError,
    NotFoundError,
    OverBudgetError,
    RolloutFailedError,
    RolloutPausedError,
    SmokeTestError,
    SupersededError,
)
from slipway_host.results import StageResult, Status
from support.target import api_target

pytestmark = pytest.mark.anyio
RESULT = {"gitops": StageResult(stage="gitops", status=Status.SUCCEEDED, summary="")}


CONFIG = SimpleNamespace(environment=lambda name, _service: SimpleNamespace(rollback=name))
"""Environments are called as what they ask for."""


def call(said: list[str] | None = None) -> Any:
    return SimpleNamespace(config=CONFIG, report=[].append if said is None else said.append)


def passage(
    error: DeliveryError | None, *, stage: str = "rollout", rollback: str = "automatic", results: Any = None
) -> Any:
    return SimpleNamespace(
        name="api",
        fallback={},
        delivery=SimpleNamespace(target=api_target(environment=rollback, image_tag="bad")),
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
    assert fallback.concerns(call(), passage(kind("x"), stage=stage))


def test_a_version_over_its_budget_is_rolled_back() -> None:
    assert fallback.concerns(call(), passage(OverBudgetError("p95", outputs={}), stage="load"))


@pytest.mark.parametrize(
    "one",
    [
        passage(RolloutFailedError("x"), rollback="manual"),
        passage(DeadlineError("x"), stage="sync"),
        passage(SupersededError("x"), stage="proof"),
        passage(AccessDeniedError("x")),
        passage(RolloutPausedError("x")),
        passage(LoadCheckError("could not measure"), stage="load"),
        passage(SmokeTestError("its image is not there"), stage="smoke"),
        passage(RolloutFailedError("x"), results={}),
        passage(
            RolloutFailedError("x"),
            results={"gitops": StageResult(stage="gitops", status=Status.SKIPPED, summary="")},
        ),
        passage(None),
    ],
)
def test_nothing_else_is(one: Any) -> None:
    assert not fallback.concerns(call(), one)


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

    monkeypatch.setattr(fallback, "Retreat", Fake)
    one, fine = passage(RolloutFailedError("no pod is ready")), passage(None)
    said: list[str] = []
    await fallback.fall_back(call(said), [one, fine], cast("Any", None), cast("Any", None))
    assert said[0] == "api: rollout failed: rolling back, as environment asks for"
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
