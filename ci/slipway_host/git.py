"""A branch of a remote Git repository: files read, one commit put on top, pushed.

There is no work tree. Files are read from and written to the object database, so symbolic links,
`.gitattributes`, filters, hooks and submodules of a repository that others write to have nothing to
act on, and bytes stay as they are.
"""

from __future__ import annotations

import tempfile
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

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
from slipway_host.git_files import GONE
from slipway_host.git_log import LastCommit, Log, trailers_of
from slipway_host.git_program import GitProgram

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Mapping

    from slipway_host.settings import GitSettings

SAFE_PROTOCOLS = ("https", "ssh")
_TIP = "refs/remotes/origin/tip"
_OTHER = "refs/remotes/origin/other"


@asynccontextmanager
async def clone(
    settings: GitSettings,
    *,
    protocols: Collection[str] = SAFE_PROTOCOLS,
    content: bool = True,
    depth: int | None = 1,
    create: bool = False,
) -> AsyncIterator[Clone]:
    """Yield an empty private copy of one branch: `fetch` fills it, and the end removes it.

    Args:
        settings: the remote repository and the account.
        protocols: transports that git may use.
        content: False leaves files and folders at the server: for history alone.
        depth: how many commits the first fetch brings; None for all of them.
        create: the branch may be missing: then `fetch` returns "", and the first commit is its root.
    """
    address = parse_address(settings, protocols)
    # 0700, and removed on every way out, cancellation included.
    with tempfile.TemporaryDirectory(prefix="slipway-git-", ignore_cleanup_errors=True) as home:
        depths = () if depth is None else (f"--depth={depth}",)
        shape = (*depths, f"--filter={'blob:none' if content else 'tree:0'}")
        program = GitProgram(settings, address, Path(home), tuple(protocols))
        copy = Clone(settings, address, program, shape, create=create)
        await copy.create()
        yield copy


class NoBranchError(NotFoundError):
    """The repository is there, and has no such branch."""


class Clone(Log):
    """A partial, shallow copy of one branch; made by `clone`."""

    def __init__(
        self,
        settings: GitSettings,
        address: Address,
        program: GitProgram,
        shape: tuple[str, ...],
        *,
        create: bool = False,
    ) -> None:
        super().__init__(settings, address, program)
        self._shape = shape
        self._may_create = create
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
            self._shape = ()
            await self._fetch()
        except NoBranchError:
            if not self._may_create:
                raise
            self.head = ""
            return ""
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

    async def deepen(self) -> bool:
        """Bring older commits, and return whether there could be any; `head` stays."""
        if not await self._boundary():
            return False
        step = next(self._deeper, None)
        if step:
            await self._fetch(step)
        return step is not None

    async def commit(self, files: Mapping[str, bytes | None], message: str) -> str:
        """Return a new commit on top of `head` that differs from it in these files; None removes one."""
        lines = []
        for path, data in files.items():
            if data is None:
                lines.append(f"0 {GONE}\t{path}\0")
                continue
            mode = await self._mode(path)
            oid = await self._program.local("hash-object", "-w", "--stdin", stdin=data)
            lines.append(f"{mode} {oid.decode().strip()}\t{path}\0")
        await self._program.local("read-tree", self.head or "--empty")
        await self._program.local("update-index", "-z", "--index-info", stdin="".join(lines).encode())
        # --missing-ok: the other files' contents were never fetched.
        tree = (await self._program.local("write-tree", "--missing-ok")).decode().strip()
        parent = ("-p", self.head) if self.head else ()
        made = await self._program.sign("commit-tree", tree, *parent, stdin=message.encode())
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

    async def try_push(self, branch: str = "") -> None:
        """See that the account may push to a branch, by default this one: a push but for its content.

        What a rule of the server says to a commit (a protected branch, a hook), only a commit tells.

        Raises:
            AccessDeniedError: it may not.
            ServiceUnavailableError: the server does not answer.
        """
        target = f"{self.head}:refs/heads/{branch or self._settings.branch}"
        # It has moved meanwhile, or is another one: the account was let in.
        with suppress(PushRejectedError):
            await self._program.network("push", "--porcelain", "--dry-run", "origin", target)

    async def last_commit(self, path: str, *, trailer: str, at: str = "") -> LastCommit | None:
        """Return the newest commit that changed `path` and carries the trailer; fetches as needed.

        It is the newest up to a commit, where one is given in `at`.

        Newest by ancestry: commit dates come from many machines' clocks (fault 77).
        """
        search = (
            "-1",
            "--topo-order",
            f"--grep=^{trailer}: ",
            "--format=%H%x00%B",
            at or self.head,
            "--",
            path,
        )
        while True:
            text = (await self._program.local("log", *search)).decode(errors="replace")
            commit, _, message = text.partition("\0")
            # The oldest commit of a shallow copy has no parent here: it seems to write every file.
            if commit and commit not in await self._boundary():
                return LastCommit(commit, trailers_of(message, trailer))
            if not await self.deepen():
                return None

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
            raise NoBranchError(
                f"no branch {branch} in {self.address}: {there}",
                next_command=f"set gitops.branch: {known[0]}" if known else "",
            ) from error
