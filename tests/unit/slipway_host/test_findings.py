import dataclasses
import datetime as dt

import pytest

from slipway_host.environments import Scan
from slipway_host.errors import ScanFindingsError, ScannerError, SettingsError
from slipway_host.findings import Findings, check_ignore_file, merged, read_report
from slipway_host.vulnerability_db import VulnerabilityDB

REPORT = {
    "SchemaVersion": 2,
    "Metadata": {"ImageID": "sha256:abc"},
    "Results": [
        {
            "Target": "go.mod",
            "Vulnerabilities": [
                {"VulnerabilityID": "CVE-1", "PkgName": "low", "Severity": "LOW", "FixedVersion": "2"},
                {"VulnerabilityID": "CVE-2", "PkgName": "bad", "Severity": "CRITICAL"},
            ],
            "ExperimentalModifiedFindings": [
                {"Statement": "until the update", "Finding": {"VulnerabilityID": "CVE-9"}}
            ],
        },
        {"Target": "a/key", "Secrets": [{"RuleID": "aws-key", "Severity": "CRITICAL", "StartLine": 3}]},
        {
            "Target": "Dockerfile",
            "Misconfigurations": [
                {"ID": "DS-1", "Title": "root", "Severity": "HIGH", "Status": "FAIL"},
                {"ID": "DS-2", "Title": "fine", "Severity": "HIGH", "Status": "PASS"},
            ],
        },
    ],
}


@pytest.fixture
def findings() -> Findings:
    return read_report(REPORT, what="source")


def test_counts_every_kind_and_leaves_out_what_passed(findings: Findings) -> None:
    assert findings.summary == "2 CRITICAL, 1 HIGH, 1 LOW, 1 suppressed"
    assert findings.suppressed == ("CVE-9: until the update",)
    assert findings.worst == (
        "CVE-2 in bad (not fixed yet)",
        "aws-key in a/key:3",
        "DS-1 in Dockerfile (root)",
    )
    assert findings.image_ids == {"sha256:abc"}


def database(*, days: float, source: str = "mirror.example/db:2") -> VulnerabilityDB:
    return VulnerabilityDB(
        updated=dt.datetime(2026, 11, 24, tzinfo=dt.UTC), age=dt.timedelta(days=days), source=source
    )


def test_age_of_the_database_is_shown() -> None:
    found = read_report({"SchemaVersion": 2}, what="source", database=database(days=0.5))
    assert found.summary == "no findings (database of 2026-11-24)"
    assert found.document["database"] == {
        "updatedAt": "2026-11-24T00:00:00Z",
        "ageHours": 12,
        "cached": False,
        "source": "mirror.example/db:2",
    }


def test_cached_database_is_called_one(findings: Findings) -> None:
    """Fault 15: with its age, in the summary and in the receipt."""
    found = dataclasses.replace(findings, database=database(days=3, source=""))
    assert "(database of 2026-11-24, 3 days old, a cached copy, since no mirror answers)" in found.summary
    assert found.document["database"] == {
        "updatedAt": "2026-11-24T00:00:00Z",
        "ageHours": 72,
        "cached": True,
    }


@pytest.mark.parametrize("days", [6.9, 7.1])
def test_stale_database_is_a_scanner_that_could_not_scan(days: float) -> None:
    """Fault 17: in prod after a week, in dev never."""
    found = read_report({"SchemaVersion": 2}, what="image", database=database(days=days))
    found.gate(Scan(), environment="dev")
    found.gate(Scan(gate="fail", maxDatabaseAgeDays=None), environment="prod")
    prod = Scan(gate="fail")
    if days < 7:
        found.gate(prod, environment="prod")
        return
    with pytest.raises(
        ScannerError, match=r"prod takes no .* older than 7 days; in the image, .* no findings"
    ):
        found.gate(prod, environment="prod")
    with pytest.raises(ScannerError, match="older than 3 days"):
        found.gate(Scan(maxDatabaseAgeDays=3), environment="dev")


