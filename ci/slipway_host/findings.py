"""What Trivy found, read from its JSON report, and what an environment's policy says to it."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from slipway_host.errors import ScanFindingsError, ScannerError, SettingsError, quote

if TYPE_CHECKING:
    from slipway_host.environments import Scan
    from slipway_host.vulnerability_db import VulnerabilityDB

SEVERITIES = ("UNKNOWN", "LOW", "MEDIUM", "HIGH", "CRITICAL")
LISTED = 3
# https://trivy.dev/docs/latest/configuration/filtering/#trivyignoreyaml
SECTIONS = ("vulnerabilities", "misconfigurations", "secrets", "licenses")


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One finding.

    Args:
        severity: one of `SEVERITIES`.
        id: CVE, check or rule.
        where: package, file or resource.
        fixed: the version that mends it; empty for a vulnerability that nothing mends yet.
        fixable: whether somebody can do something about it now.
        platforms: those whose image has it, where not all have.
    """

    severity: str
    id: str
    where: str
    fixed: str = ""
    fixable: bool = True
    platforms: tuple[str, ...] = ()

    def __str__(self) -> str:
        mended = f" (fixed: {self.fixed})" if self.fixed else "" if self.fixable else " (not fixed yet)"
        only = f" for {', '.join(self.platforms)}" if self.platforms else ""
        return quote(f"{self.id} in {self.where}{only}{mended}", limit=120)


@dataclass(frozen=True, kw_only=True)
class Findings:
    """What one scan found.

    Args:
        what: `source` or `image`.
        items: gravest first.
        suppressed: what the ignore file hides, as lines.
        image_ids: digests of the scanned images' configs, one for each platform; none for source.
        os: the image's operating system, `debian 13.1`; "" for source, and where there is none.
        end_of_life: that system gets no security updates any more.
        database: what was looked up; None in a report that nobody scanned for.
    """

    what: str
    items: tuple[Finding, ...]
    suppressed: tuple[str, ...] = ()
    image_ids: frozenset[str] = frozenset()
    os: str = ""
    end_of_life: bool = False
    database: VulnerabilityDB | None = None

    @property
    def counts(self) -> dict[str, int]:
        """Severity → number of findings."""
        found = dict.fromkeys(SEVERITIES, 0)
        for item in self.items:
            found[item.severity] += 1
        return found

    @property
    def worst(self) -> tuple[str, ...]:
        """The gravest findings, one line each."""
        return tuple(str(item) for item in self.items[:LISTED])

    @property
    def summary(self) -> str:
        """The counts, gravest first, what is suppressed or at its end of life, and the database's age."""
        counts = self.counts
        said = [f"{counts[name]} {name}" for name in reversed(SEVERITIES) if counts[name]] or ["no findings"]
        if self.suppressed:
            said.append(f"{len(self.suppressed)} suppressed")
        if self.end_of_life:
            said.append(f"{self.os} is end-of-life")
        age = f" ({self.database})" if self.database else ""
        return ", ".join(said) + age

    @property
    def document(self) -> dict[str, Any]:
        """The findings as JSON values, for the receipt."""
        return {
            "counts": self.counts,
            "worst": list(self.worst),
            "suppressed": list(self.suppressed),
            **({"os": self.os, "endOfLife": self.end_of_life} if self.os else {}),
            **({"database": self.database.document} if self.database else {}),
        }

    @property
    def keys(self) -> frozenset[tuple[str, str]]:
        """What tells findings of two scans apart: id and place, whatever became of severity and fix."""
        return frozenset((item.id, item.where) for item in self.items)

    def gate(
        self, policy: Scan, *, environment: str, known: frozenset[tuple[str, str]] = frozenset()
    ) -> None:
        """Stop where the environment's policy refuses these findings.

        Args:
            policy: the environment's.
            environment: its name.
            known: keys of findings that run already, for a policy that refuses only new ones.

        Raises:
            ScanFindingsError: the gate is `fail`, and findings reach its severity or the system is at its end
                of life where that is refused.
            ScannerError: the database is older than the policy takes.
        """
        bound = SEVERITIES.index(policy.severity)
        refused = [
            item
            for item in self.items
            if SEVERITIES.index(item.severity) >= bound
            and (item.fixable or not policy.fixable_only)
            and not (policy.only_new and (item.id, item.where) in known)
        ]
        if policy.gate == "fail" and refused:
            worst = "; ".join(str(item) for item in refused[:LISTED])
            raise ScanFindingsError(
                f"{len(refused)} finding(s) of {policy.severity} or higher in the {self.what}, which "
                f"{environment} refuses: {worst}",
                next_command="update the packages named, then run the same command",
            )
        if policy.gate == "fail" and policy.refuse_end_of_life and self.end_of_life:
            raise ScanFindingsError(
                f"the {self.what}'s {self.os} is end-of-life, which {environment} refuses: nobody says what "
                "is vulnerable in it",
                next_command="move to a base image that is maintained, then run the same command",
            )
        limit = policy.max_database_age_days
        if limit and self.database and self.database.age > dt.timedelta(days=limit):
            raise ScannerError(
                f"{environment} takes no vulnerability database older than {limit} days; "
                f"in the {self.what}, an older one shows {self.summary}",
                next_command="mend the mirrors in scanner.databases, then run the same command",
            )


