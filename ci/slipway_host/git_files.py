"""Files of a copy of a repository, read out of its object database."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from slipway_host.errors import NotFoundError, SettingsError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from slipway_host.git_address import Address
    from slipway_host.git_program import GitProgram
    from slipway_host.settings import GitSettings

GONE = "0" * 40
_LINK = "120000"
_FILE = "100644"


@dataclass(frozen=True)
class _Entry:
    mode: str
    oid: str


class Files:
    """The files of a copy; `head` is the commit of the remote branch as of the last `fetch`."""

    def __init__(self, settings: GitSettings, address: Address, program: GitProgram) -> None:
        self.head = ""
        self.address = address
        self._settings = settings
        self._program = program

    async def read(self, paths: Sequence[str], *, at: str | None = None) -> dict[str, bytes]:
        """Return the bytes of regular files at `head` or at another commit of the copy.

        Raises:
            NotFoundError: a file does not exist there.
            SettingsError: a path leads outside, or to something else than a regular file.
        """
        entries = {path: await self._entry(at or self.head, path) for path in paths}
        # git fetches by itself what a partial copy lacks.
        return {
            path: await self._program.network("cat-file", "blob", entry.oid)
            for path, entry in entries.items()
        }

    async def below(self, folder: str, *, endings: tuple[str, ...]) -> dict[str, bytes]:
        """Return the regular files anywhere in a folder at `head` whose names end so; none without it."""
        listed = await self._program.local("ls-tree", "-r", "-z", self.head, "--", f"{folder}/")
        found = {}
        for line in listed.decode(errors="replace").split("\0"):
            about, _, path = line.partition("\t")
            if about.startswith("100") and path.endswith(endings):
                found[path] = await self._program.network("cat-file", "blob", about.split()[2])
        return found

    async def find(self, path: str, *, at: str | None = None) -> bytes | None:
        """Return a regular file's bytes, None where there is no such file.

        Raises:
            SettingsError: the path leads outside, or to something else than a regular file.
        """
        try:
            return (await self.read([path], at=at))[path]
        except NotFoundError:
            return None

    async def contents(self, blobs: Sequence[str]) -> dict[str, bytes]:
        """Return files' bytes by their names in the object database, fetched all at once."""
        wanted = "".join(f"{oid}\n" for oid in dict.fromkeys(filter(None, blobs))).encode()
        if not wanted:
            return {}
        promised = await self._program.run(("config", "--get", "remote.origin.promisor"))
        if promised.code == 0:
            # As git itself fetches what a partial copy lacks, but in one request and not one for each.
            await self._program.network(
                *("fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--filter=blob:none"),
                *("--stdin", "origin"),
                stdin=wanted,
                config="fetch.negotiationAlgorithm=noop",
            )
        data, found, at = await self._program.local("cat-file", "--batch", stdin=wanted), {}, 0
        while at < len(data):
            end = data.index(b"\n", at)
            oid, _, size = data[at:end].decode().split()
            at = end + 1 + int(size) + 1
            found[oid] = data[end + 1 : at - 1]
        return found

    async def _mode(self, path: str) -> str:
        """Return the mode to write a file with: its own, or a plain file's."""
        try:
            return (await self._entry(self.head, path)).mode
        except NotFoundError:
            return _FILE

    async def _entry(self, commit: str, path: str) -> _Entry:
        where = f"branch {self._settings.branch} of {self.address}"
        parts = path.split("/")
        if not {"", ".", "..", ".git"}.isdisjoint(parts):
            raise SettingsError(f"{path[:80]!r} is not a path inside the GitOps repository")
        # From the file upwards: the first thing that is there says why the file is not.
        for end in range(len(parts), 0, -1):
            name = "/".join(parts[:end])
            listed = (await self._program.local("ls-tree", "-z", commit, "--", name)).decode(errors="replace")
            mode, kind, oid = listed.partition("\t")[0].split() if listed else ("", "", "")
            if mode == _LINK:
                raise SettingsError(f"{name} on {where} is a symbolic link, which is not followed")
            if end == len(parts) and kind == "blob":
                return _Entry(mode, oid)
            if end == len(parts) and kind:
                raise SettingsError(f"{name} on {where} is not a regular file")
            if kind not in {"", "tree"}:
                raise SettingsError(f"{name} on {where} is not a folder")
        raise NotFoundError(
            f"{path} does not exist on {where}",
            next_command=f"add {path} there, or correct gitops.values",
        )
