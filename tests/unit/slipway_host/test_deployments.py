"""What counts as a deployment, a rollback, a failure, a recovery: each rule by an example."""

from dataclasses import replace

from slipway_host.deployments import Story, story
from slipway_host.history import DEPLOY, OTHER, ROLLBACK
from slipway_host.landings import Landing
from slipway_host.source_log import Delivered, SourceLog
from support.kpi_stories import ago, commit_of, deploy, entry, first, run, told

DIGEST, OTHER_DIGEST = "sha256:" + "1" * 64, "sha256:" + "2" * 64
HOUR = 3600.0


def kinds(found: Story) -> list[tuple[str, str]]:
    return [(event.entry.tag, event.kind) for event in found.events]


def failures(found: Story) -> list[tuple[str, float | None]]:
    return [(event.entry.tag, event.recovery_s) for event in found.events if event.failed]


def test_each_new_tag_is_a_deployment_and_the_commit_that_makes_the_file_is_none() -> None:
    found = told(first(), deploy(9, "v1"), (8, entry("v2")))
    assert kinds(found) == [("v1", "deployment"), ("v2", "deployment")]
    assert found.born == ago(2000)


def test_a_file_that_a_deploy_of_slipway_makes_begins_with_a_deployment() -> None:
    found = told((9, entry("v1", kind=DEPLOY, begins=True)))
    assert kinds(found) == [("v1", "deployment")]


def test_a_digest_that_comes_or_goes_beside_the_tag_is_no_deployment_and_another_digest_is_one() -> None:
    found = told(
        first(),
        (9, entry("v1")),
        (8, entry("v1", digest=DIGEST)),
        (7, entry("v1", digest=OTHER_DIGEST)),
        (6, entry("v1")),
    )
    assert [event.landing.at for event in found.events] == [ago(9), ago(7)]


def test_a_floating_tag_says_nothing_unless_it_is_pinned() -> None:
    assert kinds(told(first("latest"), (9, entry("v1")), (8, entry("latest")))) == [("v1", "deployment")]
    assert told(first("latest")).floating == "latest"
    assert told(first("latest"), (9, entry("v1"))).floating == ""
    pinned = told(first("v0"), (9, entry("latest", digest=DIGEST)), (8, entry("latest", digest=OTHER_DIGEST)))
    assert len(pinned.events) == 2


def test_a_rollback_makes_the_deployment_that_it_left_a_failure_until_it_landed() -> None:
    found = told(first(), deploy(9, "v1"), deploy(5, "v2"), (3, entry("v1", kind=ROLLBACK)))
    assert kinds(found)[-1] == ("v1", "rollback")
    assert failures(found) == [("v2", 2 * HOUR)]


def test_a_return_to_what_ran_before_is_a_rollback_whatever_its_message_says() -> None:
    found = told(first(), (9, entry("v1")), (5, entry("v2")), (4, entry("v1", kind=OTHER)))
    assert kinds(found)[-1] == ("v1", "rollback")
    assert failures(found) == [("v2", HOUR)]


def test_a_tag_that_was_rolled_back_from_may_be_deployed_again() -> None:
    found = told(first(), (9, entry("v1")), (8, entry("v2")), (7, entry("v1")), (6, entry("v2")))
    assert kinds(found) == [
        ("v1", "deployment"),
        ("v2", "deployment"),
        ("v1", "rollback"),
        ("v2", "deployment"),
    ]
    assert [event.again for event in found.events] == [False, False, False, True]


def test_rollbacks_in_a_row_are_one_outage_from_the_first_that_failed_to_the_last_return() -> None:
    found = told(
        first(),
        deploy(9, "v1"),
        deploy(8, "v2"),
        deploy(7, "v3"),
        (6, entry("v2", kind=ROLLBACK)),
        (5, entry("v1", kind=ROLLBACK)),
    )
    assert failures(found) == [("v2", None), ("v3", 2 * HOUR)]
    assert [event.later for event in found.events] == [False, True, False, False, False]


def test_a_rollback_from_what_ran_before_the_history_blames_nobody() -> None:
    found = told(first("v5"), (9, entry("v4", kind=ROLLBACK)))
    assert kinds(found) == [("v4", "rollback")]
    assert failures(found) == []


