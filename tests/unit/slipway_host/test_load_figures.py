"""What Vegeta's own report says, and what a budget says to it (R26)."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from slipway_host.load_config import Load
from slipway_host.load_figures import Figures, read
from slipway_host.receipt_model import LoadReceipt
from support.load import FAST, FLAKY, REFUSED, budget, settings

if TYPE_CHECKING:
    from slipway_host.settings import LoadSettings

BUDGET = budget(p95Ms=100, p99Ms=200)


def figures(report: str = FAST, given: LoadSettings | None = None) -> Figures:
    found = read(report, given or settings())
    assert found
    return found


def test_a_report_of_vegeta_is_read_in_milliseconds() -> None:
    found = figures()
    assert (found.requests, found.failed) == (150, 0)
    assert (found.p50_ms, found.p95_ms, found.p99_ms, found.max_ms) == (42.75, 49.87, 66.64, 70.84)
    # Sent over 3 s: Vegeta's own 50.57 is of the time between the first and the last.
    assert found.rate == 50
    assert found.summary == "150 requests at 50/s: p50 42.75 ms, p95 49.87 ms, p99 66.64 ms, 0 % failed"


def test_what_the_budget_refuses_is_named_with_its_limit() -> None:
    assert figures().over(BUDGET) == ()
    assert figures().over(budget(p50Ms=42, p95Ms=49, p99Ms=66)) == (
        "p50 42.75 ms (at most 42 ms)",
        "p95 49.87 ms (at most 49 ms)",
        "p99 66.64 ms (at most 66 ms)",
    )
    assert replace(figures(), p95_ms=100.0).over(BUDGET) == ()
    assert replace(figures(), p95_ms=100.01).over(BUDGET) == ("p95 100.01 ms (at most 100 ms)",)
    # What is left out is not judged.
    assert replace(figures(), p50_ms=9e9).over(BUDGET) == ()


def test_anything_but_2xx_is_an_error_and_is_counted_exactly() -> None:
    assert figures(FLAKY).over(BUDGET) == (
        "47 of 150 requests failed, 31.33 % (at most 1 %; 47 answered 500, 500 Internal Server Error)",
    )
    (said,) = figures(REFUSED).over(BUDGET)
    assert said.startswith("50 of 50 requests failed, 100 % (at most 1 %; 50 not at all, Get ")
    assert "connection refused" in said
    one = replace(figures(), requests=30_000, codes={200: 29_999, 302: 1})
    assert one.over(budget()) == ()
    said = "1 of 30000 requests failed, 0.003333 % (at most 0 %; 1 answered 302)"
    assert one.over(budget(errorRate=0)) == (said,)


def test_a_rate_that_was_not_reached_is_no_measurement() -> None:
    asked = settings(rate_per_s=50, duration_s=3)
    assert figures().unmeasured(asked) == ""
    assert replace(figures(), requests=143).unmeasured(asked) == ""
    assert (
        replace(figures(), requests=142, rate=47.3)
        .unmeasured(asked)
        .startswith("only 142 of 150 requests were sent (47.3 of 50 each second): ")
    )


@pytest.mark.parametrize("cut", [1, 40, 80])
def test_errors_that_are_cut_off_take_no_figure_away(cut: int) -> None:
    assert replace(figures(REFUSED[:-cut]), errors=()) == replace(figures(REFUSED), errors=())


def test_an_error_with_quotes_and_escapes_is_quoted_on_one_line() -> None:
    report = REFUSED.partition(',"errors":[')[0] + ',"errors":["a \\"b\\"\\n\\u001b[31mc::d","e","f","g"]}'
    assert figures(report).errors == ('a "b" [31mc: :d', "e", "f")


@pytest.mark.parametrize(
    "report",
    [
        "",
        "sh: vegeta: not found",
        FAST[:200],
        "[]",
        "null",
        '{"requests": "many"}',
        json.dumps(json.loads(FAST) | {"requests": 0, "status_codes": {}}),
        json.dumps(json.loads(FAST) | {"latencies": {}}),
    ],
)
def test_what_is_no_report_or_tells_of_no_request_gives_no_figures(report: str) -> None:
    assert read(report, settings()) is None


def test_the_receipts_model_reads_every_figure() -> None:
    given = settings(budget=BUDGET)
    document = figures(FLAKY).document(given)
    found = LoadReceipt.model_validate(document)
    assert found.model_dump(by_alias=True) == document
    assert not found.model_extra
    assert (found.failed, found.within_budget, found.enforced) == (47, False, True)
    assert found.budget == {"p95Ms": 100, "p99Ms": 200, "errorRate": 0.01}
    assert found.status_codes == {"200": 103, "500": 47}
    assert LoadReceipt.model_validate(figures().document(given)).within_budget


def test_what_is_asked_is_told_in_a_line() -> None:
    enforced = settings(budget=BUDGET)
    assert (
        enforced.asked
        == "GET /scores 50 times a second for 3 s has to keep p95Ms 100 and p99Ms 200 and errorRate 0.01"
    )
    assert " is compared with p95Ms 100 " in replace(enforced, enforced=False).asked


def test_written_limits_are_those_of_the_settings() -> None:
    written: dict[str, Any] = {"path": "/x", "ratePerS": 10_000, "durationS": 3600}
    assert Load.model_validate(written).rate_per_s == 10_000
