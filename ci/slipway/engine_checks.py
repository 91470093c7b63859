"""What a run needs of the Dagger engine, and of the scanner that it runs there."""

import shutil
from functools import partial
from typing import TYPE_CHECKING

import dagger
from dagger import dag

from slipway_host.checks import Check, CheckStatus, Finding
from slipway_host.errors import ScannerError, TerminalError, quote

if TYPE_CHECKING:
    from slipway.checkout import Checkout

GIB = 1 << 30
SCARCE_GIB, TOO_FEW_GIB = 10, 2
IMAGE_S = 60.0
"""The first time, the image or the database has to be downloaded."""


async def engine() -> Finding:
    """Return the engine's version, and the room on its disk."""
    # This container's layers are on the engine's disk, where builds need theirs.
    return room(await dag.version(), shutil.disk_usage("/").free)


def room(version: str, free_bytes: int) -> Finding:
    """Return whether the room on the engine's disk is enough for builds (fault 30)."""
    free = free_bytes / GIB
    said = f"Dagger {version}, {free:.0f} GiB free on its disk"
    fix = "dagger core engine local-cache prune"
    if free < TOO_FEW_GIB:
        return Finding(status=CheckStatus.FAILED, found=f"{said}: too few for a build", fix=fix)
    if free < SCARCE_GIB:
        return Finding(status=CheckStatus.WARNING, found=said, fix=fix)
    return Finding(found=said)


async def signer(image: str) -> Finding:
    """Return cosign's version."""
    container = dag.container().from_(image)
    try:
        said = await container.with_exec(["version"], use_entrypoint=True).stdout()
    except dagger.QueryError as error:
        raise TerminalError(
            f"no usable image {image}: {quote(str(error), limit=200)}",
            next_command="correct signing.image, or run the same command when its registry answers",
        ) from error
    version = next(
        (line for line in said.splitlines() if line.startswith("GitVersion")), "GitVersion: unknown"
    )
    return Finding(found=f"cosign {quote(version.partition(':')[2], limit=80)}")


def checks(checkout: "Checkout", *, signs: bool) -> list[Check]:
    """Return the checks of engine and scanner, and of the signer where images are signed or verified."""
    from slipway.trivy_db import TrivyDB

    config = checkout.config
    database = TrivyDB(config.scanner)

    async def scanner() -> Finding:
        container = dag.container().from_(config.scanner.image)
        try:
            said = await container.with_exec(["trivy", "--version"]).stdout()
        except dagger.QueryError as error:
            raise ScannerError(
                f"no usable image {config.scanner.image}: {quote(str(error), limit=200)}",
                next_command="correct scanner.image, or run the same command when its registry answers",
            ) from error
        lines = quote(said.splitlines()[0] if said else "", limit=80)
        return Finding(found=f"Trivy: {lines.removeprefix('Version: ')}")

    async def vulnerabilities() -> Finding:
        _, found = await database.get()
        status = CheckStatus.OK if found.source else CheckStatus.WARNING
        return Finding(status=status, found=f"{found}{f', from {found.source}' if found.source else ''}")

    found = [
        Check(name="engine", look=engine),
        Check(name="scanner", look=scanner, deadline_s=IMAGE_S),
        Check(name="vulnerability database", look=vulnerabilities, needs=("scanner",), deadline_s=IMAGE_S),
    ]
    if signs:
        found.append(Check(name="signer", look=partial(signer, config.signing.image), deadline_s=IMAGE_S))
    return found
