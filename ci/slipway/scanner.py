"""Trivy: one run gives JSON, everything else is made from it. The scanner gets no secret.

"Found something" and "could not scan" never look alike: Trivy runs without `--exit-code`, so a non-zero end
is a broken scanner, and the gate counts findings in the JSON itself (fault 14).
"""

import datetime as dt
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import dagger
from dagger import dag

from slipway_host.errors import ScanFindingsError, TerminalError, quote

if TYPE_CHECKING:
    from slipway_host.config import Scan, Scanner

CACHE = "/trivy"
REPORT = "/report.json"
SEVERITIES = ("UNKNOWN", "LOW", "MEDIUM", "HIGH", "CRITICAL")
LISTED = 3


class ScannerError(TerminalError):
    """The scanner did not do its work: nothing is known about findings."""


@dataclass(frozen=True, kw_only=True)
class Findings:
    """What one scan found.

    Args:
        what: `source` or `image`.
        counts: severity → number of findings.
        worst: the gravest findings, one line each.
        image_id: digest of the scanned image's config, "" for source.
    """

    what: str
    counts: dict[str, int]
    worst: tuple[str, ...]
    image_id: str

    def at_least(self, severity: str) -> int:
        """Return the number of findings of this severity or a higher one."""
        bound = SEVERITIES.index(severity)
        return sum(n for name, n in self.counts.items() if SEVERITIES.index(name) >= bound)

    @property
    def summary(self) -> str:
        """The counts, gravest first."""
        said = [f"{self.counts[name]} {name}" for name in reversed(SEVERITIES) if self.counts[name]]
        return ", ".join(said) or "no findings"

    def gate(self, policy: "Scan", *, environment: str) -> None:
        """Stop where the environment's policy refuses these findings.

        Raises:
            ScanFindingsError: the gate is `fail` and findings reach its severity.
        """
        count = self.at_least(policy.severity)
        if policy.gate == "fail" and count:
            worst = "; ".join(self.worst)
            raise ScanFindingsError(
                f"{count} finding(s) of {policy.severity} or higher in the {self.what}, which "
                f"{environment} refuses: {worst}",
                next_command="update the packages named, then run the same command",
            )


def _trivy(scanner: "Scanner") -> dagger.Container:
    return dag.container().from_(scanner.image)


def _database(scanner: "Scanner") -> dagger.Directory:
    """Return today's vulnerability database; asked for once a day and engine."""
    today = f"{dt.datetime.now(dt.UTC):%Y-%m-%d}"
    download = ["trivy", "--cache-dir", CACHE, "image", "--download-db-only", "--no-progress"]
    return (
        _trivy(scanner)
        .with_env_variable("SLIPWAY_DATABASE_OF", today)
        .with_exec([*download, "--db-repository", scanner.database])
        .directory(f"{CACHE}/db")
    )


@dataclass(frozen=True, kw_only=True)
class Scanned:
    """A finished scan: what was found, and the container that holds Trivy's own report."""

    findings: Findings
    container: dagger.Container

    async def table(self) -> str:
        """Return Trivy's own table, made from the report: nothing is scanned twice."""
        return await self.container.with_exec(["trivy", "convert", "--format", "table", REPORT]).stdout()


async def _scan(scanner: "Scanner", container: dagger.Container, command: list[str], what: str) -> Scanned:
    flags = ["--cache-dir", CACHE, "--skip-db-update", "--skip-version-check", "--no-progress"]
    flags += ["--offline-scan", "--format", "json", "--output", REPORT]
    done = container.with_mounted_directory(f"{CACHE}/db", _database(scanner)).with_exec(
        ["trivy", *command[:1], *flags, *command[1:]]
    )
    try:
        text = await done.file(REPORT).contents()
    except dagger.ExecError as error:
        raise ScannerError(
            f"could not scan the {what}: {quote(error.stderr or error.stdout)}",
            next_command="run the same command; scanner.image and scanner.database name its sources",
        ) from error
    return Scanned(findings=read_report(json.loads(text), what=what), container=done)


async def scan_source(scanner: "Scanner", tree: dagger.Directory) -> Scanned:
    """Scan source files for known vulnerabilities and for secrets in them."""
    container = _trivy(scanner).with_mounted_directory("/src", tree)
    command = ["filesystem", "--scanners", "vuln,secret", "--cache-backend", "memory", "/src"]
    return await _scan(scanner, container, command, "source")


async def scan_image(scanner: "Scanner", image: dagger.Container) -> Scanned:
    """Scan a built image before it is pushed anywhere."""
    layers = dag.cache_volume("slipway-trivy-layers")
    container = (
        _trivy(scanner)
        # One scan at a time: Trivy locks its layer cache and gives up when it has to wait.
        .with_mounted_cache(f"{CACHE}/fanal", layers, sharing=dagger.CacheSharingMode.LOCKED)
        .with_mounted_file("/image.tar", image.as_tarball())
    )
    command = ["image", "--scanners", "vuln,secret", "--input", "/image.tar"]
    return await _scan(scanner, container, command, "image")


def read_report(report: dict[str, Any], *, what: str) -> Findings:
    """Return the findings of a Trivy JSON report (schema version 2).

    Raises:
        ScannerError: it is no such report.
    """
    if report.get("SchemaVersion") != 2:  # noqa: PLR2004 - the only one there is
        raise ScannerError(f"the {what}'s report has no schema version 2")
    counts = dict.fromkeys(SEVERITIES, 0)
    lines: list[tuple[int, str]] = []
    for result in report.get("Results") or []:
        for finding in result.get("Vulnerabilities") or []:
            severity = finding.get("Severity", "UNKNOWN")
            counts[severity] += 1
            fixed = finding.get("FixedVersion") or "no version yet"
            line = f"{finding['VulnerabilityID']} in {finding['PkgName']} (fixed: {fixed})"
            lines.append((-SEVERITIES.index(severity), line))
        for finding in result.get("Secrets") or []:
            severity = finding.get("Severity", "UNKNOWN")
            counts[severity] += 1
            where = f"{result.get('Target', '')}:{finding.get('StartLine', 0)}"
            lines.append((-SEVERITIES.index(severity), f"{finding['RuleID']} in {where}"))
    image_id = (report.get("Metadata") or {}).get("ImageID", "")
    worst = tuple(quote(line, limit=120) for _, line in sorted(lines)[:LISTED])
    return Findings(what=what, counts=counts, worst=worst, image_id=image_id)
