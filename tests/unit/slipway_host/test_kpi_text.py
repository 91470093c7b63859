"""What people and Prometheus read of the figures; the latter by Prometheus' own parser."""

import json
from pathlib import Path

import jsonschema
import pytest
from prometheus_client.parser import text_string_to_metric_families

from slipway_host import kpi_report, kpis
from slipway_host.deployments import Story
from slipway_host.errors import SettingsError
from slipway_host.history import ROLLBACK
from slipway_host.kpi_figures import days, figures
from slipway_host.kpi_measures import Window
from slipway_host.kpi_report import KpiReport, ServiceKpis
from slipway_host.kpi_targets import KpiTargets
from slipway_host.kpi_text import amount
from support.kpi_stories import NOW, deploy, entry, first, run, told

SCHEMA = Path(__file__).parents[3] / "schema" / "kpis.schema.json"
MONTH = Window.of(30, NOW)


def kpis_of(name: str, *stories: Story) -> ServiceKpis:
    return ServiceKpis(
        service=name,
        figures=figures(stories, MONTH, KpiTargets()),
        days=days(stories, MONTH),
        deployments=tuple(event.deployment() for story in stories for event in story.events) if name else (),
    )


@pytest.fixture
def report() -> KpiReport:
    busy = told(
        first(),
        deploy(40, "v1"),
        deploy(9, "v2"),
        (8.5, entry("v1", kind=ROLLBACK)),
        runs=(run(39.9, of=1, build_s=61.6, deploy_s=30), run(8.9, of=2, build_s=400, deploy_s=70)),
    )
    quiet = told(first("latest"))
    return KpiReport(
        environment="dev",
        repository="https://git.invalid/acme/gitops.git",
        branch="main",
        head="1234abcd" * 5,
        since=MONTH.since,
        until=MONTH.until,
        days=30,
        together=kpis_of("", busy, quiet),
        services=(kpis_of("api", busy), kpis_of("ui", quiet)),
        notes=("clocks are right",),
    )


def said(report: KpiReport, *, as_json: bool = False, as_prometheus: bool = False) -> str:
    return kpis.said(report, as_json=as_json, as_prometheus=as_prometheus)


def test_the_table_says_value_target_judgement_and_on_what_it_is_based(report: KpiReport) -> None:
    lines = said(report).splitlines()
    assert lines[0] == (
        "dev: 2026-10-25 12:00 to 2026-11-24 12:00 UTC (30 days; of durations the median), "
        "main of https://git.invalid/acme/gitops.git at 1234abcd"
    )
    build = next(line for line in lines if "Build time" in line)
    assert build.split("  ")[1] == "Build time"
    for words in ("3.8 min", "6.7 min", "< 5 min", "met", "receipts of 2 builds"):
        assert words in build
    fails = next(line for line in lines if "Change fail rate" in line)
    for words in ("50.0 %", "≤ 15 %", "missed", "2 deployments, receipts and rollbacks"):
        assert words in fails
    quiet = next(line for line in lines if line.startswith("  ui "))
    assert quiet.split() == ["ui", "?", "?", "?", "?", "?", "?", "?"]
    assert lines[-1] == "note: clocks are right"


def test_json_is_as_its_schema_says(report: KpiReport) -> None:
    document = json.loads(said(report, as_json=True))
    schema = json.loads(SCHEMA.read_text())
    assert schema == kpi_report.json_schema()
    jsonschema.Draft202012Validator(schema).validate(document)
    strange = {**document, "together": {**document["together"], "figures": [{}]}}
    assert list(jsonschema.Draft202012Validator(schema).iter_errors(strange))
    api = document["services"][0]
    assert api["deployments"][1] == {
        "service": "api",
        "tag": "v2",
        "kind": "deployment",
        "at": "2026-11-24T03:06:00Z",
        "commit": report.services[0].deployments[1].commit,
        "source": "",
        "author": "Jo <jo@acme.invalid>",
        "failed": True,
        "recoverySeconds": 1800,
        "changes": 0,
        "leadSeconds": None,
        "buildSeconds": 400,
        "deploySeconds": 70,
        "run": "run-8.9",
    }


def test_each_field_of_the_schema_is_explained() -> None:
    schema = kpi_report.json_schema()
    parts = [schema, *(part for part in schema["$defs"].values())]
    fields = [(name, field) for part in parts for name, field in part["properties"].items()]
    assert len(fields) > 50
    assert [name for name, field in fields if not ("description" in field or "const" in field)] == []


def test_prometheus_reads_what_is_known_in_base_units(report: KpiReport) -> None:
    text = said(report, as_prometheus=True) + "\n"
    families = {family.name: family for family in text_string_to_metric_families(text)}
    assert all(family.type == "gauge" and family.documentation for family in families.values())
    assert all(name.startswith("slipway_") for name in families)
    samples = {
        (one.name, *sorted(one.labels.items())): one.value for f in families.values() for one in f.samples
    }
    assert len(samples) == sum(len(f.samples) for f in families.values())

    def value(name: str, service: str, **labels: str) -> float | None:
        return samples.get((name, *sorted({"service": service, "environment": "dev", **labels}.items())))

    assert value("slipway_build_duration_seconds", "api", quantile="0.5") == pytest.approx(230.8)
    assert value("slipway_build_duration_seconds", "api", quantile="0.95") == 400
    assert value("slipway_failed_deployment_recovery_seconds", "api", quantile="0.5") == 1800
    assert value("slipway_change_fail_ratio", "*") == 0.5
    assert value("slipway_deploy_success_ratio", "api") == 1
    assert (value("slipway_deployments", "api"), value("slipway_rollbacks", "api")) == (2, 1)
    assert value("slipway_kpi_target_met", "api", kpi="buildTime") == 1
    assert value("slipway_kpi_target_met", "api", kpi="changeFailRate") == 0
    # Of what is not known there is no sample that could be taken for a zero.
    assert value("slipway_deployments", "ui") is None
    assert value("slipway_kpi_target_met", "ui", kpi="deploymentFrequency") is None
    assert value("slipway_kpi_observations", "ui", kpi="deploymentFrequency") == 0
    assert samples["slipway_kpi_window_seconds", ("environment", "dev")] == 30 * 86400


def test_one_form_at_a_time(report: KpiReport) -> None:
    with pytest.raises(SettingsError, match="two forms"):
        said(report, as_json=True, as_prometheus=True)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.04, "0.0 s"), (119.9, "119.9 s"), (120, "2.0 min"), (7200, "2.0 h"), (172800, "2.0 d")],
)
def test_durations_are_short(seconds: float, text: str) -> None:
    assert amount(seconds, "seconds") == text
