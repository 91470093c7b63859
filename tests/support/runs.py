"""Receipts like those of real runs: what they say is what the examples' deploys said on the lab."""

from __future__ import annotations

import datetime as dt
import hashlib
from typing import Any

Json = dict[str, Any]
BEGAN = dt.datetime(2026, 11, 24, 5, 15, tzinfo=dt.UTC)
COMMIT = "b99fccd2a1c04d7e9f7d6d1b2f0e7a6b5c4d3e2f"
GITOPS = "5180b43c9e8d7c6b5a493827161504f3e2d1c0b9"
DIGEST = "sha256:51372c7e88b0" + "0d" * 26
# Stage, when it began in seconds after the run's begin, seconds, what it said.
CHAIN = (
    ("preflight", 1.2, 0.5, "Argo CD has {app} (Synced at 3dba938a, Healthy, last operation Succeeded)"),
    ("test", 1.2, 64.2, "`go vet ./... && go test ./...` passed"),
    ("scan-source", 1.2, 9.6, "1 LOW (database of 2026-11-24)"),
    ("build", 1.3, 61.6, "10.86.0.1:5000/mosuon/{app}:b99fccd2"),
    ("scan-image", 62.9, 2.7, "2 HIGH, 5 MEDIUM, 11 LOW (database of 2026-11-24)"),
    ("push", 65.6, 0.3, "10.86.0.1:5000/mosuon/{app}:b99fccd2, digest sha256:51372c7e88b0…"),
    ("secrets", 65.6, 0.2, "Secret {app}-secrets in namespace game-stats: created; pull secret: written"),
    ("database", 65.8, 0.5, "database {app}, owned by {app}: made"),
    ("gitops", 66.3, 0.3, "tag b99fccd2 on main: commit 5180b43c"),
    ("sync", 66.6, 1.0, "Synced at 5180b43c, Progressing, last operation Succeeded"),
    ("rollout", 67.6, 17.9, "Deployment/{app}: all 2 pods are updated and available"),
    ("health", 85.5, 1.0, "2 pods answer /health with 2xx"),
    ("proof", 86.5, 0.1, "Synced at 5180b43c, Healthy, 2 ready pods run " + DIGEST),
)
SEVERITIES = ("UNKNOWN", "LOW", "MEDIUM", "HIGH", "CRITICAL")


def counts(**found: int) -> dict[str, int]:
    return {name: found.get(name.lower(), 0) for name in SEVERITIES}


def layers(*sizes: int) -> list[Json]:
    """Layers whose digests follow from place and size: the same size at the same place is the same layer."""
    return [
        {"digest": f"sha256:{hashlib.sha256(f'{at} {size}'.encode()).hexdigest()}", "size": size}
        for at, size in enumerate(sizes)
    ]


def instant(seconds: float) -> str:
    moment = BEGAN + dt.timedelta(seconds=seconds)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def stages(app: str, *, until: str = "proof", failed: str = "", slower: float = 1) -> list[Json]:
    """Return the chain up to a stage, the last one with `failed` as its cause where there is one."""
    found: list[Json] = []
    for name, began, seconds, said in CHAIN:
        stage: Json = {
            "stage": name,
            "status": "Failed" if failed and name == until else "Succeeded",
            "startedAt": instant(began * slower),
            "seconds": round(seconds * slower, 2),
            "summary": failed if failed and name == until else said.format(app=app),
        }
        found.append(stage)
        if name == until:
            break
    return found


def service(app: str, *, slower: float = 1, **facts: Any) -> Json:
    """Return a deployed service's part of a receipt; `facts` change what they name."""
    chain = stages(app, slower=slower)
    outputs: dict[str, Json] = {
        "scan-source": {"counts": counts(low=1), "worst": ["DS-0026 in Dockerfile (No HEALTHCHECK defined)"]},
        "scan-image": {
            "counts": counts(high=2, medium=5, low=11),
            "worst": [
                "CVE-2026-31337 in openssl (fixed: 3.5.4-1~deb13u2)",
                "CVE-2026-20812 in libcurl4 (not fixed yet)",
            ],
        },
        "push": {"digest": DIGEST, "layers": {"linux/amd64": layers(29_400_000, 1_310_000, 14_200_000, 812)}},
        "gitops": {"commit": GITOPS},
    }
    for stage in chain:
        if stage["stage"] in outputs:
            stage["outputs"] = outputs[stage["stage"]]
    return {
        "service": app,
        "status": "Deployed",
        "app": app,
        "namespace": "game-stats",
        "image": f"10.86.0.1:5000/mosuon/{app}@{DIGEST}",
        "digest": DIGEST,
        "argocdRevision": GITOPS,
        "pods": [{"name": f"{app}-6f5fd84859-g76cf"}, {"name": f"{app}-6f5fd84859-x2x9q"}],
        "stages": chain,
        **facts,
    }


def failed(app: str, stage: str, cause: str, *, landed: str, command: str) -> Json:
    """Return a service that came to a stage, and no further."""
    return {
        "service": app,
        "status": "Failed",
        "app": app,
        "namespace": "game-stats",
        "error": f"{stage}: {cause}. Landed: {landed}. Next: {command}",
        "stages": stages(app, until=stage, failed=cause),
    }


def run(*services: Json, **facts: Any) -> Json:
    """Return a run's receipt."""
    ends = [
        dt.datetime.fromisoformat(stage["startedAt"]) + dt.timedelta(seconds=stage["seconds"])
        for service in services
        for stage in service["stages"]
    ]
    seconds = (max(ends) - BEGAN).total_seconds() if ends else 0.4
    return {
        "receiptVersion": 1,
        "run": "20261124T051500-1f3a",
        "environment": "dev",
        "commit": COMMIT,
        "tag": COMMIT[:8],
        "source": "https://git.example.com/mosuon/game-stats.git",
        "gitopsCommit": GITOPS,
        "startedAt": instant(0),
        "finishedAt": instant(seconds),
        "changed": any(service["status"] == "Deployed" for service in services),
        "seconds": seconds,
        "services": list(services),
        **facts,
    }


def earlier(app: str) -> Json:
    """Return the receipt of the deploy before: another application layer, other findings."""
    one = service(app)
    for stage in one["stages"]:
        if stage["stage"] == "scan-image":
            stage["outputs"] = {"counts": counts(critical=1, high=1, medium=5, low=14), "worst": []}
        if stage["stage"] == "push":
            kept = {"linux/amd64": layers(29_400_000, 1_310_000, 12_800_000, 812)}
            stage["outputs"] = {"digest": DIGEST, "layers": kept}
    return run(one, run="20261120T141122-77aa", startedAt="2026-11-20T14:11:22.000Z", tag="3f2a91bc")
