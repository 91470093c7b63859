"""Trivy: one run gives JSON, everything else is made from it. The scanner gets no secret.

"Found something" and "could not scan" never look alike: Trivy runs without `--exit-code`, so a non-zero end
is a broken scanner, and the gate counts findings in the JSON itself (fault 14).
"""

import json
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import dagger
from dagger import dag

from slipway.trivy_db import CACHE, TrivyDB
from slipway_host.errors import ScannerError, quote
from slipway_host.findings import Findings, check_ignore_file, read_report
from slipway_host.together import Once, together

if TYPE_CHECKING:
    from slipway.checkout import Checkout
    from slipway.images import Image

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


class Trivy:
    """Trivy for all services of one call: database and ignore file are looked up once.

    Args:
        checkout: what is scanned, and the configuration.
    """

    def __init__(self, checkout: "Checkout") -> None:
        self._checkout = checkout
        self._scanner = checkout.config.scanner
        self._database = TrivyDB(self._scanner)
        self._ignore = Once(self._ignore_file)

    async def source(self, context: str) -> Scanned:
        """Scan a folder's files for vulnerabilities, secrets and misconfiguration."""
        container = dag.container().from_(self._scanner.image)
        container = container.with_mounted_directory("/src", await self._checkout.folder(context))
        command = ["filesystem", "--scanners", "vuln,secret,misconfig", "--cache-backend", "memory", "/src"]
        return await self._scan(container, command, "source")

    async def image(self, image: "Image") -> list[Scanned]:
        """Scan an image, a built one before it is pushed anywhere; each of its platforms by itself."""
        variants, named = image.variants.items(), not image.single
        return await together(
            *(partial(self._variant, one, platform if named else "") for platform, one in variants)
        )

    async def _variant(self, image: dagger.Container, platform: str) -> Scanned:
        layers = dag.cache_volume("slipway-trivy-layers")
        container = (
            dag.container()
            .from_(self._scanner.image)
            # One scan at a time: Trivy locks its layer cache and gives up when it has to wait.
            .with_mounted_cache(f"{CACHE}/fanal", layers, sharing=dagger.CacheSharingMode.LOCKED)
            .with_mounted_file("/image.tar", image.as_tarball())
        )
        command = ["image", "--scanners", "vuln,secret", "--input", "/image.tar"]
        # An ENV is in no layer but in the image's config (fault 32).
        command += ["--image-config-scanners", "secret"]
        what = f"image for {platform}" if platform else "image"
        return replace(await self._scan(container, command, what), platform=platform)

    async def _scan(self, container: dagger.Container, command: list[str], what: str) -> Scanned:
        ignore = await self._ignore()
        folder, database = await self._database.get()
        flags = ["--cache-dir", CACHE, "--skip-db-update", "--skip-check-update", "--skip-version-check"]
        flags += ["--no-progress", "--offline-scan", "--format", "json", "--output", REPORT]
        if ignore:
            container = container.with_mounted_file(IGNORE, ignore)
            flags += ["--ignorefile", IGNORE, "--show-suppressed"]
        done = container.with_mounted_directory(f"{CACHE}/db", folder).with_exec(
            ["trivy", *command[:1], *flags, *command[1:]]
        )
        try:
            text = await done.file(REPORT).contents()
        except dagger.QueryError as error:
            words = (
                (error.stderr or error.stdout)[-600:] if isinstance(error, dagger.ExecError) else str(error)
            )
            raise ScannerError(
                f"could not scan the {what}: {quote(words)}",
                next_command="run the same command; scanner.image names Trivy's image",
            ) from error
        return Scanned(findings=read_report(json.loads(text), what=what, database=database), container=done)

    async def _ignore_file(self) -> dagger.File | None:
        """Return the ignore file that counts, None where there is none.

        Raises:
            SettingsError: an entry in it never expires, or the branch that it is read from is not here.
        """
        path, branch = self._scanner.ignore_file, self._scanner.ignore_from
        tree = (
            await self._checkout.branch(branch, asked_by="scanner.ignoreFrom")
            if branch
            else self._checkout.tree
        )
        if not await tree.exists(path):
            return None
        found = tree.file(path)
        check_ignore_file(await found.contents(), path=f"{path} of {branch}" if branch else path)
        return found
