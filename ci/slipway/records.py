"""The files of runs, kept in the engine: a function that fails returns nothing, and its files matter most."""

import re
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import dagger
from dagger import dag

from slipway.inputs import say
from slipway_host.caller import command
from slipway_host.errors import NotFoundError, SettingsError, quote

if TYPE_CHECKING:
    from slipway.checkout import Checkout

KEPT = 50
"""Runs that the engine keeps, whatever they were about."""
ROOT = "/records"
RUN = re.compile(r"\d{8}T\d{6}-[0-9a-f]{4}")

# One folder for each commit and environment, one in it for each run. A run comes in by its last move.
_KEEP = """\
set -eu
cd "$ROOT"
mkdir -p "$PLACE"
cp -R /record "new-$RUN"
mv "new-$RUN" "$PLACE/$RUN"
ls -1d */2* | sort -t/ -k2 -r | tail -n "+$OLDEST" | while read -r old; do rm -rf "$old"; done
rmdir ./* 2>/dev/null || true
"""
_LIST = """\
set -eu
cd "$ROOT"
for run in $PLACE/2*; do
  [ -f "$run/services" ] && echo "$run $(cat "$run/services")"
done
true
"""
_TAKE = 'set -eu; cp -R "$ROOT/$RUN/files" /record'


@dataclass(frozen=True, kw_only=True)
class Records:
    """The runs that this engine remembers of one commit in one environment.

    Args:
        checkout: the commit; its configuration names the image that has the shell for this.
        environment: the environment's name.
    """

    checkout: "Checkout"
    environment: str

    async def keep(self, run: str, services: Sequence[str], files: Mapping[str, bytes]) -> None:
        """Keep the files of a run; where that fails, one line says so, and the run goes on as it was.

        Args:
            run: the run's id.
            services: what it was about.
            files: name → bytes.
        """
        # Below the working directory: the engine takes nothing from elsewhere.
        folder = Path(f"record-{uuid.uuid4().hex}")
        (folder / "files").mkdir(parents=True)
        (folder / "services").write_text(" ".join(sorted(services)))
        for name, data in files.items():
            (folder / "files" / name).write_bytes(data)
        kept = dag.current_module().workdir(str(folder))
        container = self._shell(RUN=run, PLACE=self._place, OLDEST=str(KEPT + 1))
        try:
            await container.with_mounted_directory("/record", kept).with_exec(["sh", "-c", _KEEP]).sync()
        except dagger.QueryError as error:
            say(
                f"WARNING: the engine did not keep the record of run {run}: {quote(str(error), limit=200)}. "
                "The run itself is not concerned"
            )

    async def find(self, run: str, services: Sequence[str]) -> dagger.Directory:
        """Return the files of one run.

        Args:
            run: its id; nothing for the newest one of the commit.
            services: only a run of exactly these; none for whichever it was about.

        Raises:
            NotFoundError: the engine has no such run.
        """
        if run and not RUN.fullmatch(run):
            raise SettingsError(
                f"{run[:80]!r} is no run: its id stands in the receipt and in the GitOps commit, like "
                "20261124T051500-1f3a"
            )
        place = "*" if run else self._place
        said = await self._shell(PLACE=place, ONCE=uuid.uuid4().hex).with_exec(["sh", "-c", _LIST]).stdout()
        found = {path: names for path, *names in map(str.split, said.splitlines())}
        wanted = [
            path
            for path, names in found.items()
            if (path.endswith(f"/{run}") if run else not services or names == sorted(services))
        ]
        if not wanted:
            what = f"run {run}" if run else f"run of {self._what(services)}"
            raise NotFoundError(
                f"this engine knows no {what}: a run's files stay in the engine that ran it, which keeps the "
                f"newest {KEPT}",
                next_command=f"{command('history')}, which has the receipts that the GitOps repository keeps",
            )
        newest = max(wanted, key=lambda path: path.rpartition("/")[2])
        container = self._shell(RUN=newest, ONCE=uuid.uuid4().hex).with_exec(["sh", "-c", _TAKE])
        return container.directory("/record")

    def _what(self, services: Sequence[str]) -> str:
        names = f"{', '.join(services)} at " if services else "commit "
        return f"{names}{self.checkout.commit[:8]} to {self.environment}"

    @property
    def _place(self) -> str:
        return f"{self.checkout.commit}-{self.environment}"

    def _shell(self, **variables: str) -> dagger.Container:
        # Trivy's image is there whenever a deploy was, in a mirror of one's own, too, and has a shell.
        container = dag.container().from_(self.checkout.config.scanner.image)
        for name, value in {"ROOT": ROOT, **variables}.items():
            container = container.with_env_variable(name, value)
        # One at a time: what is made room for is not what somebody else is about to read.
        volume = dag.cache_volume("slipway-records")
        return container.with_mounted_cache(ROOT, volume, sharing=dagger.CacheSharingMode.LOCKED)
