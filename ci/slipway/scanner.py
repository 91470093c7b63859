"""Trivy: one run gives JSON, everything else is made from it. The scanner gets no secret.

"Found something" and "could not scan" never look alike: Trivy runs without `--exit-code`, so a non-zero end
is a broken scanner, and the gate counts findings in the JSON itself (fault 14).
"""

import datetime as dt
import json
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import dagger
from dagger import dag

from slipway_host.errors import quote
from slipway_host.findings import Findings, ScannerError, check_ignore_file, read_report
from slipway_host.together import together

if TYPE_CHECKING:
    from slipway.checkout import Checkout
    from slipway.images import Image
    from slipway_host.config import Scanner

CACHE = "/trivy"
REPORT = "/report.json"
IGNORE = "/ignore.yaml"
FORMATS = {"json": "json", "sarif": "sarif", "table": "txt"}


@dataclass(frozen=True, kw_only=True)
class Scanned:
    """A finished scan: what was found, and the container that holds Trivy's own report.

    `platform` is the image's, where it has several.
    """

    findings: Findings
    container: dagger.Container
    platform: str = ""

    def report(self, kind: str) -> dagger.File:
        """Return the report as `json`, `sarif` or `table`: nothing is scanned twice."""
        if kind == "json":
            return self.container.file(REPORT)
        convert = ["trivy", "convert", "--format", kind, "--output", f"/report.{kind}", REPORT]
        return self.container.with_exec(convert).file(f"/report.{kind}")

    async def table(self) -> str:
        """Return Trivy's own table."""
        return await self.report("table").contents()


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


async def ignore_file(checkout: "Checkout") -> dagger.File | None:
    """Return the commit's ignore file, None where it has none.

    Raises:
        SettingsError: an entry in it never expires.
    """
    path = checkout.config.scanner.ignore_file
    if not await checkout.tree.exists(path):
        return None
    found = checkout.tree.file(path)
    check_ignore_file(await found.contents(), path=path)
    return found


async def _scan(
    scanner: "Scanner",
    container: dagger.Container,
    command: list[str],
    what: str,
    ignore: dagger.File | None,
) -> Scanned:
    flags = ["--cache-dir", CACHE, "--skip-db-update", "--skip-check-update", "--skip-version-check"]
    flags += ["--no-progress", "--offline-scan", "--format", "json", "--output", REPORT]
    if ignore:
        container = container.with_mounted_file(IGNORE, ignore)
        flags += ["--ignorefile", IGNORE, "--show-suppressed"]
    done = container.with_mounted_directory(f"{CACHE}/db", _database(scanner)).with_exec(
        ["trivy", *command[:1], *flags, *command[1:]]
    )
    try:
        text = await done.file(REPORT).contents()
        metadata = await _database(scanner).file("metadata.json").contents()
    except dagger.ExecError as error:
        raise ScannerError(
            f"could not scan the {what}: {quote((error.stderr or error.stdout)[-600:])}",
            next_command="run the same command; scanner.image and scanner.database name its sources",
        ) from error
    made = str(json.loads(metadata).get("UpdatedAt", ""))
    return Scanned(findings=read_report(json.loads(text), what=what, database=made), container=done)


async def scan_source(checkout: "Checkout", context: str, ignore: dagger.File | None) -> Scanned:
    """Scan a folder's files for vulnerabilities, secrets and misconfiguration."""
    scanner = checkout.config.scanner
    container = _trivy(scanner).with_mounted_directory("/src", checkout.tree.directory(context))
    command = ["filesystem", "--scanners", "vuln,secret,misconfig", "--cache-backend", "memory", "/src"]
    return await _scan(scanner, container, command, "source", ignore)


async def scan_image(checkout: "Checkout", image: "Image", ignore: dagger.File | None) -> list[Scanned]:
    """Scan an image, a built one before it is pushed anywhere; each of its platforms by itself."""
    variants = image.variants.items()
    named = not image.single
    return await together(
        *(partial(_scan_one, checkout, one, ignore, platform if named else "") for platform, one in variants)
    )


async def _scan_one(
    checkout: "Checkout", image: dagger.Container, ignore: dagger.File | None, platform: str
) -> Scanned:
    scanner = checkout.config.scanner
    layers = dag.cache_volume("slipway-trivy-layers")
    container = (
        _trivy(scanner)
        # One scan at a time: Trivy locks its layer cache and gives up when it has to wait.
        .with_mounted_cache(f"{CACHE}/fanal", layers, sharing=dagger.CacheSharingMode.LOCKED)
        .with_mounted_file("/image.tar", image.as_tarball())
    )
    command = ["image", "--scanners", "vuln,secret", "--input", "/image.tar"]
    # An ENV is in no layer but in the image's config (fault 32).
    command += ["--image-config-scanners", "secret"]
    what = f"image for {platform}" if platform else "image"
    return replace(await _scan(scanner, container, command, what, ignore), platform=platform)
