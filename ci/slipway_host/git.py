"""A branch of a remote Git repository: files read, one commit put on top, pushed.

There is no work tree. Files are read from and written to the object database, so symbolic links,
`.gitattributes`, filters, hooks and submodules of a repository that others write to have nothing to
act on, and bytes stay as they are.
"""

from __future__ import annotations

import tempfile
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import anyio

from slipway_host.errors import (
    NotFoundError,
    PushRejectedError,
    ServiceUnavailableError,
    SettingsError,
    UnknownOutcomeError,
    quote,
)
from slipway_host.git_address import Address, parse_address
from slipway_host.git_errors import UnexplainedGitError
from slipway_host.git_program import GitProgram

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Mapping, Sequence

    from slipway_host.settings import GitSettings

SAFE_PROTOCOLS = ("https", "ssh")
_LINK = "120000"
_FILE = "100644"
_GONE = "0" * 40
_TIP = "refs/remotes/origin/tip"
_OTHER = "refs/remotes/origin/other"


@dataclass(frozen=True)
class LastCommit:
    """The newest commit that changed a file and carries a trailer, with the trailer's values."""

    commit: str
    values: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class CommitFacts:
    """What a commit says of itself: its author, the author's time as ISO 8601, its first line."""

    author: str
    date: str
    subject: str


@dataclass(frozen=True, kw_only=True)
class Version:
    """One commit of the branch that changed a file.

    Args:
        commit: full hash.
        parents: the commit's; more than one for a merge.
        when: author's date in ISO 8601.
        author: who wrote it, `name <address>`.
        message: all of it.
        blob: the file's content, to read by `Clone.contents`; empty where the commit removed the file.
    """

    commit: str
    parents: tuple[str, ...]
    when: str
    author: str
    message: str
    blob: str


@dataclass(frozen=True)
class _Entry:
    mode: str
    oid: str


def trailers_of(message: str, name: str) -> tuple[str, ...]:
    """Return a trailer's values wherever they stand: a squash on a server puts lines of its own below."""
    lines = (line.partition(": ") for line in message.splitlines())
    return tuple(value.strip() for key, _, value in lines if key == name)


@asynccontextmanager
async def clone(
    settings: GitSettings,
    *,
    protocols: Collection[str] = SAFE_PROTOCOLS,
    content: bool = True,
    depth: int = 1,
) -> AsyncIterator[Clone]:
    """Yield an empty private copy of one branch: `fetch` fills it, and the end removes it.

    Args:
        settings: the remote repository and the account.
        protocols: transports that git may use.
        content: False leaves files and folders at the server: for history alone.
        depth: how many commits the first fetch brings.
    """
    address = parse_address(settings, protocols)
    # 0700, and removed on every way out, cancellation included.
    with tempfile.TemporaryDirectory(prefix="slipway-git-", ignore_cleanup_errors=True) as home:
        shape = (f"--depth={depth}", f"--filter={'blob:none' if content else 'tree:0'}")
        program = GitProgram(settings, address, Path(home), tuple(protocols))
        copy = Clone(settings, address, program, shape)
        await copy.create()
        yield copy


