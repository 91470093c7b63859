"""What a scan that could not be done, or not well enough, means for a run (faults 14 to 17)."""

import dataclasses
import datetime as dt
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, cast

import pytest

from slipway.chain import Chain
from slipway_host.environments import Environment, Scan
from slipway_host.errors import ConflictError, ScannerError
from slipway_host.findings import read_report
from slipway_host.progress import silent
from slipway_host.results import StageResult, Status
from slipway_host.vulnerability_db import VulnerabilityDB

pytestmark = pytest.mark.anyio

STALE = VulnerabilityDB(updated=dt.datetime(2026, 11, 1, tzinfo=dt.UTC), age=dt.timedelta(days=23), source="")
FOUND = read_report(
    {
        "SchemaVersion": 2,
        "Results": [{"Vulnerabilities": [{"VulnerabilityID": "CVE-1", "PkgName": "p", "Severity": "HIGH"}]}],
    },
    what="source",
    database=STALE,
)


@dataclass
class Scanner:
    """Finds what it is told to, or fails."""

    error: ScannerError | None = None

    async def source(self, context: str) -> Any:
        assert context == "."
        if self.error:
            raise self.error
        return SimpleNamespace(findings=FOUND)


def chain(policy: Scan, scanner: Scanner) -> Chain:
    work = SimpleNamespace(
        name="api",
        scanner=scanner,
        service=SimpleNamespace(context="."),
        environment=Environment(scan=policy),
        target=SimpleNamespace(environment="staging"),
    )
    return Chain(
        cast("Any", work),
        cast("Any", SimpleNamespace(report=silent)),
        cast("Any", None),
        signs=False,
        verifies=False,
    )


async def test_scanner_that_could_not_scan_is_inconclusive_or_stops_the_run() -> None:
    broken = Scanner(ScannerError("no database"))
    result = await chain(Scan(), broken)._scan("source", None)
    assert (result.status, result.summary, result.outputs) == (Status.INCONCLUSIVE, "no database", {})
    with pytest.raises(ScannerError, match="no database"):
        await chain(Scan(gate="fail"), broken)._scan("source", None)


async def test_stale_database_counts_as_one_and_shows_what_it_found() -> None:
    result = await chain(Scan(maxDatabaseAgeDays=7), Scanner())._scan("source", None)
    assert result.status is Status.INCONCLUSIVE
    assert result.summary.startswith("staging takes no vulnerability database older than 7 days")
    assert result.outputs["counts"]["HIGH"] == 1
    assert result.outputs["database"]["cached"] is True
    with pytest.raises(ScannerError, match="older than 7 days"):
        await chain(Scan(gate="fail"), Scanner())._scan("source", None)


async def test_scan_with_a_database_of_any_age_succeeds_where_none_is_too_old() -> None:
    result = await chain(Scan(), Scanner())._scan("source", None)
    assert result.status is Status.SUCCEEDED
    assert result.summary.startswith("1 HIGH (database of 2026-11-01, 23 days old, a cached copy")


async def test_image_that_was_not_scanned_is_not_taken_for_pushed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fault 20: the config's digest goes through scan and push."""

    async def publish_all(*_: object) -> StageResult:
        outputs = {"digest": "sha256:d", "imageIds": {"linux/amd64": "sha256:other"}}
        return StageResult(stage="push", status=Status.SUCCEEDED, summary="", outputs=outputs)

    monkeypatch.setattr("slipway.chain.publish_all", publish_all)
    scanned = chain(Scan(), Scanner())
    scanned._scans["image"] = dataclasses.replace(FOUND, image_ids=frozenset({"sha256:scanned"}))
    with pytest.raises(
        ConflictError, match=r"pushed \(sha256:other\) is not what was scanned \(sha256:scanned\)"
    ):
        await scanned._push(cast("Any", object()))
