"""Why an image could not be built, in one line, with what helps."""

import re

import dagger

from slipway_host import caller
from slipway_host.errors import TerminalError, quote

# What the kernel says, by way of runc, Go's os package or a program's own words.
_FULL = re.compile(r"no space left on device|disk quota exceeded", re.IGNORECASE)
_MEMORY = re.compile(r"out of memory|cannot allocate memory|\boom-?kill", re.IGNORECASE)
_FOREIGN = re.compile(r"exec format error", re.IGNORECASE)
_KILLED = 137
"""Exit code after SIGKILL, which the kernel sends for want of memory."""


class BuildError(TerminalError):
    """The image cannot be built."""


def build_error(error: dagger.QueryError, platform: str) -> BuildError:
    """Return the error to show for a build that failed.

    Args:
        error: the engine's.
        platform: what was built for, "" for the engine's own.
    """
    command, ended, words = "", 0, str(error)
    if isinstance(error, dagger.ExecError):
        command, ended = " ".join(error.command)[:80], error.exit_code
        words = (error.stderr or error.stdout)[-600:]
    text = f"{error} {words}"
    where = f"for {platform}: " if platform else ""
    if _FOREIGN.search(text):
        return BuildError(
            f"{where}the engine cannot run programs of {platform or 'that platform'} (exec format error)"
            f"{f' in {command}' if command else ''}",
            next_command="let the build stage run on the engine's own platform and compile for the other "
            "(FROM --platform=$BUILDPLATFORM, $TARGETARCH; docs/building.md), or give the engine's host "
            "QEMU's binfmt handlers",
        )
    if _FULL.search(text):
        return BuildError(
            f"{where}a disk is full, the engine's most likely: {quote(words, limit=300)}",
            next_command="dagger core engine local-cache prune; then run the same command",
        )
    if ended == _KILLED or _MEMORY.search(text):
        return BuildError(
            f"{where}{command or 'a step'} was killed, for want of memory most likely"
            f"{f': {quote(words, limit=300)}' if words.strip() else ''}",
            next_command="give the engine more memory, or let the build take less (fewer jobs at once); "
            "then run the same command",
        )
    if command:
        return BuildError(
            f"{where}{command} ended with {ended}: {quote(words)}",
            next_command=f"correct the Dockerfile or the code; `{caller.command('build')}` tries it alone",
        )
    return BuildError(f"{where}{quote(words)}", next_command=caller.command("build"))


def same_platform(one: str, other: str) -> bool:
    """Say whether two names mean one platform: v8 is the only arm64 there is."""
    return one.removesuffix("/v8") == other.removesuffix("/v8")


def wrong_platform(found: str, platform: str) -> BuildError:
    """Return the error for an image that is not for the platform it was built for."""
    return BuildError(
        f"for {platform}: the image that was built says {found}: its base image does not exist for "
        f"{platform}, or it is scratch, which Dagger 0.21 marks with the engine's own platform",
        next_command="name a base image that exists for every platform, like gcr.io/distroless/static",
    )