def test_a_run_that_failed_after_its_commit_is_a_failure_until_a_run_proves_healthy_pods() -> None:
    failed = run(8.5, deployed=False, of=1)
    found = told(first(), deploy(9, "v1"), deploy(6, "v2"), runs=(failed, run(5.5, of=2)))
    assert failures(found) == [("v1", 3.5 * HOUR)]
    mended = told(first(), deploy(9, "v1"), runs=(failed, run(8)))
    assert failures(mended) == [("v1", HOUR)]


def test_a_run_that_failed_before_its_commit_deployed_nothing() -> None:
    found = told(first(), deploy(9, "v1"), runs=(run(5, deployed=False), run(9, of=1)))
    assert failures(found) == []


def test_a_rollback_that_did_not_become_healthy_recovers_nothing() -> None:
    broken = run(2.9, deployed=False, rollback=True, of=3)
    steps = (first(), deploy(9, "v1"), deploy(5, "v2"), (3, entry("v1", kind=ROLLBACK)))
    assert failures(told(*steps, runs=(broken,))) == [("v2", None)]
    healthy = run(2.5, rollback=True, of=3)
    assert failures(told(*steps, runs=(healthy,))) == [("v2", 2.5 * HOUR)]


def test_nothing_is_measured_from_or_to_a_date_that_cannot_be() -> None:
    steps = (first(), deploy(9, "v1"), deploy(5, "v2"), (3, entry("v1", kind=ROLLBACK)))
    assert failures(told(*steps, doubtful=(2,))) == [("v2", None)]
    assert failures(told(*steps, doubtful=(3,))) == [("v2", None)]


def test_a_deployment_is_in_production_when_its_run_has_proven_it() -> None:
    found = told(first(), deploy(9, "v1"), runs=(run(8.9, of=1, build_s=30, deploy_s=40),))
    public = found.events[0].deployment()
    assert (public.at, public.run) == (ago(8.9), "run-8.9")
    assert (public.build_seconds, public.deploy_seconds, public.commit) == (30, 40, commit_of(1))


def hashes(*names: str) -> list[str]:
    return [name * 40 for name in names]


A, B, C, D, E, M = hashes("a", "b", "c", "d", "e", "f")
# a - b - c ----- m     m is the merge of e into c
#      \- d - e -/
LOG = SourceLog.parse(f"{M} 600 {C} {E}\n{E} 500 {D}\n{D} 400 {B}\n{C} 300 {B}\n{B} 200 {A}\n{A} 100\n")


def test_a_deployment_brings_the_commits_that_none_before_it_had_without_merges() -> None:
    delivered = Delivered(LOG)
    assert delivered.deploy(A, "") is None  # what ran before it, nobody knows
    assert delivered.deploy(C, "") == [300, 200]
    assert delivered.deploy(C, "") == []
    assert sorted(delivered.deploy(M, "") or []) == [400, 500]
    assert delivered.deploy("9" * 40, "") is None


def test_only_commits_that_touch_the_service_count() -> None:
    delivered = Delivered(LOG, frozenset({C}))
    delivered.deploy(A, "")
    assert delivered.deploy(M, "") == [300]


def test_a_tag_may_be_a_commit_or_end_in_one() -> None:
    assert LOG.resolve("", "aaaaaaaa") == A
    assert LOG.resolve("", "sha-bbbbbbb") == B
    assert LOG.resolve("", "main-cccccccc") == C
    assert LOG.resolve("", "v1.2.3") is None
    assert LOG.resolve("", "aaaaaa") is None
    assert LOG.resolve("", "1234567890") is None
    twins = SourceLog.parse(f"{'a' * 39}b 1\n{'a' * 40} 2\n")
    assert twins.resolve("", "aaaaaaaa") is None


def test_what_never_became_healthy_counts_with_the_deployment_that_did() -> None:
    entries = [
        (9, entry("aaaaaaaa", kind=DEPLOY, source=A)),
        (8, entry("bbbbbbbb", kind=DEPLOY, source=B)),
        (7, entry("cccccccc", kind=DEPLOY, source=C)),
    ]
    found = story(
        "api",
        [replace(one, commit=commit_of(at)) for at, (_, one) in enumerate(entries)][::-1],
        {commit_of(at): Landing(ago(hours)) for at, (hours, _) in enumerate(entries)},
        runs=(run(7.9, deployed=False, of=1),),
        delivered=Delivered(LOG),
    )
    assert [event.made for event in found.events] == [None, None, [300, 200]]
    assert found.events[2].lead_s == [ago(7).timestamp() - 300, ago(7).timestamp() - 200]