def test_system_at_its_end_of_life_is_shown_and_refused_where_asked() -> None:
    """Fault 17: no findings in it mean that nobody looks any more."""
    report = {"SchemaVersion": 2, "Metadata": {"OS": {"Family": "debian", "Name": "9.13", "EOSL": True}}}
    found = read_report(report, what="image")
    assert found.summary == "no findings, debian 9.13 is end-of-life"
    assert (found.document["os"], found.document["endOfLife"]) == ("debian 9.13", True)
    found.gate(Scan(gate="fail"), environment="prod")
    found.gate(Scan(gate="report", refuseEndOfLife=True), environment="dev")
    with pytest.raises(
        ScanFindingsError, match=r"the image's debian 9\.13 is end-of-life, which prod refuses"
    ):
        found.gate(Scan(gate="fail", refuseEndOfLife=True), environment="prod")


def test_gate_counts_from_its_severity_up(findings: Findings) -> None:
    with pytest.raises(ScanFindingsError, match=r"3 finding\(s\) of HIGH or higher in the source"):
        findings.gate(Scan(gate="fail", severity="HIGH"), environment="prod")


def test_gate_may_leave_out_what_nothing_fixes(findings: Findings) -> None:
    with pytest.raises(ScanFindingsError, match=r"1 finding\(s\) of CRITICAL.*aws-key"):
        findings.gate(Scan(gate="fail", fixableOnly=True), environment="prod")


def test_gate_may_leave_out_what_runs_already(findings: Findings) -> None:
    policy = Scan(gate="fail", onlyNew=True)
    known = frozenset({("CVE-2", "bad")})
    with pytest.raises(ScanFindingsError, match=r"1 finding\(s\) of CRITICAL.*aws-key"):
        findings.gate(policy, environment="prod", known=known)
    findings.gate(policy, environment="prod", known=findings.keys)
    with pytest.raises(ScanFindingsError):
        findings.gate(Scan(gate="fail"), environment="prod", known=findings.keys)


def test_report_only_never_stops(findings: Findings) -> None:
    findings.gate(Scan(gate="report", severity="LOW"), environment="dev")


def test_another_format_is_a_broken_scanner_and_no_clean_bill() -> None:
    with pytest.raises(ScannerError):
        read_report({"SchemaVersion": 1, "Results": []}, what="image")


def test_ignored_finding_needs_an_end() -> None:
    good = "vulnerabilities:\n  - id: CVE-1\n    expired_at: 2027-01-01\n"
    check_ignore_file(good, path="x")
    check_ignore_file("", path="x")
    for bad in (
        "vulnerabilities:\n  - id: CVE-1\n",
        good + "secrets:\n  - id: S\n",
        "misconfigurations: [X]\n",
    ):
        with pytest.raises(SettingsError, match="has no expired_at"):
            check_ignore_file(bad, path="x")
    with pytest.raises(SettingsError, match="not YAML"):
        check_ignore_file("a: [", path="x")


def test_platforms_are_named_where_not_all_have_the_finding() -> None:
    def of(image_id: str, *packages: str) -> Findings:
        found = [{"VulnerabilityID": "CVE-1", "PkgName": name, "Severity": "HIGH"} for name in packages]
        report = {"SchemaVersion": 2, "Metadata": {"ImageID": image_id}}
        return read_report({**report, "Results": [{"Vulnerabilities": found}]}, what="image")

    both = merged({"linux/amd64": of("sha256:a", "libc"), "linux/arm64": of("sha256:b", "libc", "qemu")})

    assert both.worst == (
        "CVE-1 in libc (not fixed yet)",
        "CVE-1 in qemu for linux/arm64 (not fixed yet)",
    )
    assert both.counts["HIGH"] == 2
    assert both.image_ids == {"sha256:a", "sha256:b"}
    # What runs on one platform already is not new on another.
    assert both.keys == {("CVE-1", "libc"), ("CVE-1", "qemu")}
