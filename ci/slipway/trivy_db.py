"""Gets Trivy's vulnerability database: from the first mirror that has it, else the copy of an earlier day.

Trivy takes a list of mirrors itself, but goes on to the next one only after 429, 5xx and an unknown blob: not
where one is unreachable, denies access or has no such artifact. So each is asked by itself here (fault 15).
"""

import datetime as dt
import hashlib
import re
from typing import TYPE_CHECKING

import dagger
from dagger import dag

from slipway.inputs import say
from slipway_host.errors import ScannerError, quote
from slipway_host.together import Once
from slipway_host.vulnerability_db import VulnerabilityDB, read_metadata

if TYPE_CHECKING:
    from slipway_host.config import Scanner

CACHE = "/trivy"
METADATA = "metadata.json"
KEPT, FRESH, FOUND = "/kept", "/fresh", "/found"
# The metadata comes last and every file at once: a copy that was cut short never looks like a whole one.
KEEP = f"for f in trivy.db {METADATA}; do cp {FRESH}/$f {KEPT}/$f.new; mv {KEPT}/$f.new {KEPT}/$f; done"
FIND = (
    f"mkdir {FOUND}; "
    f"cd {KEPT}; if [ -f trivy.db ] && [ -f {METADATA} ]; then cp trivy.db {METADATA} {FOUND}; fi"
)
_ANSWER = re.compile(r"\bget \"?https?://\S+: (?P<cause>[^;\n]+)", re.IGNORECASE)


class TrivyDB:
    """The database of one call, got once for all its services.

    Args:
        scanner: names the mirrors, and Trivy's image.
        today: the day that a download is good for; the present one without it.
    """

    def __init__(self, scanner: "Scanner", *, today: dt.date | None = None) -> None:
        self._scanner = scanner
        self._today = today or dt.datetime.now(dt.UTC).date()
        mirrors = hashlib.sha256("\n".join(scanner.databases).encode()).hexdigest()[:12]
        # Other mirrors may hold another database: it has a copy of its own.
        self._kept = dag.cache_volume(f"slipway-trivy-db-{mirrors}")
        self.get = Once(self._get)

    async def _get(self) -> tuple[dagger.Directory, VulnerabilityDB]:
        """Return the folder with the database, and what is known of it.

        Raises:
            ScannerError: no mirror answers and there is no copy (fault 16), or no image of Trivy's.
        """
        trivy = await self._trivy()
        failures = []
        for address in self._scanner.databases:
            try:
                return await self._downloaded(trivy, address)
            except dagger.QueryError as error:
                failures.append(f"{address}: {_reason(error)}")
                say(f"vulnerability database: {failures[-1]}")
            except ScannerError as error:
                failures.append(f"{address}: {error.cause}")
        copy = await self._copy(trivy)
        if copy is None:
            raise ScannerError(
                "not scanned: no vulnerability database, and no copy of an earlier day: "
                + "; ".join(failures),
                next_command="run the same command when a mirror answers; without the internet, copy the "
                "database into a registry of yours (`oras cp ghcr.io/aquasecurity/trivy-db:2 "
                "<registry>/trivy-db:2`) and name it in scanner.databases",
            )
        return copy

    async def _trivy(self) -> dagger.Container:
        try:
            return await dag.container().from_(self._scanner.image).sync()
        except dagger.QueryError as error:
            # A digest in scanner.image that the registry's image does not have ends here, too (fault 19).
            raise ScannerError(
                f"not scanned: no image {self._scanner.image}: {quote(str(error), limit=300)}",
                next_command="correct scanner.image, or run the same command when its registry answers",
            ) from error

    async def _downloaded(
        self, trivy: dagger.Container, address: str
    ) -> tuple[dagger.Directory, VulnerabilityDB]:
        """Return one mirror's database; asked for once a day and engine, and again where it failed."""
        download = ["trivy", "--cache-dir", CACHE, "image", "--download-db-only", "--no-progress"]
        folder = (
            trivy.with_env_variable("SLIPWAY_DATABASE_OF", f"{self._today:%Y-%m-%d}")
            .with_exec([*download, "--db-repository", address])
            .directory(f"{CACHE}/db")
        )
        database = read_metadata(await folder.file(METADATA).contents(), source=address)
        keep = (
            trivy.with_mounted_cache(KEPT, self._kept, sharing=dagger.CacheSharingMode.LOCKED)
            .with_mounted_directory(FRESH, folder)
            .with_exec(["sh", "-ec", KEEP])
        )
        try:
            await keep.sync()
        except dagger.QueryError as error:
            # The scan does not depend on it; the next one that finds no mirror does.
            say(f"vulnerability database: no copy could be kept: {quote(str(error), limit=200)}")
        return folder, database

    async def _copy(self, trivy: dagger.Container) -> tuple[dagger.Directory, VulnerabilityDB] | None:
        folder = (
            trivy.with_mounted_cache(KEPT, self._kept, sharing=dagger.CacheSharingMode.LOCKED)
            # What a volume holds is not known to the engine, which would answer as it did the last time.
            .with_env_variable("SLIPWAY_ASKED", dt.datetime.now(dt.UTC).isoformat())
            .with_exec(["sh", "-ec", FIND])
            .directory(FOUND)
        )
        try:
            if not await folder.exists(METADATA):
                return None
            return folder, read_metadata(await folder.file(METADATA).contents(), source="")
        except dagger.QueryError as error:
            raise ScannerError(
                f"not scanned: no mirror answers, and the copy is unreadable: {quote(str(error), limit=300)}"
            ) from error


def _reason(error: dagger.QueryError) -> str:
    """Return the mirror's own answer, else Trivy's last words."""
    words = (error.stderr or error.stdout)[-2000:] if isinstance(error, dagger.ExecError) else str(error)
    said = _ANSWER.search(words)
    return quote(said["cause"] if said else words[-200:], limit=200)
