"""R19 and R20: a service's deliveries over time, and each KPI against its target."""

from __future__ import annotations

import json
import re
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from slipway_host.service_charts import whole
from slipway_host.service_report import CHARTS, service_report, value
from support import kpi_documents, runs


def text(html: str) -> str:
    body = re.sub(r"<(style|svg)\b.*?</\1>", " ", html, flags=re.DOTALL)
    return unescape(" ".join(re.sub(r"<[^>]+>", " ", body).split()))


def changed(name: str, **facts: Any) -> dict[str, Any]:
    """Return a service in which one figure says something else."""
    found = kpi_documents.service()
    return {
        **found,
        "figures": [{**one, **facts} if one["name"] == name else one for one in found["figures"]],
    }


def test_documents_of_these_tests_are_those_that_runs_and_kpis_write() -> None:
    # What the pages are tested with is what they will get.
    schemas = Path(__file__).parents[3] / "schema"
    for name, document in {
        "kpis": kpi_documents.kpis(kpi_documents.service(), kpi_documents.empty("ui")),
        "receipt": runs.run(
            runs.service("api"), runs.failed("ui", "test", "x", landed="nothing", command="y")
        ),
    }.items():
        schema = json.loads((schemas / f"{name}.schema.json").read_text())
        assert [error.message for error in Draft202012Validator(schema).iter_errors(document)] == []


def test_each_kpi_has_its_value_its_target_whether_it_is_met_and_a_chart() -> None:
    html = service_report(kpi_documents.kpis(kpi_documents.service()), "api")
    said = text(html)
    for words in (
        "api in dev: 5 of 7 targets are met",
        "27 Oct 2026, 09:00 UTC to 26 Nov 2026, 09:00 UTC · 15 deployed, 1 failed, 1 rolled back",
        "Build time 1 min 32 s ✓ met target < 5 min",
        "Better than in the 30 days before: 2 min 4 s.",
        "Deploy time 31 s ✓ met target < 2 min",
        "The same as in the 30 days before: 30.5 s.",
        "Success rate 88.9 % ✕ missed target > 95 %",
        "Worse than in the 30 days before: 93 %.",
        "Failed deployment recovery time 21 min ✓ met target < 30 min",
        "Deployment frequency 0.53 a day ✕ missed target ≥ 1 a day",
        "Change lead time 1 h 30 min ✓ met target < 1 d",
        "Change fail rate 6.25 % ✓ met target ≤ 15 %",
    ):
        assert words in said
    labels = re.findall(r'<svg class="chart" role="img" aria-label="([^"]*)"', html)
    assert len([label for label in labels if "target" in label]) == len(CHARTS)


def test_what_is_unknown_is_no_failure_and_says_why() -> None:
    html = service_report(kpi_documents.kpis(kpi_documents.empty()), "api")
    said = text(html)
    assert "api in dev: no figures yet" in said
    assert said.count("unknown target") == len(CHARTS)
    assert "No receipts." in said
    assert "<svg" not in html


def test_unknown_targets_count_for_neither_side() -> None:
    quiet = changed("failedDeploymentRecoveryTime", value=None, status="unknown", why="no failure")
    said = text(service_report(kpi_documents.kpis(quiet), "api"))
    assert "api in dev: 4 of 6 targets are met, 1 unknown" in said


def test_targets_of_the_configuration_are_the_ones_that_are_shown() -> None:
    strict = changed("buildTime", target=60.0, status="missed")
    assert "Build time 1 min 32 s ✕ missed target < 1 min" in text(
        service_report(kpi_documents.kpis(strict), "api")
    )


def test_deliveries_are_listed_newest_first_and_what_failed_tells_when_it_was_mended() -> None:
    said = text(service_report(kpi_documents.kpis(kpi_documents.service()), "api"))
    table = said.partition("Deliveries All 17, newest first")[2]
    assert table.index("25 Nov 2026") < table.index("28 Oct 2026")
    assert "✕ failed, mended after 21 min 9 Nov 2026, 23:24 UTC" in table
    assert "↩ rolled back" in table


def test_many_deliveries_are_cut_in_the_table_which_says_so() -> None:
    service = kpi_documents.service()
    service["deployments"] = [kpi_documents.delivery(number, 29 - number / 10) for number in range(200)]
    said = text(service_report(kpi_documents.kpis(service), "api"))
    assert "Deliveries The newest 25 of 200" in said


def test_image_over_time_is_of_the_window_s_receipts() -> None:
    receipts = [
        {**runs.earlier("api"), "startedAt": "2026-11-20T14:11:22.000Z"},
        {**runs.run(runs.service("api")), "startedAt": "2026-11-24T05:15:00.000Z"},
        {**runs.run(runs.service("api")), "startedAt": "2026-01-01T05:15:00.000Z"},
    ]
    html = service_report(kpi_documents.kpis(kpi_documents.service()), "api", receipts=receipts)
    assert "Image size 44.9 MB" in text(html)
    assert "Findings in the image 2 HIGH, 5 MEDIUM, 11 LOW" in text(html)
    assert "1 Jan" not in html
    assert "The image over time" not in text(
        service_report(kpi_documents.kpis(kpi_documents.service()), "api")
    )


def test_history_that_cannot_be_read_is_said() -> None:
    broken = {**kpi_documents.empty(), "problem": "apps/<api>/values.yaml is not there"}
    assert "Nothing could be read apps/<api>/values.yaml is not there" in text(
        service_report(kpi_documents.kpis(broken), "api")
    )


def test_author_is_text_whatever_it_is() -> None:
    service = kpi_documents.service()
    for row in service["deployments"]:
        row |= {"author": "<script>alert(1)</script>", "tag": "<img src=x>"}
    html = service_report(kpi_documents.kpis(service, notes=["<script>"]), "api")
    assert "<script" not in html
    assert "<img" not in html


@pytest.mark.parametrize(
    ("unit", "amount", "said"),
    [
        ("seconds", 300, "5 min"),
        ("seconds", 4.24, "4.2 s"),
        ("ratio", 0.9, "90 %"),
        ("perDay", 1.34, "1.3 a day"),
    ],
)
def test_value_is_in_words(unit: str, amount: float, said: str) -> None:
    assert value(unit, amount) == said


@pytest.mark.parametrize(
    ("low", "high", "marks"),
    [
        (0, 1, [0, 1]),
        (-1, 2, [-1, 0, 1, 2]),
        (-4, 10, [0, 5, 10]),
        (-6, 3, [-6, -3, 0, 3]),
        (0, 21, [0, 7, 14, 21]),
    ],
)
def test_what_is_counted_is_marked_in_whole_numbers(low: int, high: float, marks: list[int]) -> None:
    assert whole(low, high) == marks
