"""The `git` program, in an environment made here.

GitPython would not do: its push does not raise on rejection, its commands inherit the caller's
whole environment, `GIT_*` and secrets included, and cannot be cancelled.
"""

from __future__ import annotations

import os
import shlex
import signal
import stat
from base64 import b64encode
from contextlib import suppress
from dataclasses import dataclass
from subprocess import PIPE
from typing import TYPE_CHECKING

import anyio

from slipway_host.errors import ServiceUnavailableError, SettingsError, quote
from slipway_host.git_errors import UnexplainedGitError, explain

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from anyio.abc import ByteReceiveStream

    from slipway_host.git_address import Address
    from slipway_host.settings import GitSettings

# One command's share of the caller's deadline: a server that hangs leaves time for another try.
NETWORK_LIMIT_S = 60.0
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
_SSH = ("ssh", "-oBatchMode=yes", "-oStrictHostKeyChecking=yes", "-oConnectTimeout=20")
_ASKPASS = """\
#!/bin/sh
case "$1" in
Username*) printf '%s\\n' "$SLIPWAY_GIT_USERNAME" ;;
*) printf '%s\\n' "$SLIPWAY_GIT_PASSWORD" ;;
esac
"""


@dataclass(frozen=True)
class Output:
    """How a command ended; the token is not in `stderr`."""

    code: int
    stdout: bytes
    stderr: str


class GitProgram:
    """Runs git for one copy of one remote repository, in the copy's private folder."""

    def __init__(
        self, settings: GitSettings, address: Address, home: Path, protocols: tuple[str, ...]
    ) -> None:
        self.home = home
        self.directory = home / "repository.git"
        self._settings = settings
        self._address = address
        self._protocols = protocols

    async def prepare(self) -> None:
        """Write what git and ssh read: keys, known hosts, and the script that answers for a password."""
        await self._write("askpass", _ASKPASS, executable=True)
        if self._settings.known_hosts:
            await self._write("known_hosts", "\n".join(self._settings.known_hosts))
        for name, key in (("ssh-key", self._settings.ssh_key), ("signing-key", self._settings.signing_key)):
            if key is not None:
                await self._write(name, key.get_secret_value())

    async def _write(self, name: str, text: str, *, executable: bool = False) -> None:
        path = anyio.Path(self.home / name)
        # The mode before the content: ssh takes no key that others may read.
        await path.touch(mode=stat.S_IRWXU if executable else stat.S_IRUSR | stat.S_IWUSR)
        # OpenSSH refuses a key whose last line does not end.
        await path.write_text(text.rstrip() + "\n")

    async def local(self, *arguments: str, stdin: bytes = b"") -> bytes:
        """Return what a command printed that needs no server.

        Raises:
            UnexplainedGitError: it failed.
        """
        output = await self.run(arguments, stdin=stdin)
        if output.code:
            said = quote(output.stderr)
            raise UnexplainedGitError(f"git {arguments[0]} failed ({output.code}): {said}")
        return output.stdout

    async def sign(self, command: str, *arguments: str, stdin: bytes) -> bytes:
        """Return what a command printed that makes a commit, signed where there is a key for it.

        Raises:
            SettingsError: the key cannot sign.
            UnexplainedGitError: the command failed.
        """
        if self._settings.signing_key is None:
            return await self.local(command, *arguments, stdin=stdin)
        options = ("-c", "gpg.format=ssh", "-c", f"user.signingKey={self.home / 'signing-key'}")
        output = await self.run((*options, command, "-S", *arguments), stdin=stdin)
        if output.code:
            said = quote(output.stderr.replace(str(self.home), ""), limit=300)
            raise SettingsError(
                f"the commit cannot be signed: {said}",
                next_command="give an OpenSSH private key without a passphrase; the package "
                "openssh-client has to be installed",
            )
        return output.stdout

    async def network(self, *arguments: str, stdin: bytes = b"", config: str = "") -> bytes:
        """Return what a command printed that talks to the server, with the account's token.

        Args:
            arguments: the command.
            stdin: what it reads.
            config: a setting for this command alone, `name=value`.

        Raises:
            DeliveryError: it failed, in the terms of `git_errors.explain`.
        """
        token = self._settings.token
        secrets = {"GIT_ALLOW_PROTOCOL": ":".join(self._protocols)}
        if token is not None and self._address.protocol != "ssh":
            secrets["GIT_ASKPASS"] = str(self.home / "askpass")
            secrets["SLIPWAY_GIT_USERNAME"] = self._settings.username
            secrets["SLIPWAY_GIT_PASSWORD"] = token.get_secret_value()
        with anyio.move_on_after(NETWORK_LIMIT_S):
            settings = ("-c", config) if config else ()
            output = await self.run((*settings, *arguments), stdin=stdin, more=secrets)
            if output.code:
                stdout = output.stdout.decode(errors="replace")
                raise explain(
                    arguments[0],
                    self._settings,
                    self._address,
                    code=output.code,
                    stdout=stdout,
                    stderr=output.stderr,
                )
            return output.stdout
        raise ServiceUnavailableError(
            f"{self._address.host} did not answer git {arguments[0]} within {NETWORK_LIMIT_S:.0f} s"
        )

    async def run(
        self,
        arguments: Sequence[str],
        *,
        stdin: bytes = b"",
        more: Mapping[str, str] | None = None,
    ) -> Output:
        """Run a command to its end, whatever its exit code; cancelled, it ends with all its helpers."""
        options = (part for option in _OPTIONS for part in ("-c", option))
        try:
            process = await anyio.open_process(
                ("git", *options, *arguments),
                stdin=PIPE,
                stdout=PIPE,
                stderr=PIPE,
                cwd=self.home,
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
        return Output(code, bytes(output), self._redacted(errors.decode(errors="replace")))

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
            "GIT_DIR": str(self.directory),
            "GIT_LITERAL_PATHSPECS": "1",
            "GIT_SSH_COMMAND": self._ssh(),
            "GIT_TERMINAL_PROMPT": "0",
            "HOME": str(self.home),
            "LC_ALL": "C",
            "TMPDIR": str(self.home),
        }

    def _ssh(self) -> str:
        options = list(_SSH)
        if self._settings.ssh_key is not None:
            # Of an agent's many keys, a server may count each as a failed try.
            options += ["-oIdentitiesOnly=yes", f"-oIdentityFile={self.home / 'ssh-key'}"]
        if self._settings.known_hosts:
            known = self.home / "known_hosts"
            options += [f"-oUserKnownHostsFile={known}", "-oGlobalKnownHostsFile=/dev/null"]
        return shlex.join(options)

    def _redacted(self, text: str) -> str:
        if self._settings.token is None:
            return text
        token = self._settings.token.get_secret_value()
        basic = b64encode(f"{self._settings.username}:{token}".encode()).decode()
        return text.replace(token, "***").replace(basic, "***")


async def _drain(stream: ByteReceiveStream | None, into: bytearray) -> None:
    if stream:
        async for chunk in stream:
            into.extend(chunk)
