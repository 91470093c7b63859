import datetime as dt
import json

import pytest

from slipway_host.errors import AccessDeniedError, DeliveryError, TerminalError
from slipway_host.receipt import combined, receipt, summary, to_json
from slipway_host.results import StageResult, Status
from slipway_host.run import Run


def result(stage: str, status: Status = Status.SUCCEEDED, summary: str = "well") -> StageResult:
    return StageResult(stage=stage, status=status, summary=summary, outputs={"k": 1})


async def run_of(service: str, *stages: StageResult | DeliveryError, lines: list[str] | None = None) -> Run:
    run = Run(service=service, report=(lines if lines is not None else []).append, next_command="again")
    for number, outcome in enumerate(stages):

        async def act(outcome: StageResult | DeliveryError = outcome) -> StageResult:
            if isinstance(outcome, DeliveryError):
                raise outcome
            return outcome

        name = outcome.stage if isinstance(outcome, StageResult) else "gitops"
        try:
            await run.stage(name, act)
        except DeliveryError as error:
            run.error = error
        assert len(run.timed) == number + 1
    return run


FACTS = {"app": "api", "namespace": "shop"}
DONE = {"digest": "sha256:" + "a" * 64, "pods": [{"name": "p"}]}


async def test_failure_carries_stage_what_landed_and_next_command() -> None:
    run = await run_of("api", result("test"), result("push"), AccessDeniedError("no"))
    assert run.error is not None
    assert str(run.error) == "gitops: no. Landed: push (well). Next: again"
    assert run.status == "Failed"
    assert run.document(**FACTS)["stages"][-1]["status"] == "Failed"


async def test_stages_are_listed_in_the_chain_s_order_whatever_ended_first() -> None:
    run = await run_of("api", result("scan-image"), result("build"), result("preflight"))
    assert [s["stage"] for s in run.document()["stages"]] == ["preflight", "build", "scan-image"]


async def test_run_that_skipped_every_effect_is_unchanged() -> None:
    run = await run_of("api", result("test"), result("push", Status.SKIPPED), result("health"))
    assert run.status == "Unchanged"
    document = receipt([run.document(**FACTS, **DONE)], seconds=1, environment="dev", tag="12345678")
    assert document["changed"] is False
    text = summary(document)
    where = "in dev, namespace shop; 1 ready pod(s) run sha256:aaaaaaaaaaaa…"
    assert text.endswith(f"Nothing to do: api 12345678 runs already {where}")


async def test_several_services_are_a_table_of_stages_with_a_sentence_each() -> None:
    good = await run_of("api", result("test"), result("push"))
    bad = await run_of("ui", result("test"), TerminalError("refused"))
    documents = [good.document(**FACTS, **DONE), bad.document(**FACTS)]
    text = summary(receipt(documents, seconds=2, environment="dev", tag="12345678")).splitlines()
    assert [line.split()[0] for line in text[:4]] == ["api", "test", "push", "gitops"]
    assert text[2].split() == ["push", "Succeeded", "0.0", "s", "-"]
    assert text[3].split() == ["gitops", "-", "Failed", "0.0", "s"]
    assert text[-2].startswith("Deployed api 12345678")
    assert text[-1].startswith("Failed: ui: gitops: refused.")


async def test_service_that_stopped_before_any_stage_ended_has_a_sentence() -> None:
    run = await run_of("api")
    run.error = TerminalError("refused", stage="preflight")
    text = summary(receipt([run.document(**FACTS)], seconds=0, environment="dev", tag="12345678"))
    assert text.strip() == "Failed: api: preflight: refused. Landed: nothing."


def test_no_service_is_said_in_words() -> None:
    document = receipt([], seconds=0, environment="dev", tag="12345678")
    assert summary(document) == "Nothing to do: no service is concerned."
    assert document["changed"] is False
    assert json.loads(to_json(document))["services"] == []


def test_one_service_keeps_its_own_error() -> None:
    error = TerminalError("x", stage="push")
    assert combined({"api": error}, total=1) is error


@pytest.mark.parametrize("total", [2, 3])
def test_several_errors_are_one_line_with_all_that_landed(total: int) -> None:
    errors = {
        "api": TerminalError("a", stage="test", next_command="first"),
        "ui": TerminalError("b", stage="sync", landed=["push (y)"], next_command="second"),
    }
    said = str(combined(errors, total=total))
    assert (
        said == f"2 of {total} services failed: api: test: a; ui: sync: b. Landed: ui push (y). Next: first"
    )


async def test_a_run_that_waits_for_a_merge_is_no_failure_and_no_deploy() -> None:
    # R11.
    waiting = result("gitops", Status.WAITING, "tag 12345678 on main: merge https://h/a/b/pulls/7")
    run = await run_of("api", result("push"), waiting)
    assert run.status == "Waiting"
    document = receipt(
        [run.document(**FACTS, pullRequest="https://h/a/b/pulls/7")],
        seconds=1,
        environment="prod",
        tag="12345678",
    )
    assert document["changed"] is False
    assert summary(document).splitlines()[-1] == (
        "Waiting: api 12345678 is not deployed in prod, namespace shop: merge https://h/a/b/pulls/7, then "
        "run this again"
    )


async def test_receipt_tells_when_the_run_and_each_stage_began_and_ended() -> None:
    run = await run_of("api", result("test"), result("build"))
    document = receipt([run.document(**FACTS)], seconds=90, environment="dev", tag="12345678")
    began, ended = (dt.datetime.fromisoformat(document[key]) for key in ("startedAt", "finishedAt"))
    assert ended - began == pytest.approx(dt.timedelta(seconds=90), abs=dt.timedelta(seconds=1))
    for stage in document["services"][0]["stages"]:
        assert began < dt.datetime.fromisoformat(stage["startedAt"]) <= ended
