"""Scan source and image for known vulnerabilities and for secrets."""

from functools import partial

import dagger
from dagger import dag

from slipway import images, scanner
from slipway.each import each
from slipway.errors import stage_function
from slipway.inputs import ChangedSince, ServiceNames, Stage, say
from slipway.work import Work, open_works
from slipway_host import caller
from slipway_host.errors import ScanFindingsError, ScannerError
from slipway_host.together import together


class ScanStage(Stage):
    """Adds `dagger call scan` and `dagger call scan-reports`."""

    @stage_function
    async def scan(self, service: ServiceNames = None, changed_since: ChangedSince = "") -> str:
        """Scan the services' source and built images with Trivy; nothing is pushed.

        Ends with exit code 1 where the environment's gate refuses the findings.
        """
        _, works = await open_works(self, service, changed_since, clean=False, command=caller.command("scan"))
        return await each("scan", works, _gated)

    @stage_function
    async def scan_reports(
        self, service: ServiceNames = None, changed_since: ChangedSince = ""
    ) -> dagger.Directory:
        """Scan, and return Trivy's reports as JSON, SARIF and text, whatever the gate says.

        One folder for each service, with `source.*` and `image.*`; where an image has several
        platforms, with one `image-<platform>.*` for each.
        """
        command = caller.command("scan-reports")
        _, works = await open_works(self, service, changed_since, clean=False, command=command)
        folder = dag.directory()
        for work, scanned in zip(works, await together(*(partial(_scan, w) for w in works)), strict=True):
            for one in scanned:
                for kind, suffix in scanner.FORMATS.items():
                    path = f"{work.name}/{_file(one)}.{suffix}"
                    folder = folder.with_file(path, one.report(kind))
        return folder


async def _scan(work: Work) -> list[scanner.Scanned]:
    async def source() -> list[scanner.Scanned]:
        return [await work.scanner.source(work.service.context)]

    async def image() -> list[scanner.Scanned]:
        return await work.scanner.image(await images.built(work))

    return [one for part in await together(source, image) for one in part]


def _file(one: scanner.Scanned) -> str:
    return f"image-{one.platform.replace('/', '-')}" if one.platform else one.findings.what


async def _gated(work: Work) -> str:
    """Return what Trivy found in one service, as its own tables.

    Raises:
        ScanFindingsError: the gate refuses it; the tables are printed before.
        ScannerError: the database is too old to say, where the environment's policy stops for that.
    """
    scanned = await _scan(work)
    tables = await together(*(one.table for one in scanned))
    parts = [
        f"{one.findings.what}: {one.findings.summary}\n{table.strip()}".rstrip()
        for one, table in zip(scanned, tables, strict=True)
    ]
    policy = work.environment.scan
    try:
        for one in scanned:
            try:
                one.findings.gate(policy, environment=work.target.environment)
            except ScannerError as error:
                if policy.fail_when_broken:
                    raise
                parts.append(f"Inconclusive: {error.cause}")
    except (ScanFindingsError, ScannerError):
        # A function that fails returns nothing, and whoever has to act needs the whole table.
        say(f"{work.name}: " + "\n".join(parts))
        raise
    return "\n".join(parts)


STAGE = ScanStage
