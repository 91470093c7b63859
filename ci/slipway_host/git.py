"""A branch of a remote Git repository: files read, one commit put on top, pushed.

There is no work tree. Files are read from and written to the object database, so symbolic links,
`.gitattributes`, filters, hooks and submodules of a repository that others write to have nothing to
act on, and bytes stay as they are.

Everything goes through the `git` command, in an environment made here. GitPython would not do: its
push does not raise on rejection, its commands inherit the caller's whole environment, `GIT_*` and
secrets included, and cannot be cancelled.
"""

from __future__ import annotations

import os
import re
import signal
import stat
import tempfile
from base64 import b64encode
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from subprocess import PIPE
from typing import TYPE_CHECKING

import anyio

from slipway_host.errors import (
    AccessDeniedError,
    DeliveryError,
    NotFoundError,
    PushRejectedError,
    ServiceUnavailableError,
    SettingsError,
    TerminalError,
    UnknownOutcomeError,
    quote,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Mapping, Sequence

    from anyio.abc import ByteReceiveStream

    from slipway_host.settings import GitSettings

SAFE_PROTOCOLS = ("https", "ssh")

# One command's share of the caller's deadline: a server that hangs leaves time for another try.
NETWORK_LIMIT_S = 60.0

_LINK = "120000"
_TIP = "refs/remotes/origin/tip"
_OPTIONS = (
    "core.hooksPath=/dev/null",
    "credential.helper=",
    "gc.auto=0",
    "http.followRedirects=false",
    "maintenance.auto=false",
    "protocol.allow=never",
)
# The rest of the caller's environment may hold other services' secrets: git needs none of it.
_KEPT = (
    "PATH",
    "SSH_AUTH_SOCK",
    "GIT_SSL_CAINFO",
    "GIT_SSL_CAPATH",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
)
_PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")
_SSH = "ssh -o BatchMode=yes -o StrictHostKeyChecking=yes -o ConnectTimeout=20"
_ASKPASS = """\
#!/bin/sh
case "$1" in
Username*) printf '%s\\n' "$SLIPWAY_GIT_USERNAME" ;;
*) printf '%s\\n' "$SLIPWAY_GIT_PASSWORD" ;;
esac
"""

# No `?`: a token in a query would end up in messages and in the copy's configuration.
_URL = re.compile(r"([a-z]+)://(?:([^@/\s]*)@)?([^-@/?#\s][^@/?#\s]*|)(/[^?#\s]*)")
_SCP = re.compile(r"([^-@:/\s][^@:/\s]*)@([^-@:/\s][^@:/\s]*):([^-\s]\S*)")

# One exit code stands for every failure of a transport: git's own lines, in the C locale, differ.
_DENIED = re.compile(
    r"error: 40[13]\b|HTTP 40[13]\b|Authentication failed|could not read (Username|Password)"
    r"|Permission denied \(|Permission to \S+ denied|Too many authentication failures"
)
_ABSENT = re.compile(
    r"error: 4(04|10)\b|repository .*not found|does not appear to be a git repository"
    r"|couldn't find remote ref",
    re.IGNORECASE,
)
_UNTRUSTED = re.compile(
    r"Host key verification failed|HOST IDENTIFICATION HAS CHANGED|certificate", re.IGNORECASE
)
_REDIRECTED = re.compile(r"error: 30\d\b|redirect", re.IGNORECASE)
_UNAVAILABLE = re.compile(
    r"error: (429|5\d\d)\b|HTTP (429|5\d\d)\b|could ?n[o']t (resolve|connect)|failed to connect"
    r"|connection (refused|timed out|reset|closed)|timed out|empty reply|early EOF|hung up"
    r"|disconnect|RPC failed|unreachable|no route to host|gnutls|\bSSL|\bTLS|HTTP/2"
    r"|transfer closed",
    re.IGNORECASE,
)
_NO_PROGRAM = re.compile(r"cannot run (ssh)\b|'(remote-\w+)' is not a git command")


class UnexplainedGitError(TerminalError):
    """git failed, and in words that this module does not know."""


@dataclass(frozen=True)
class LastCommit:
    """The newest commit that changed a file and carries a trailer, with the trailer's values."""

    commit: str
    values: tuple[str, ...]


@dataclass(frozen=True)
class _Address:
    protocol: str
    user: str
    host: str
    path: str

    def __str__(self) -> str:
        return f"{self.host}/{self.path.lstrip('/')}"


@dataclass(frozen=True)
class _Entry:
    mode: str
    oid: str


@dataclass(frozen=True)
class _Output:
    code: int
    stdout: bytes
    stderr: str


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
    address = _parse(settings, protocols)
    # 0700, and removed on every way out, cancellation included.
    with tempfile.TemporaryDirectory(prefix="slipway-git-", ignore_cleanup_errors=True) as home:
        shape = (f"--depth={depth}", f"--filter={'blob:none' if content else 'tree:0'}")
        copy = Clone(settings, address, Path(home), tuple(protocols), shape)
        await copy.create()
        yield copy


class Clone:
    """A partial, shallow copy of one branch; made by `clone`.

    `head` is the commit of the remote branch as of the last `fetch`.
    """

    def __init__(
        self,
        settings: GitSettings,
        address: _Address,
        home: Path,
        protocols: tuple[str, ...],
        shape: tuple[str, ...],
    ) -> None:
        self.head = ""
        self.address = address
        self._settings = settings
        self._home = home
        self._directory = home / "repository.git"
        self._protocols = protocols
        self._shape = shape
        # Most questions need little history; whoever needs more gets all of it, not many steps.
        self._deeper = iter(("--deepen=200", "--unshallow"))

    async def create(self) -> None:
        """Make the empty repository, and the script that answers git's question for a password."""
        askpass = anyio.Path(self._home / "askpass")
        await askpass.write_text(_ASKPASS)
        await askpass.chmod(stat.S_IRWXU)
        branch = self._settings.branch
        named = await self._run(("check-ref-format", f"refs/heads/{branch}"))
        if named.code:
            raise SettingsError(f"{branch[:80]!r} is not a branch name")
        await self._git("init", "--quiet", "--bare", "--template=")
        await self._git("config", "remote.origin.url", self._settings.url)

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
            await self._git("config", "--remove-section", "remote.origin")
            await self._git("config", "remote.origin.url", self._settings.url)
            await self._fetch()
        self.head = (await self._git("rev-parse", "--verify", _TIP)).decode().strip()
        return self.head

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
        return {path: await self._network("cat-file", "blob", entry.oid) for path, entry in entries.items()}

    async def commit(self, files: Mapping[str, bytes], message: str) -> str:
        """Return a new commit on top of `head` that differs from it in these files' bytes alone."""
        lines = []
        for path, data in files.items():
            entry = await self._entry(self.head, path)
            oid = await self._git("hash-object", "-w", "--stdin", stdin=data)
            lines.append(f"{entry.mode} {oid.decode().strip()}\t{path}\0")
        await self._git("read-tree", self.head)
        await self._git("update-index", "-z", "--index-info", stdin="".join(lines).encode())
        # --missing-ok: the other files' contents were never fetched.
        tree = (await self._git("write-tree", "--missing-ok")).decode().strip()
        made = await self._git("commit-tree", tree, "-p", self.head, stdin=message.encode())
        return made.decode().strip()

    async def push(self, commit: str) -> None:
        """Put a commit on top of the remote branch; never by force.

        Raises:
            PushRejectedError: the server said no. Whether the branch moved or a rule forbids the
                push, only a new `fetch` tells: servers word both in many ways.
            UnknownOutcomeError: no answer came; the commit may have landed.
        """
        target = f"{commit}:refs/heads/{self._settings.branch}"
        try:
            # A thin pack would have to compare with contents that a partial copy does not hold.
            await self._network("push", "--porcelain", "--no-thin", "origin", target)
        except ServiceUnavailableError as error:
            raise UnknownOutcomeError(error.cause) from error

    async def is_ancestor(self, commit: str, descendant: str) -> bool:
        """Return whether a commit is another or its ancestor, as far as the copy's history goes."""
        output = await self._run(("merge-base", "--is-ancestor", commit, descendant))
        return output.code == 0

    async def last_commit(self, path: str, *, trailer: str) -> LastCommit | None:
        """Return the newest commit that changed `path` and carries the trailer; fetches as needed.

        Newest by ancestry: commit dates come from many machines' clocks (fault 77).
        """
        form = f"--format=%H%x00%(trailers:key={trailer},valueonly)"
        search = ("-1", "--topo-order", f"--grep=^{trailer}: ", form, self.head, "--", path)
        while True:
            text = (await self._git("log", *search)).decode(errors="replace")
            commit, _, values = text.partition("\0")
            # The oldest commit of a shallow copy has no parent here: it seems to write every file.
            if commit and commit not in await self._boundary():
                return LastCommit(commit, tuple(values.split("\n")[:-2]))
            if not await self.deepen():
                return None

    async def _boundary(self) -> set[str]:
        try:
            return set((await anyio.Path(self._directory / "shallow").read_text()).split())
        except FileNotFoundError:
            return set()

    async def _fetch(self, *shape: str) -> None:
        branch = self._settings.branch
        source = f"+refs/heads/{branch}:{_TIP}"
        try:
            await self._network("fetch", "--quiet", "--no-tags", *shape, "origin", source)
        except NotFoundError as error:
            # Where the repository itself is missing, this fails in the same way, and says so.
            refs = (await self._network("ls-remote", "--heads", "origin")).decode().split()
            names = [ref.removeprefix("refs/heads/") for ref in refs[1::2]]
            there = f"there is {quote(', '.join(names), limit=200)}" if names else "it is empty"
            known = [name for name in ("main", "master") if name in names]
            raise NotFoundError(
                f"no branch {branch} in {self.address}: {there}",
                next_command=f"set gitops.branch: {known[0]}" if known else "",
            ) from error

    async def _entry(self, commit: str, path: str) -> _Entry:
        where = f"branch {self._settings.branch} of {self.address}"
        parts = path.split("/")
        if not {"", ".", "..", ".git"}.isdisjoint(parts):
            raise SettingsError(f"{path[:80]!r} is not a path inside the GitOps repository")
        # From the file upwards: the first thing that is there says why the file is not.
        for end in range(len(parts), 0, -1):
            name = "/".join(parts[:end])
            listed = (await self._git("ls-tree", "-z", commit, "--", name)).decode(errors="replace")
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

    async def _git(self, *arguments: str, stdin: bytes = b"") -> bytes:
        output = await self._run(arguments, stdin=stdin)
        if output.code:
            said = quote(output.stderr)
            raise UnexplainedGitError(f"git {arguments[0]} failed ({output.code}): {said}")
        return output.stdout

    async def _network(self, *arguments: str) -> bytes:
        token = self._settings.token
        secrets = {"GIT_ALLOW_PROTOCOL": ":".join(self._protocols)}
        if token is not None and self.address.protocol != "ssh":
            secrets["GIT_ASKPASS"] = str(self._home / "askpass")
            secrets["SLIPWAY_GIT_USERNAME"] = self._settings.username
            secrets["SLIPWAY_GIT_PASSWORD"] = token.get_secret_value()
        with anyio.move_on_after(NETWORK_LIMIT_S):
            output = await self._run(arguments, more=secrets)
            if output.code:
                raise self._explain(arguments[0], output)
            return output.stdout
        raise ServiceUnavailableError(
            f"{self.address.host} did not answer git {arguments[0]} within {NETWORK_LIMIT_S:.0f} s"
        )

    def _explain(self, command: str, output: _Output) -> DeliveryError:
        host = self.address.host or "the local file system"
        lines = output.stderr.splitlines()
        remote = [line.removeprefix("remote:").strip() for line in lines if line[:7] == "remote:"]
        # What the server's hooks print may hold any word.
        own = "\n".join(line for line in lines if line[:7] != "remote:")
        said = quote("; ".join(filter(None, remote)) or own.strip())
        rejected = re.search(r"^!\t\S+\t(.*)$", output.stdout.decode(errors="replace"), re.MULTILINE)
        error: DeliveryError
        if rejected:
            why = quote("; ".join(filter(None, [*remote, rejected[1]])))
            branch = self._settings.branch
            error = PushRejectedError(f"{self.address} refused the push to {branch}: {why}")
        elif program := _NO_PROGRAM.search(own):
            package = "openssh-client" if program[1] else "git, with its HTTP support"
            name = program[1] or f"git-{program[2]}"
            error = SettingsError(f"{name} is not installed: install the package {package}")
        elif _DENIED.search(own):
            account = self.address.user if self.address.protocol == "ssh" else self._settings.username
            if self._settings.token is None and self.address.protocol != "ssh":
                error = AccessDeniedError(f"{host} asks for an account, and no token is configured")
            else:
                error = AccessDeniedError(f"{host} denies git {command} to the account {account}")
        elif _UNTRUSTED.search(own):
            error = TerminalError(f"the identity of {host} cannot be verified: {quote(own)}")
        elif _ABSENT.search(own):
            error = NotFoundError(f"{self.address} was not found, or the account may not see it")
        elif _REDIRECTED.search(own):
            error = SettingsError(
                f"{host} redirects {self.address} elsewhere: configure the address it leads to"
            )
        elif _UNAVAILABLE.search(own):
            error = ServiceUnavailableError(f"{host} does not serve git {command}: {said}")
        else:
            error = UnexplainedGitError(f"git {command} at {self.address} failed ({output.code}): {said}")
        return error

    async def _run(
        self,
        arguments: Sequence[str],
        *,
        stdin: bytes = b"",
        more: Mapping[str, str] | None = None,
    ) -> _Output:
        options = (part for option in _OPTIONS for part in ("-c", option))
        try:
            process = await anyio.open_process(
                ("git", *options, *arguments),
                stdin=PIPE,
                stdout=PIPE,
                stderr=PIPE,
                cwd=self._home,
                env={**self._environment(), **(more or {})},
                # Its own process group: git's helpers have to go with it, and no terminal asks.
                start_new_session=True,
            )
        except FileNotFoundError as error:
            raise SettingsError("git is not installed: install the package git") from error
        output, errors = bytearray(), bytearray()
        async with process:
            try:
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(_drain, process.stdout, output)
                    tasks.start_soon(_drain, process.stderr, errors)
                    if process.stdin:
                        with suppress(anyio.BrokenResourceError):
                            await process.stdin.send(stdin)
                        await process.stdin.aclose()
                code = await process.wait()
            finally:
                if process.returncode is None:
                    with suppress(ProcessLookupError):
                        os.killpg(process.pid, signal.SIGKILL)
        return _Output(code, bytes(output), self._redacted(errors.decode(errors="replace")))

    def _environment(self) -> dict[str, str]:
        names = (*_KEPT, *_PROXIES, *(name.upper() for name in _PROXIES))
        kept = {name: os.environ[name] for name in names if os.environ.get(name)}
        # Most builds of git do not look at these two, which the other clients of a run honour.
        for ours, theirs in (
            ("GIT_SSL_CAINFO", "SSL_CERT_FILE"),
            ("GIT_SSL_CAPATH", "SSL_CERT_DIR"),
        ):
            if theirs in kept:
                kept.setdefault(ours, kept[theirs])
        name, email = self._settings.author_name, self._settings.author_email
        return kept | {
            "GIT_ATTR_NOSYSTEM": "1",
            "GIT_AUTHOR_EMAIL": email,
            "GIT_AUTHOR_NAME": name,
            "GIT_COMMITTER_EMAIL": email,
            "GIT_COMMITTER_NAME": name,
            "GIT_CONFIG_GLOBAL": "/dev/null",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_DIR": str(self._directory),
            "GIT_LITERAL_PATHSPECS": "1",
            "GIT_SSH_COMMAND": _SSH,
            "GIT_TERMINAL_PROMPT": "0",
            "HOME": str(self._home),
            "LC_ALL": "C",
            "TMPDIR": str(self._home),
        }

    def _redacted(self, text: str) -> str:
        if self._settings.token is None:
            return text
        token = self._settings.token.get_secret_value()
        basic = b64encode(f"{self._settings.username}:{token}".encode()).decode()
        return text.replace(token, "***").replace(basic, "***")


def _parse(settings: GitSettings, protocols: Collection[str]) -> _Address:
    """Return the repository's address; what it refuses is not repeated: it may hold a token."""
    if url := _URL.fullmatch(settings.url):
        address = _Address(url[1], url[2] or "", url[3], url[4])
    elif scp := _SCP.fullmatch(settings.url):
        address = _Address("ssh", scp[1], scp[2], scp[3])
    else:
        raise SettingsError("the GitOps repository's address is not a URL that git understands")
    if address.protocol not in protocols:
        allowed = " or ".join(protocols)
        raise SettingsError(f"the GitOps repository's address uses {address.protocol}, expected {allowed}")
    if ":" in address.user or (address.user and address.protocol != "ssh"):
        raise SettingsError(
            f"the GitOps repository's address at {address.host} holds credentials: configure the "
            "username and the token by themselves"
        )
    token = settings.token.get_secret_value() if settings.token is not None else None
    if token is not None and not (token and token.isprintable()):
        raise SettingsError(
            f"the token for {address.host} is empty or has a line break: check the CI's secret"
        )
    return address


async def _drain(stream: ByteReceiveStream | None, into: bytearray) -> None:
    if stream:
        async for chunk in stream:
            into.extend(chunk)