class Clone:
    """A partial, shallow copy of one branch; made by `clone`.

    `head` is the commit of the remote branch as of the last `fetch`.
    """

    def __init__(
        self, settings: GitSettings, address: Address, program: GitProgram, shape: tuple[str, ...]
    ) -> None:
        self.head = ""
        self.address = address
        self._settings = settings
        self._program = program
        self._shape = shape
        # Most questions need little history; whoever needs more gets all of it, not many steps.
        self._deeper = iter(("--deepen=200", "--unshallow"))

    async def create(self) -> None:
        """Make the empty repository."""
        await self._program.prepare()
        branch = self._settings.branch
        named = await self._program.run(("check-ref-format", f"refs/heads/{branch}"))
        if named.code:
            raise SettingsError(f"{branch[:80]!r} is not a branch name")
        await self._program.local("init", "--quiet", "--bare", "--template=")
        await self._program.local("config", "remote.origin.url", self._settings.url)

    async def fetch(self) -> str:
        """Bring the copy up to the remote branch, and return the branch's commit.

        The first fetch asks for few commits and no files; from a server that cannot do that it
        takes everything.
        """
        try:
            # Later ones name no depth: new commits come with their parents, so ancestry is known.
            await self._fetch(*(() if self.head else self._shape))
        except UnexplainedGitError:
            if self.head:
                raise
            # The refused filter is in the configuration by now, and would be sent again.
            await self._program.local("config", "--remove-section", "remote.origin")
            await self._program.local("config", "remote.origin.url", self._settings.url)
            await self._fetch()
        self.head = (await self._program.local("rev-parse", "--verify", _TIP)).decode().strip()
        return self.head

    async def fetch_tip(self, branch: str) -> str | None:
        """Bring the newest commit of another branch, and return it; None where there is no such branch."""
        listed = await self._program.network("ls-remote", "origin", f"refs/heads/{branch}")
        if not listed:
            return None
        await self._program.network(
            "fetch", "--quiet", "--no-tags", *self._shape, "origin", f"+refs/heads/{branch}:{_OTHER}"
        )
        return (await self._program.local("rev-parse", "--verify", _OTHER)).decode().strip()

    async def trailers(self, commit: str, name: str) -> tuple[str, ...]:
        """Return the values of a commit's trailer."""
        text = await self._program.local("log", "-1", "--format=%B", commit)
        return trailers_of(text.decode(errors="replace"), name)

    async def deepen(self) -> bool:
        """Bring older commits, and return whether there could be any; `head` stays."""
        if not await self._boundary():
            return False
        step = next(self._deeper, None)
        if step:
            await self._fetch(step)
        return step is not None

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

    async def versions(self, path: str) -> list[Version]:
        """Return the commits of this copy that changed a file on the branch, newest first.

        A merge counts as one commit: what the branch held is what its first parents say.
        """
        form = "%x01%H%x00%P%x00%aI%x00%an <%ae>%x00%B%x00"
        shape = ("--first-parent", "-m", "--raw", "--no-abbrev", "--no-renames", f"--format={form}")
        text = (await self._program.local("log", *shape, self.head, "--", path)).decode(errors="replace")
        boundary, found = await self._boundary(), []
        for record in text.split("\x01")[1:]:
            commit, parents, when, author, message, raw = record.split("\0", 5)
            # The oldest commit of a shallow copy has no parent here: it seems to write every file.
            if commit in boundary:
                continue
            changed = raw.split()
            blob = "" if changed[3] == _GONE else changed[3]
            found.append(
                Version(
                    commit=commit,
                    parents=tuple(parents.split()),
                    when=when,
                    author=author,
                    message=message,
                    blob=blob,
                )
            )
        return found

    async def messages(self, since: str, until: str, path: str) -> str:
        """Return the messages of the commits between two that changed a file, newest first."""
        text = await self._program.local("log", "--format=%B", f"{since}..{until}", "--", path)
        return text.decode(errors="replace")

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

    async def commit(self, files: Mapping[str, bytes | None], message: str) -> str:
        """Return a new commit on top of `head` that differs from it in these files; None removes one."""
        lines = []
        for path, data in files.items():
            if data is None:
                lines.append(f"0 {_GONE}\t{path}\0")
                continue
            mode = await self._mode(path)
            oid = await self._program.local("hash-object", "-w", "--stdin", stdin=data)
            lines.append(f"{mode} {oid.decode().strip()}\t{path}\0")
        await self._program.local("read-tree", self.head)
        await self._program.local("update-index", "-z", "--index-info", stdin="".join(lines).encode())
        # --missing-ok: the other files' contents were never fetched.
        tree = (await self._program.local("write-tree", "--missing-ok")).decode().strip()
        made = await self._program.sign("commit-tree", tree, "-p", self.head, stdin=message.encode())
        return made.decode().strip()

    async def push(self, commit: str, *, branch: str | None = None, instead_of: str | None = None) -> None:
        """Put a commit on top of the remote branch; never by force.

        Args:
            commit: a commit of this copy.
            branch: a branch of our own to write instead; whatever it holds is replaced.
            instead_of: the commit that this branch holds now, None for a new one: where it holds another
                by then, the server refuses.

        Raises:
            PushRejectedError: the server said no. Whether the branch moved or a rule forbids the
                push, only a new `fetch` tells: servers word both in many ways.
            UnknownOutcomeError: no answer came; the commit may have landed.
        """
        target = f"{commit}:refs/heads/{branch or self._settings.branch}"
        lease = [f"--force-with-lease=refs/heads/{branch}:{instead_of or ''}"] if branch else []
        try:
            # A thin pack would have to compare with contents that a partial copy does not hold.
            await self._program.network("push", "--porcelain", "--no-thin", *lease, "origin", target)
        except ServiceUnavailableError as error:
            raise UnknownOutcomeError(error.cause) from error

    async def try_push(self) -> None:
        """See that the account may push to the branch: all of a push but its content goes to the server.

        What a rule of the server says to a commit (a protected branch, a hook), only a commit tells.

        Raises:
            AccessDeniedError: it may not.
            ServiceUnavailableError: the server does not answer.
        """
        target = f"{self.head}:refs/heads/{self._settings.branch}"
        with suppress(PushRejectedError):  # the branch has moved meanwhile: the account was let in
            await self._program.network("push", "--porcelain", "--dry-run", "origin", target)

    async def facts(self, commit: str) -> CommitFacts:
        """Return who made a commit of this copy, and when."""
        text = await self._program.local("log", "-1", "--format=%an <%ae>%x00%aI%x00%s", commit)
        author, date, subject = text.decode(errors="replace").rstrip("\n").split("\0")
        return CommitFacts(author=quote(author, limit=120), date=date, subject=quote(subject, limit=200))

    async def is_ancestor(self, commit: str, descendant: str) -> bool:
        """Return whether a commit is another or its ancestor, as far as the copy's history goes."""
        output = await self._program.run(("merge-base", "--is-ancestor", commit, descendant))
        return output.code == 0

    async def last_commit(self, path: str, *, trailer: str) -> LastCommit | None:
        """Return the newest commit that changed `path` and carries the trailer; fetches as needed.

        Newest by ancestry: commit dates come from many machines' clocks (fault 77).
        """
        search = ("-1", "--topo-order", f"--grep=^{trailer}: ", "--format=%H%x00%B", self.head, "--", path)
        while True:
            text = (await self._program.local("log", *search)).decode(errors="replace")
            commit, _, message = text.partition("\0")
            # The oldest commit of a shallow copy has no parent here: it seems to write every file.
            if commit and commit not in await self._boundary():
                return LastCommit(commit, trailers_of(message, trailer))
            if not await self.deepen():
                return None

    async def _boundary(self) -> set[str]:
        try:
            return set((await anyio.Path(self._program.directory / "shallow").read_text()).split())
        except FileNotFoundError:
            return set()

    async def _fetch(self, *shape: str) -> None:
        branch = self._settings.branch
        source = f"+refs/heads/{branch}:{_TIP}"
        try:
            await self._program.network("fetch", "--quiet", "--no-tags", *shape, "origin", source)
        except NotFoundError as error:
            # Where the repository itself is missing, this fails in the same way, and says so.
            refs = (await self._program.network("ls-remote", "--heads", "origin")).decode().split()
            names = [ref.removeprefix("refs/heads/") for ref in refs[1::2]]
            there = f"there is {quote(', '.join(names), limit=200)}" if names else "it is empty"
            known = [name for name in ("main", "master") if name in names]
            raise NotFoundError(
                f"no branch {branch} in {self.address}: {there}",
                next_command=f"set gitops.branch: {known[0]}" if known else "",
            ) from error

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
