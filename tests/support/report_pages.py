"""The reports that tests and documentation look at, by name."""

from __future__ import annotations

from slipway_host.run_report import run_report
from slipway_host.service_report import service_report
from support import kpi_documents, runs

CRASH = (
    "Deployment/worker: pod worker-7d4b9c6f8-k2xvq: container app is in CrashLoopBackOff (exit code 1, "
    "3 restarts): KeyError: 'QUEUE_URL'"
)
LANDED = "push (10.86.0.1:5000/mosuon/worker:b99fccd2); gitops (tag b99fccd2 on main: commit 5180b43c)"


def one() -> str:
    """One service, deployed."""
    return run_report(
        runs.run(runs.service("api")),
        {"api": runs.earlier("api")},
        by="Nadia Okoro",
        subject="Scores of a season, not only of a game",
    )


def three() -> str:
    """Three services, of which one fails while it rolls out."""
    services = [
        runs.service("api"),
        runs.service("ui", slower=0.5),
        runs.failed(
            "worker", "rollout", CRASH, landed=LANDED, command="dagger call rollback --service=worker"
        ),
    ]
    return run_report(runs.run(*services), {name: runs.earlier(name) for name in ("api", "ui")})


def failed() -> str:
    """A run that ended in its first minute."""
    cause = "`go test ./...` failed with exit code 1: --- FAIL: TestScores (0.01s)"
    command = "correct the code, then dagger call deploy"
    return run_report(runs.run(runs.failed("api", "test", cause, landed="nothing", command=command)), {})


def waiting() -> str:
    """A run that proposed its commit, and a rollback beside it."""
    address = "https://git.example.com/mosuon/mosuon-devops-k8s/pulls/7"
    services = [
        runs.service("api", status="Waiting", pullRequest=address, pods=[], argocdRevision=""),
        runs.service("ui", rollback={"from": "b99fccd2", "to": "3f2a91bc"}),
    ]
    return run_report(runs.run(*services), {}, doubt="main has no commit 5180b43c")


def service() -> str:
    """A service's last 30 days."""
    receipts = [
        {**(runs.run(runs.service("api")) if number % 5 else runs.earlier("api")), "startedAt": row["at"]}
        for number, row in enumerate(kpi_documents.deliveries())
    ]
    return service_report(kpi_documents.kpis(kpi_documents.service()), "api", receipts=receipts)


def unknown() -> str:
    """A service that was never deployed."""
    return service_report(kpi_documents.kpis(kpi_documents.empty()), "api")


PAGES = {
    "one": one,
    "three": three,
    "failed": failed,
    "waiting": waiting,
    "service": service,
    "unknown": unknown,
}
