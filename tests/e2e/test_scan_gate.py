"""R5: what a seeded CRITICAL finding, an ignore file and a broken scanner do in dev and in prod.

The tests of this file are one story and run in their order. The image is Debian's Python with git, in which
the lab's vulnerability database has a CRITICAL finding, once for each of its two packages.
"""

import json
from typing import Any

from support.app import App

PROD = ["--environment=prod"]
FINDING = "CVE-2099-0001"
GATE = "\nenvironments:\n  prod:\n    scan: {onlyNew: true}\n\nservices:"


def stage(out: str, name: str) -> dict[str, Any]:
    stages = json.loads(out)["services"][0]["stages"]
    return next(found for found in stages if found["stage"] == name)


def test_dev_reports_and_deploys(app: App) -> None:
    app.edit("Dockerfile", "gcr.io/distroless/static-debian13:nonroot", "docker.io/library/python:3.13")

    done = app.call("deploy", "--receipt-only")

    assert done.code == 0, done.error
    scan = stage(done.out, "scan-image")
    assert scan["outputs"]["counts"]["CRITICAL"] == 2
    assert scan["outputs"]["worst"][0].startswith(f"{FINDING} in git")


def test_prod_stops_before_the_push(app: App) -> None:
    before = app.gitops_head()
    commit = app.edit("main.go", '"drained"', '"drained well"')

    done = app.call("deploy", before=PROD)

    assert done.code == 1
    assert "scan-image: 2 finding(s) of CRITICAL or higher in the image, which prod refuses" in done.error
    assert FINDING in done.error
    assert "Landed: nothing" in done.error
    assert app.gitops_head() == before
    assert app.tags(commit[:8]) == []


def test_no_worse_than_what_runs_is_good_enough_where_configured(app: App) -> None:
    app.edit("slipway.yaml", "\nservices:", GATE)
    done = app.call("deploy", "--receipt-only", before=PROD)
    assert done.code == 0, done.error
    assert stage(done.out, "scan-image")["outputs"]["counts"]["CRITICAL"] == 2


def test_ignored_finding_is_listed_and_has_to_expire(app: App) -> None:
    app.edit("slipway.yaml", GATE, "\nservices:")
    entry = f"vulnerabilities:\n  - id: {FINDING}\n    statement: until the update\n"
    app.commit({".trivyignore.yaml": f"{entry}    expired_at: 2099-01-01\n"})
    scanned = app.call("scan", before=PROD)
    assert scanned.code == 0, scanned.error
    assert "2 suppressed" in scanned.out

    app.commit({".trivyignore.yaml": entry})
    refused = app.call("scan", before=PROD)
    assert refused.code == 1
    assert f".trivyignore.yaml: vulnerabilities: {FINDING} has no expired_at" in refused.error


def test_broken_scanner_is_no_clean_bill(app: App) -> None:
    app.commit({".trivyignore.yaml": None})
    app.edit("slipway.yaml", "5001/aquasecurity/trivy-db:2", "5001/nobody/trivy-db:2")

    closed = app.call("deploy", before=PROD)
    assert closed.code == 1
    assert "scan-source: could not scan the source" in closed.error, closed.error
    assert "Landed: nothing" in closed.error

    open_ = app.call("deploy", "--receipt-only")
    assert open_.code == 0, open_.error
    scan = stage(open_.out, "scan-image")
    assert scan["status"] == "Inconclusive"
    assert "could not scan the image" in scan["summary"]


def test_reports_are_for_machines_too(app: App) -> None:
    app.edit("slipway.yaml", "5001/nobody/trivy-db:2", "5001/aquasecurity/trivy-db:2")
    folder = app.folder.parent / f"{app.name}-reports"
    done = app.call("scan-reports", "export", f"--path={folder}")
    assert done.code == 0, done.error
    reports = folder / app.name
    assert sorted(path.name for path in reports.iterdir()) == [
        f"{what}.{suffix}" for what in ("image", "source") for suffix in ("json", "sarif", "txt")
    ]
    assert json.loads((reports / "image.sarif").read_text())["version"] == "2.1.0"
    assert FINDING in (reports / "image.txt").read_text()
