"""A load check's way through what the lab's cluster does not do on demand (R26)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, cast

import anyio
import pytest
from tenacity import wait_none

from slipway_host import creation, job_run, waiting
from slipway_host.errors import HealthDegradedError, LoadCheckError, OverBudgetError, SupersededError
from slipway_host.load import load, measured, name_of, task_of
from slipway_host.results import Status
from slipway_host.revision_job import Revision
from slipway_host.workload import Workload
from support.load import FAST, FLAKY, budget, settings
from support.migration import DIGEST, DONE, FAILED, Json, existing, pod
from support.revision_place import Place, deployment, serving
from support.target import api_target

if TYPE_CHECKING:
    from slipway_host.kube import KubeClient
    from slipway_host.results import StageResult
    from slipway_host.settings import LoadSettings

GENEROUS, TIGHT = budget(p95Ms=100), budget(p95Ms=10)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(creation, "wait_random_exponential", lambda **_: wait_none())
    monkeypatch.setattr(waiting, "SETTLE_S", 0.001)
    monkeypatch.setattr(job_run, "GRACE_S", 0.5)


class Measuring(Place):
    """A cluster whose Job ends at the next look with a report, as often as it is made."""

    def __init__(self, report: str = FAST, found: Json | None = None) -> None:
        super().__init__(found)
        self.report = report
        self.became(DONE) if found else None

    def became(self, conditions: list[Json], code: int = 0) -> None:
        super().became(conditions, code)
        self.pods = [pod({"terminated": {"exitCode": code, "message": self.report}})]

    async def create(self, path: str, body: Json) -> Json:
        made = await super().create(path, body)
        self.looks = self.looks or [lambda: self.became(DONE)]
        return made


async def run(place: Place, given: LoadSettings, *, again: bool = False) -> StageResult:
    kube, target = cast("KubeClient", place), api_target(load=given)
    return await load(kube, target, Revision(DIGEST), run_id="r1", report=lambda _: None, again=again)


async def test_without_a_load_check_nothing_is_sent() -> None:
    kube = cast("KubeClient", Place())
    result = await load(kube, api_target(), Revision(DIGEST), run_id="r", report=lambda _: None)
    assert (result.status, result.summary) == (Status.SKIPPED, "no load check is configured here")


async def test_figures_within_the_budget_pass_and_are_in_the_outputs() -> None:
    place = Measuring()
    result = await run(place, settings(budget=GENEROUS))
    assert (result.status, place.created) == (Status.SUCCEEDED, 1)
    assert result.summary.startswith("150 requests at 50/s: p50 42.75 ms")
    assert result.outputs["load"]["withinBudget"] is True
    assert result.outputs["load"]["budget"] == {"p95Ms": 100, "errorRate": 0.01}


async def test_what_has_been_measured_is_measured_again_only_on_request() -> None:
    place = Measuring(found=existing(DONE))
    result = await run(place, settings(budget=GENEROUS))
    assert (result.status, place.created) == (Status.SKIPPED, 0)
    assert result.summary.startswith("measured before: 150 requests")
    assert result.outputs["load"]["p95Ms"] == 49.87
    assert (await run(place, settings(budget=GENEROUS), again=True)).status is Status.SUCCEEDED
    assert (place.created, place.deleted) == (1, 1)


async def test_figures_over_an_enforced_budget_are_an_error_and_measured_anew_by_the_next_run() -> None:
    place = Measuring(FLAKY)
    with pytest.raises(OverBudgetError):
        await run(place, settings(budget=TIGHT))
    with pytest.raises(OverBudgetError) as caught:
        await run(place, settings(budget=TIGHT))
    assert place.created == 2
    error = caught.value
    assert isinstance(error, HealthDegradedError)  # so that an automatic rollback follows
    assert error.cause.startswith("over budget: p95 50.73 ms (at most 10 ms), 47 of 150 requests failed, ")
    assert error.outputs["load"]["withinBudget"] is False
    assert error.next_command.startswith("kubectl --namespace mosuon logs job/api-load-0e123456-")
    assert place.job  # stays to be read


async def test_where_it_is_only_reported_the_run_goes_on_and_nothing_is_measured_twice() -> None:
    place, given = Measuring(FLAKY), settings(budget=TIGHT, enforced=False)
    result = await run(place, given)
    assert result.status is Status.SUCCEEDED
    assert result.summary.startswith("over budget, which prod only reports: p95 50.73 ms (at most 10 ms), ")
    assert result.outputs["load"]["enforced"] is False
    assert (await run(place, given)).status is Status.SKIPPED
    assert place.created == 1


async def test_another_budget_is_held_against_what_was_measured() -> None:
    place = Measuring(found=existing(DONE))
    assert (await run(place, settings(budget=budget(p95Ms=50)))).status is Status.SKIPPED
    with pytest.raises(OverBudgetError, match=r"p95 49\.87 ms \(at most 49 ms\)"):
        await run(place, settings(budget=budget(p95Ms=49)))
    assert (place.created, place.deleted) == (1, 1)  # but not without another measurement


@pytest.mark.parametrize(
    ("report", "given", "why"),
    [
        (
            FAST,
            settings(rate_per_s=100),
            r"could not measure: only 150 of 300 requests were sent \(50 of 100 ",
        ),
        ("sh: out of memory", settings(), "it has measured nothing"),
        ("", settings(), "it has measured nothing"),
    ],
)
async def test_what_could_not_be_measured_is_neither_a_pass_nor_over_budget(
    report: str, given: LoadSettings, why: str
) -> None:
    with pytest.raises(LoadCheckError, match=why):
        await run(Measuring(report), given)
    lenient = await run(Measuring(report), replace(given, enforced=False))
    assert lenient.status is Status.INCONCLUSIVE
    assert "load" not in lenient.outputs
    # Once more, although the Job is Complete.
    again = Measuring(report, existing(DONE))
    with pytest.raises(LoadCheckError):
        await run(again, given)
    assert again.created == 1


async def test_a_generator_that_fails_says_nothing_of_the_revision() -> None:
    place = Measuring("")
    place.log = ["there is no program vegeta in this image"]
    place.looks = [lambda: None, lambda: place.became(FAILED, 127)]
    with pytest.raises(LoadCheckError, match="ended with exit code 127; its last words: there is no program"):
        await run(place, settings())


async def test_a_job_without_an_end_is_no_word_about_the_revision(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("slipway_host.load.START_S", 0)
    monkeypatch.setattr("slipway_host.load.ANSWER_S", 0)
    place = Measuring()
    place.looks = [lambda: None]
    with pytest.raises(LoadCheckError, match="no end after 1 s"):
        await run(place, settings(rate_per_s=200, duration_s=1))
    assert place.job is None  # taken away


async def test_what_a_newer_deploy_took_away_was_not_too_slow() -> None:
    place = Measuring(FLAKY)

    def replaced() -> None:
        place.deployment = deployment("3", "abababab")
        place.became(DONE)

    place.looks = [lambda: None, replaced]
    with pytest.raises(SupersededError, match=f"over budget: .*; another image has replaced {DIGEST} since"):
        await run(place, settings(budget=TIGHT))


async def test_only_ready_pods_of_the_new_revision_get_requests_and_they_take_turns() -> None:
    place = Measuring()
    place.serving = [
        serving("api-b", "fd00::3", "new"),
        serving("api-a", "10.0.0.2", "new"),
        serving("api-starts", "10.0.0.4", "new", ready=False),
        serving("api-old", "10.0.0.7", "old", digest="sha256:" + "c" * 64),
    ]
    await run(place, settings(path="/x?a=$(b)"))
    targets = "GET http://10.0.0.2:4000/x?a=$$(b)\n\nGET http://[fd00::3]:4000/x?a=$$(b)"
    assert place.given == {"TARGETS": targets, "RATE": "50", "DURATION": "3", "TIMEOUT": "10"}
    place.serving = []
    with pytest.raises(HealthDegradedError, match=f"no ready pod of the new revision runs {DIGEST}"):
        await run(place, settings())


async def test_a_cancelled_run_takes_its_job_away() -> None:
    place = Measuring()
    place.looks = [lambda: None] * 10_000
    with anyio.move_on_after(0.1) as scope:
        await run(place, settings())
    assert scope.cancelled_caught
    assert (place.created, place.deleted) == (1, 1)


def test_it_is_bounded_in_time_memory_and_processor() -> None:
    task = task_of(settings(memory="64Mi", cpu="500m", duration_s=300), ("http://10.0.0.2:4000",))
    assert task.timeout_s == 300 + 10 + 120
    assert task.resources == {
        "requests": {"cpu": "100m", "memory": "64Mi"},
        "limits": {"cpu": "500m", "memory": "64Mi"},
    }


def test_the_name_is_the_same_for_the_same_requests_to_the_same_revision() -> None:
    def name(given: LoadSettings, body: Json | None = None) -> str:
        workload = Workload(body=body or deployment(), replica_sets=(), pods=())
        return name_of(api_target(), given, DIGEST, workload)

    same = name(settings())
    assert same == name(settings(budget=TIGHT, enforced=False))
    changes = ({"path": "/"}, {"rate_per_s": 51}, {"duration_s": 4}, {"image": "vegeta:1"}, {"memory": "1Gi"})
    others = {name(settings(**change)) for change in (*changes, {"cpu": "1m"}, {"run_as_user": 7})}
    assert len({*others, name(settings(), deployment("3")), same}) == 9


async def test_a_plan_knows_what_has_been_measured() -> None:
    async def asked(place: Place, given: LoadSettings) -> bool:
        target = api_target(load=given)
        return await measured(cast("KubeClient", place), target, given, digest=DIGEST)

    assert await asked(Measuring(found=existing(DONE)), settings(budget=GENEROUS))
    assert not await asked(Measuring(found=existing(DONE)), settings(budget=TIGHT))
    assert await asked(Measuring(found=existing(DONE)), settings(budget=TIGHT, enforced=False))
    assert not await asked(Measuring("", found=existing(DONE)), settings())
    assert not await asked(Place(existing(FAILED)), settings())
    assert not await asked(Place(), settings())
    other = Measuring(found=existing(DONE))
    other.deployment = deployment("3", "abababab")
    assert not await asked(other, settings(budget=GENEROUS))
