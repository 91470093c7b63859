"""What git's words mean: one exit code stands for every failure of a transport."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from slipway_host.errors import (
    AccessDeniedError,
    DeliveryError,
    NotFoundError,
    PushRejectedError,
    ServiceUnavailableError,
    SettingsError,
    TerminalError,
    quote,
)

if TYPE_CHECKING:
    from slipway_host.git_address import Address
    from slipway_host.settings import GitSettings

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


def explain(
    command: str, settings: GitSettings, address: Address, *, code: int, stdout: str, stderr: str
) -> DeliveryError:
    """Return the error of a git command that failed at a remote repository."""
    host = address.host or "the local file system"
    lines = stderr.splitlines()
    remote = [line.removeprefix("remote:").strip() for line in lines if line[:7] == "remote:"]
    # What the server's hooks print may hold any word.
    own = "\n".join(line for line in lines if line[:7] != "remote:")
    said = quote("; ".join(filter(None, remote)) or own.strip())
    rejected = re.search(r"^!\t\S+\t(.*)$", stdout, re.MULTILINE)
    error: DeliveryError
    if rejected:
        why = quote("; ".join(filter(None, [*remote, rejected[1]])))
        branch = settings.branch
        error = PushRejectedError(f"{address} refused the push to {branch}: {why}")
    elif program := _NO_PROGRAM.search(own):
        package = "openssh-client" if program[1] else "git, with its HTTP support"
        name = program[1] or f"git-{program[2]}"
        error = SettingsError(f"{name} is not installed: install the package {package}")
    elif _DENIED.search(own):
        account = address.user if address.protocol == "ssh" else settings.username
        if settings.token is None and address.protocol != "ssh":
            error = AccessDeniedError(f"{host} asks for an account, and no token is configured")
        else:
            error = AccessDeniedError(f"{host} denies git {command} to the account {account}")
    elif _UNTRUSTED.search(own):
        error = TerminalError(f"the identity of {host} cannot be verified: {quote(own)}")
    elif _ABSENT.search(own):
        error = NotFoundError(f"{address} was not found, or the account may not see it")
    elif _REDIRECTED.search(own):
        error = SettingsError(f"{host} redirects {address} elsewhere: configure the address it leads to")
    elif _UNAVAILABLE.search(own):
        error = ServiceUnavailableError(f"{host} does not serve git {command}: {said}")
    else:
        error = UnexplainedGitError(f"git {command} at {address} failed ({code}): {said}")
    return error
