import pytest

from slipway_host.environments import Scan
from slipway_host.errors import ScanFindingsError, SettingsError
from slipway_host.findings import Findings, ScannerError, check_ignore_file, merged, read_report

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


def test_age_of_the_database_is_shown() -> None:
    found = read_report({"SchemaVersion": 2}, what="source", database="2026-11-24T06:12:00Z")
    assert found.summary == "no findings (database of 2026-11-24)"


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
