"""Figures of small histories, computed by hand, and what holds for any history."""

import datetime as dt
import math
import random

import pytest

from slipway_host.deployments import Story
from slipway_host.history import ROLLBACK
from slipway_host.kpi_figures import days, figures
from slipway_host.kpi_measures import Window, percentile, sample
from slipway_host.kpi_report import Figure
from slipway_host.kpi_targets import KpiTargets
from support.kpi_stories import NOW, ago, deploy, entry, first, run, told

TARGETS = KpiTargets()
MONTH = Window.of(30, NOW)
DAY = 24.0


def measured(*stories: Story, window: Window = MONTH) -> dict[str, Figure]:
    return {figure.name: figure for figure in figures(stories, window, TARGETS)}


def test_percentiles_are_times_that_were_taken() -> None:
    values = [10.0, 20, 30, 40, 50, 60, 70, 80, 90, 100]
    assert (percentile(values, 0.90), percentile(values, 0.95), percentile([7], 0.95)) == (90, 100, 7)


def test_builds_and_deploys_are_those_of_the_receipts() -> None:
    seconds = [100, 200, 300, 400, 500]
    runs = tuple(run(at + 1, build_s=s, deploy_s=s / 10) for at, s in enumerate(seconds))
    failed = run(7, deployed=False, build_s=600, deploy_s=None)
    found = measured(told(first(), runs=(*runs, failed, run(2000, build_s=1))))
    build = found["buildTime"]
    assert (build.value, build.mean, build.p90, build.p95, build.count) == (350, 350, 600, 600, 6)
    assert (build.status, build.based_on) == ("missed", "receipts of 6 builds")
    assert (found["deployTime"].value, found["deployTime"].count) == (30, 5)
    assert found["deployTime"].status == "met"
    assert found["successRate"].value == pytest.approx(5 / 6)
    assert found["successRate"].status == "missed"


def test_nineteen_of_twenty_is_not_more_than_95_percent() -> None:
    runs = [run(at + 1) for at in range(19)]
    found = measured(told(first(), runs=(*runs, run(30, deployed=False))))
    assert (found["successRate"].value, found["successRate"].status) == (0.95, "missed")


def test_rollbacks_are_no_deploys() -> None:
    found = measured(told(first(), runs=(run(1, rollback=True, deploy_s=500, deployed=False),)))
    assert found["successRate"].count == found["deployTime"].count == 0


def test_frequency_counts_what_landed_and_compares_with_the_window_before() -> None:
    now = [deploy(at * DAY + 1, f"v{at}") for at in range(29, -1, -1)]
    then = [deploy((31 + at) * DAY, f"w{at}") for at in range(14, -1, -1)]
    found = measured(told(first("base"), *then, *now))["deploymentFrequency"]
    assert (found.value, found.count, found.status) == (1.0, 30, "met")
    assert (found.previous, found.previous_count, found.trend) == (0.5, 15, "better")
    assert found.based_on == "30 changes of the tag in 30 days"


def test_a_service_counts_since_it_is_there_and_before_that_nothing_is_known() -> None:
    found = measured(told(first(hours=10 * DAY), *[deploy(h, f"v{h}") for h in (50, 40, 30)]))
    figure = found["deploymentFrequency"]
    assert figure.value == pytest.approx(0.3)
    assert (figure.previous, figure.trend) == (None, "unknown")
    young = measured(told(first(hours=2), deploy(1, "v1")))["deploymentFrequency"]
    assert young.value == 1


def test_a_branch_that_names_latest_does_not_say_how_often_was_deployed() -> None:
    found = measured(told(first("latest")))["deploymentFrequency"]
    assert (found.value, found.status) == (None, "unknown")
    assert found.why == "the branch names latest, which does not say what ran"
    silent = measured(told(first("v1")))["deploymentFrequency"]
    assert (silent.value, silent.status) == (0, "missed")


def test_failures_are_a_share_of_deployments_and_recover_in_their_own_time() -> None:
    steps = [first()]
    for at, hours in enumerate((1.0, 0.5, 0.25)):
        begun = 300 - at * 50
        steps += [deploy(begun, f"good{at}"), deploy(begun - 10, f"bad{at}")]
        steps += [(begun - 10 - hours, entry(f"good{at}", kind=ROLLBACK))]
    found = measured(told(*steps))
    fails, recovery = found["changeFailRate"], found["failedDeploymentRecoveryTime"]
    assert (fails.value, fails.count, fails.status) == (0.5, 6, "missed")
    assert fails.based_on == "6 deployments, rollbacks alone"
    assert (recovery.value, recovery.p90, recovery.count) == (1800, 3600, 3)
    assert recovery.status == "missed"  # half an hour is not less than half an hour


