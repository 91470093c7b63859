"""Scan source and image for known vulnerabilities and for secrets."""

from functools import partial

import dagger

from slipway import images, scanner
from slipway.errors import stage_function
from slipway.inputs import ServiceName, Stage
from slipway.work import Work, open_work
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

        async def built_image() -> scanner.Findings:
            return await scanner.scan_image(settings, await images.built(image))

        source = partial(scanner.scan_source, settings, source_tree(work))
        found = await together(source, built_image)
        for findings in found:
            findings.gate(work.environment.scan, environment=self.environment)
        lines = [f"{findings.what}: {findings.summary}\n{findings.table.strip()}" for findings in found]
        return f"{work.name} {work.checkout.tag}\n" + "\n\n".join(lines)


def source_tree(work: Work) -> dagger.Directory:
    """Return the service's own folder of the commit."""
    return work.checkout.tree.directory(work.service.context)


STAGE = ScanStage
