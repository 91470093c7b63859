"""R5: what a seeded CRITICAL finding, an ignore file, an old system and no database do in dev and in prod.

The tests of this file are one story and run in their order. The image is Debian's Python with git, in which
the lab's vulnerability database has a CRITICAL finding, once for each of its two packages.
"""

import json
from typing import Any

from support.app import App

PROD = ["--environment=prod"]
FINDING = "CVE-2099-0001"
MIRROR = "10.86.0.1:5001/aquasecurity/trivy-db:2"
NOBODY = "10.86.0.1:5001/nobody/trivy-db:2"
IGNORED = f"vulnerabilities:\n  - id: {FINDING}\n    statement: until the update\n"
EXPIRES = "    expired_at: 2099-01-01\n"
GATE = "\nenvironments:\n  prod:\n    scan: {onlyNew: true}\n\nservices:"


def stage(out: str, name: str) -> dict[str, Any]:
    stages = json.loads(out)["services"][0]["stages"]
    return next(found for found in stages if found["stage"] == name)


def test_dev_reports_and_deploys(app: App) -> None:
    # Fault 15: the first mirror does not have it. Fault 21: links that lead in circles, and out.
    app.edit("slipway.yaml", f"[{MIRROR}]", f"[{NOBODY}, {MIRROR}]")
    for name, target in (("loop", "."), ("a", "b"), ("b", "a"), ("out", "/etc/passwd")):
        (app.folder / name).symlink_to(target)
    app.edit("Dockerfile", "gcr.io/distroless/static-debian13:nonroot", "docker.io/library/python:3.13")

    done = app.call("deploy", "--receipt-only")

    assert done.code == 0, done.error
    scan = stage(done.out, "scan-image")
    assert scan["outputs"]["counts"]["CRITICAL"] == 2
    assert scan["outputs"]["worst"][0].startswith(f"{FINDING} in git")
    assert scan["outputs"]["database"]["source"] == MIRROR
    assert scan["outputs"]["os"].startswith("debian 13")
    assert scan["outputs"]["endOfLife"] is False


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

    # R18: the run's receipt says which stage stopped the commit, and why.
    walk = app.call("diagnose", "--head", "--as-json", before=PROD)
    assert walk.code == 0, walk.error
    (found,) = json.loads(walk.out)["services"]
    *_, run = app.receipts()  # prod comes after dev, in order of time
    assert (found["broken"], found["cause"]) == ("scan", f"scan-image of {commit[:8]} failed in run {run}")
    assert FINDING in found["evidence"]
    assert found["fix"] == f"dagger call --environment=prod scan --service={app.name}"


def test_no_worse_than_what_runs_is_good_enough_where_configured(app: App) -> None:
    app.edit("slipway.yaml", "\nservices:", GATE)
    done = app.call("deploy", "--receipt-only", before=PROD)
    assert done.code == 0, done.error
    assert stage(done.out, "scan-image")["outputs"]["counts"]["CRITICAL"] == 2


def test_ignored_finding_is_listed_and_has_to_expire(app: App) -> None:
    app.edit("slipway.yaml", GATE, "\nservices:")
    app.commit({".trivyignore.yaml": IGNORED + EXPIRES})
    scanned = app.call("scan", before=PROD)
    assert scanned.code == 0, scanned.error
    assert "2 suppressed" in scanned.out

    app.commit({".trivyignore.yaml": IGNORED})
    refused = app.call("scan", before=PROD)
    assert refused.code == 1
    assert f".trivyignore.yaml: vulnerabilities: {FINDING} has no expired_at" in refused.error


def test_change_cannot_bring_its_own_ignore_file_where_a_branch_s_counts(app: App) -> None:
    """Fault 18."""
    protected = app.commit({".trivyignore.yaml": None})
    app.edit("slipway.yaml", "scanner:\n", "scanner:\n  ignoreFrom: release\n")
    own = app.commit({".trivyignore.yaml": IGNORED + EXPIRES})

    absent = app.call("scan", before=PROD)
    assert absent.code == 1
    assert "this repository has no branch 'release', which scanner.ignoreFrom names" in absent.error
    assert "Next: git fetch origin release (in GitHub Actions: fetch-depth: 0)" in absent.error

    app.set_ref("refs/heads/release", own)
    app.set_ref("refs/remotes/origin/release", protected)
    refused = app.call("scan", before=PROD)
    assert refused.code == 1
    assert "2 finding(s) of CRITICAL or higher in the image" in refused.error

    app.set_ref("refs/remotes/origin/release", own)
    app.commit({".trivyignore.yaml": None})
    allowed = app.call("scan", before=PROD)
    assert allowed.code == 0, allowed.error
    assert "2 suppressed" in allowed.out
    app.edit("slipway.yaml", "scanner:\n  ignoreFrom: release\n", "scanner:\n")


def test_system_at_its_end_of_life_is_said_and_refused_where_asked(app: App) -> None:
    """Fault 17."""
    from_ = "FROM docker.io/library/python:3.13\n"
    old = "RUN echo 9.13 > /etc/debian_version && printf 'ID=debian\\nVERSION_ID=9\\n' > /etc/os-release\n"
    app.edit("Dockerfile", from_, from_ + old)
    said = app.call("scan")
    assert said.code == 0, said.error
    assert "debian 9.13 is end-of-life" in said.out

    app.edit("slipway.yaml", "\nservices:", GATE.replace("onlyNew", "refuseEndOfLife"))
    refused = app.call("scan", before=PROD)
    assert refused.code == 1
    assert "the image's debian 9.13 is end-of-life, which prod refuses" in refused.error
    app.edit("Dockerfile", old, "")


def test_broken_scanner_is_no_clean_bill(app: App) -> None:
    """Faults 14 to 16."""
    app.edit("slipway.yaml", f"[{NOBODY}, {MIRROR}]", f"[{NOBODY}]")

    closed = app.call("deploy", before=PROD)
    assert closed.code == 1
    assert "scan-source: not scanned: no vulnerability database" in closed.error, closed.error
    assert "oras cp ghcr.io/aquasecurity/trivy-db:2" in closed.error
    assert "Landed: nothing" in closed.error

    open_ = app.call("deploy", "--receipt-only")
    assert open_.code == 0, open_.error
    scan = stage(open_.out, "scan-image")
    assert scan["status"] == "Inconclusive"
    assert scan["summary"].startswith("not scanned: no vulnerability database")


def test_reports_are_for_machines_too(app: App) -> None:
    app.edit("slipway.yaml", NOBODY, MIRROR)
    folder = app.folder.parent / f"{app.name}-reports"
    done = app.call("scan-reports", "export", f"--path={folder}")
    assert done.code == 0, done.error
    reports = folder / app.name
    assert sorted(path.name for path in reports.iterdir()) == [
        f"{what}.{suffix}" for what in ("image", "source") for suffix in ("json", "sarif", "txt")
    ]
    assert json.loads((reports / "image.sarif").read_text())["version"] == "2.1.0"
    assert FINDING in (reports / "image.txt").read_text()
