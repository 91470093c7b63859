"""What Trivy found, read from its JSON report, and what an environment's policy says to it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from slipway_host.errors import ScanFindingsError, SettingsError, TerminalError, quote

if TYPE_CHECKING:
    from slipway_host.config import Scan

SEVERITIES = ("UNKNOWN", "LOW", "MEDIUM", "HIGH", "CRITICAL")
LISTED = 3
# https://trivy.dev/docs/latest/configuration/filtering/#trivyignoreyaml
SECTIONS = ("vulnerabilities", "misconfigurations", "secrets", "licenses")


class ScannerError(TerminalError):
    """The scanner did not do its work: nothing is known about findings."""


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
        database: day on which the vulnerability database was made, `2026-11-24`.
    """

    what: str
    items: tuple[Finding, ...]
    suppressed: tuple[str, ...] = ()
    image_ids: frozenset[str] = frozenset()
    database: str = ""

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
        """The counts, gravest first, how many findings are suppressed, and how old the database is."""
        counts = self.counts
        said = [f"{counts[name]} {name}" for name in reversed(SEVERITIES) if counts[name]]
        hidden = [f"{len(self.suppressed)} suppressed"] if self.suppressed else []
        age = f" (database of {self.database})" if self.database else ""
        return (", ".join([*said, *hidden]) or "no findings") + age

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
            ScanFindingsError: the gate is `fail` and findings reach its severity.
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


def read_report(report: dict[str, Any], *, what: str, database: str = "") -> Findings:
    """Return the findings of a Trivy JSON report (schema version 2).

    Args:
        report: the report.
        what: `source` or `image`.
        database: when the vulnerability database was made, ISO 8601.

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
    image_id = (report.get("Metadata") or {}).get("ImageID")
    return Findings(
        what=what,
        items=tuple(items),
        suppressed=tuple(suppressed),
        image_ids=frozenset({image_id} if image_id else ()),
        database=database[:10],
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
