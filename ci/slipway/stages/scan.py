"""Scan source and image for known vulnerabilities and for secrets."""

from functools import partial

from slipway import images, scanner
from slipway.errors import stage_function
from slipway.inputs import ServiceName, Stage, say
from slipway.work import open_work
from slipway_host.errors import ScanFindingsError
from slipway_host.together import together


class ScanStage(Stage):
    """Adds `dagger call scan`."""

    @stage_function
    async def scan(self, service: ServiceName = "") -> str:
        """Scan the service's source and its built image with Trivy; nothing is pushed.

        Ends with exit code 1 where the environment's gate refuses the findings.
        """
        work = await open_work(self, service, clean=False, command="dagger call scan")
        settings = work.checkout.config.scanner
        image = images.build(work.checkout, work.recipe)

        async def scanned_image() -> scanner.Scanned:
            return await scanner.scan_image(settings, await images.built(image))

        tree = work.checkout.tree.directory(work.service.context)
        scanned = await together(partial(scanner.scan_source, settings, tree), scanned_image)
        tables = await together(*(one.table for one in scanned))
        lines = [f"{work.name} {work.checkout.tag}"]
        for one, table in zip(scanned, tables, strict=True):
            lines.append(f"{one.findings.what}: {one.findings.summary}\n{table.strip()}".rstrip())
        report = "\n\n".join(lines)
        try:
            for one in scanned:
                one.findings.gate(work.environment.scan, environment=self.environment)
        except ScanFindingsError:
            # A function that fails returns nothing, and whoever has to act needs the whole table.
            say(report)
            raise
        return report


STAGE = ScanStage