def test_what_is_not_over_is_left_out_and_said() -> None:
    failed = run(8.9, deployed=False, of=1)
    found = measured(told(first(), deploy(9, "v1"), runs=(failed,)))
    recovery = found["failedDeploymentRecoveryTime"]
    assert (recovery.value, recovery.left_out, recovery.status) == (None, 1, "unknown")
    assert recovery.why == "no recovery is over, or clocks disagree"
    assert found["changeFailRate"].value == 1


def test_where_nothing_failed_there_is_no_recovery_to_measure() -> None:
    found = measured(told(first(), deploy(9, "v1")))["failedDeploymentRecoveryTime"]
    assert (found.value, found.status, found.why) == (None, "unknown", "no deployment failed")


@pytest.mark.parametrize(
    ("before", "now", "trend"),
    [(100, 104, "same"), (100, 110, "worse"), (100, 90, "better"), (0.01, 0.01, "same")],
)
def test_a_trend_is_a_change_by_more_than_a_twentieth(before: float, now: float, trend: str) -> None:
    found = measured(told(first(), runs=(run(1, build_s=now), run(31 * DAY, build_s=before))))
    assert found["buildTime"].trend == trend


def test_days_are_all_there_and_sum_up_to_the_window() -> None:
    runs = (run(1, build_s=10), run(2, build_s=30), run(3, deployed=False))
    story = told(first(), deploy(50, "v1"), deploy(26, "v2"), (25, entry("v1")), runs=runs)
    found = days([story], Window.of(3, NOW))
    assert [day.date for day in found] == ["2026-11-21", "2026-11-22", "2026-11-23", "2026-11-24"]
    assert [day.deployments for day in found] == [0, 1, 1, 0]
    assert [day.rollbacks for day in found] == [0, 0, 1, 0]
    assert [day.failed for day in found] == [0, 0, 1, 0]
    assert (found[3].runs, found[3].failed_runs, found[3].build_seconds) == (3, 1, 20)


def any_story(rnd: random.Random) -> Story:
    hours = sorted((rnd.uniform(0, 90 * DAY) for _ in range(rnd.randrange(1, 60))), reverse=True)
    tags = [f"v{rnd.randrange(12)}" for _ in hours]
    steps = [
        (h, entry(t, kind=rnd.choice(["other", "deploy", ROLLBACK])))
        for h, t in zip(hours, tags, strict=True)
    ]
    runs = tuple(
        run(
            rnd.uniform(0, h),
            deployed=rnd.random() < 0.8,
            of=at + 1 if rnd.random() < 0.7 else None,
            build_s=rnd.choice([None, rnd.uniform(1, 900)]),
            deploy_s=rnd.uniform(1, 900),
        )
        for at, h in enumerate(hours)
    )
    doubtful = tuple(at for at in range(len(steps)) if rnd.random() < 0.1)
    return told(first(hours=100 * DAY), *steps, runs=runs, doubtful=doubtful)


def test_what_holds_for_any_history() -> None:
    rnd = random.Random(20)  # noqa: S311 - the same each time
    for _ in range(150):
        stories = [any_story(rnd) for _ in range(rnd.randrange(1, 4))]
        together = measured(*stories)
        each = [measured(one) for one in stories]
        for name, figure in together.items():
            assert figure.count == sum(one[name].count for one in each), name
            assert (figure.value is None) == (figure.status == "unknown")
            assert (figure.value is None) == bool(figure.why)
            if figure.unit == "ratio" and figure.value is not None:
                assert 0 <= figure.value <= 1
            if figure.p95 is not None and figure.value is not None:
                assert 0 <= figure.value <= (figure.p90 or 0) <= figure.p95
                assert math.isfinite(figure.mean or 0)
        series = days(stories, MONTH)
        now = sample(stories, MONTH)
        assert sum(day.deployments for day in series) == len(now.deployments)
        assert sum(day.runs for day in series) == len(now.deploys)
        halves = [Window(since=ago(30 * DAY), until=ago(13 * DAY)), Window(since=ago(13 * DAY), until=NOW)]
        assert sum(len(sample(stories, half).events) for half in halves) == len(now.events)


def test_time_zones_do_not_move_a_day() -> None:
    east = dt.timezone(dt.timedelta(hours=9))
    story = told(first(), deploy(20, "v1"))  # 16:00 UTC on the 23rd, the 24th in the east
    found = days([story], Window.of(2, NOW.astimezone(east)))
    assert [(day.date, day.deployments) for day in found if day.deployments] == [("2026-11-23", 1)]