def read_report(report: dict[str, Any], *, what: str, database: VulnerabilityDB | None = None) -> Findings:
    """Return the findings of a Trivy JSON report (schema version 2).

    Args:
        report: the report.
        what: `source` or `image`.
        database: what the scan looked up.

    Raises:
        ScannerError: it is no such report.
    """
    if report.get("SchemaVersion") != 2:  # noqa: PLR2004 - the only one there is
        raise ScannerError(f"the {what}'s report has no schema version 2")
    items: list[Finding] = []
    suppressed: list[str] = []
    for result in report.get("Results") or []:
        items += _items(result)
        for hidden in result.get("ExperimentalModifiedFindings") or []:
            found = hidden.get("Finding") or {}
            name = found.get("VulnerabilityID") or found.get("RuleID") or found.get("ID", "")
            suppressed.append(quote(f"{name}: {hidden.get('Statement') or 'no statement'}", limit=120))
    items.sort(key=_gravity)
    metadata = report.get("Metadata") or {}
    system = metadata.get("OS") or {}
    return Findings(
        what=what,
        items=tuple(items),
        suppressed=tuple(suppressed),
        image_ids=frozenset(filter(None, [metadata.get("ImageID")])),
        os=quote(f"{system.get('Family', '')} {system.get('Name', '')}", limit=40),
        end_of_life=bool(system.get("EOSL")),
        database=database,
    )


def merged(found: dict[str, Findings]) -> Findings:
    """Return the findings of one image's platforms as one: what several have is one finding.

    Args:
        found: platform → the findings of its image, all of one scanner.
    """
    platforms: dict[Finding, list[str]] = {}
    for platform, findings in found.items():
        for item in dict.fromkeys(findings.items):
            platforms.setdefault(item, []).append(platform)
    items = [
        item if len(has) == len(found) else replace(item, platforms=tuple(has))
        for item, has in platforms.items()
    ]
    return replace(
        next(iter(found.values())),
        items=tuple(sorted(items, key=_gravity)),
        suppressed=tuple(dict.fromkeys(line for each in found.values() for line in each.suppressed)),
        end_of_life=any(each.end_of_life for each in found.values()),
        image_ids=frozenset().union(*(each.image_ids for each in found.values())),
    )


def _gravity(item: Finding) -> tuple[int, str, str]:
    return -SEVERITIES.index(item.severity), item.id, item.where


def _items(result: dict[str, Any]) -> list[Finding]:
    target = result.get("Target", "")
    items = [
        Finding(
            severity=found.get("Severity", "UNKNOWN"),
            id=found["VulnerabilityID"],
            where=found["PkgName"],
            fixed=found.get("FixedVersion", ""),
            fixable=bool(found.get("FixedVersion")),
        )
        for found in result.get("Vulnerabilities") or []
    ]
    items += [
        Finding(
            severity=found.get("Severity", "UNKNOWN"),
            id=found["RuleID"],
            where=f"{target}:{found.get('StartLine', 0)}",
        )
        for found in result.get("Secrets") or []
    ]
    items += [
        Finding(
            severity=found.get("Severity", "UNKNOWN"),
            id=found.get("ID", ""),
            where=f"{target} ({found['Title']})",
        )
        for found in result.get("Misconfigurations") or []
        if found.get("Status", "FAIL") == "FAIL"
    ]
    return items


def check_ignore_file(text: str, *, path: str) -> None:
    """Refuse an ignore file with an entry that never expires (fault 18).

    Raises:
        SettingsError: no YAML, or an entry without `expired_at`; names it.
    """
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        document = YAML(typ="safe", pure=True).load(text) or {}
    except YAMLError as error:
        raise SettingsError(f"{path}: not YAML: {quote(str(error), limit=200)}") from error
    for section in SECTIONS:
        for entry in (document.get(section) if isinstance(document, dict) else None) or []:
            if not (isinstance(entry, dict) and entry.get("expired_at")):
                name = entry.get("id", "?") if isinstance(entry, dict) else entry
                raise SettingsError(
                    f"{path}: {section}: {name} has no expired_at: a finding may be ignored for a time, "
                    "not for ever",
                    next_command=f"add `expired_at: <date>` to the entry in {path}",
                )
