"""Files of a copy of a repository, read out of its object database."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from slipway_host.errors import NotFoundError, SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

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

    async def names(self, folder: str, *, at: str | None = None) -> dict[str, str]:
        """Return the regular files anywhere in a folder, "" for all: path → name in the object database.

        They are those at `head` or at another commit of the copy.
        """
        commit = at or self.head
        if not commit:
            return {}
        below = ("--", f"{folder}/") if folder else ()
        listed = await self._program.local("ls-tree", "-r", "-z", commit, *below)
        lines = (line.partition("\t") for line in listed.decode(errors="replace").split("\0") if line)
        return {path: about.split()[2] for about, _, path in lines if about.startswith("100")}

    async def object_id(self, path: str) -> str:
        """Return git's name for a file's or a folder's content at `head`; empty where there is neither."""
        listed = await self._program.local("ls-tree", "-z", self.head, "--", path.rstrip("/"))
        return listed.decode(errors="replace").partition("\t")[0].split(" ")[-1]

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
        # Unbuffered, git writes each file by itself: thousands of them take seconds.
        data = await self._program.local("cat-file", "--batch", "--buffer", stdin=wanted)
        found, at = {}, 0
        while at < len(data):
            end = data.index(b"\n", at)
            oid, _, size = data[at:end].decode().split()
            at = end + 1 + int(size) + 1
            found[oid] = data[end + 1 : at - 1]
        return found

    async def blobs(self, places: Iterable[tuple[str, str]]) -> dict[tuple[str, str], str]:
        """Return what files are called in the object database at commits of this copy.

        Asks folders, which a partial copy has, and so fetches nothing. A file that is not there is left out.

        Args:
            places: commit and path.
        """
        wanted: dict[str, dict[str, tuple[str, str]]] = {}
        for commit, path in places:
            folder, _, name = path.rpartition("/")
            wanted.setdefault(f"{commit}:{folder}", {})[name] = (commit, path)
        found: dict[tuple[str, str], str] = {}
        for folder, tree in zip(wanted, await self._trees(list(wanted)), strict=True):
            found |= {wanted[folder][name]: oid for name, oid in tree.items() if name in wanted[folder]}
        return found

    async def _trees(self, folders: Sequence[str]) -> list[dict[str, str]]:
        """Return the files of folders that are named `<commit>:<path>`; empty for one that is not there."""
        lines = "".join(f"{folder}\n" for folder in folders).encode()
        data, at = await self._program.local("cat-file", "--batch", stdin=lines), 0
        trees: list[dict[str, str]] = []
        while at < len(data):
            end = data.index(b"\n", at)
            about = data[at:end].decode(errors="replace").rsplit(" ", 2)
            at = end + 1
            if about[-1] == "missing":
                trees.append({})
                continue
            body = data[at : at + int(about[2])]
            at += len(body) + 1
            trees.append(_files_of(body, len(self.head) // 2) if about[1] == "tree" else {})
        return trees

    async def _mode(self, path: str) -> str:
        """Return the mode to write a file with: its own, or a plain file's."""
        if not self.head:
            return _FILE
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


def _files_of(tree: bytes, hash_bytes: int) -> dict[str, str]:
    """Return the regular files in a tree object: name → name in the object database."""
    found, at = {}, 0
    while at < len(tree):
        end = tree.index(b"\0", at)
        mode, _, name = tree[at:end].partition(b" ")
        at = end + 1 + hash_bytes
        if mode.startswith(b"100"):
            found[name.decode(errors="replace")] = tree[end + 1 : at].hex()
    return found
