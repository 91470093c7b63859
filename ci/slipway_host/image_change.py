"""The image that an application is to run: its edit of the values file, and its part of the message."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

from slipway_host import commit_message, values
from slipway_host.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from slipway_host.holds import Hold

SOURCE_COMMIT = "Slipway-Source-Commit"
SOURCE_URL = "Slipway-Source-Url"
IMAGE_DIGEST = "Slipway-Image-Digest"
RUN = "Slipway-Run"
MIGRATION = "Slipway-Migration"
"""Trailer of a deploy whose service has a migration: the Job that had done its work before the commit.

A Job is the same for the same image, so the first commit that names one is of the deploy that ran it.
"""
ROLLED_BACK = "Slipway-Rolled-Back"
"""Trailer of a rollback: the tag that it left."""
FULL_HASH = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?")


@dataclass(frozen=True, kw_only=True)
class ImageChange:
    """The image that one application is to run.

    Args:
        app: the application's name, for the commit message.
        path: its values file in the GitOps repository.
        tag: the image tag.
        digest: the image's digest, for the commit message; also written where the file has one.
        write_digest: write the digest to a file that has none, too.
        source_commit: full hash of the commit that the image was built from; None where nobody knows, as
            of an image that a rollback finds in a repository which others wrote.
        source_url: where people find that commit's repository.
        ancestors: full hashes of the source commit's ancestors. Known, they keep this deploy from
            replacing a newer one (fault 62); None skips that check, as a rollback has to.
        rolled_back: the tag that this rollback leaves; None where it is none.
        hold: kept from being deployed again by the same commit, None for nothing.
        migration: the Job that has migrated its database for this image; empty where none has.
        service: its key in `slipway.yaml`, for errors; empty for the application's name.
        before: digest of the bytes that a saved plan saw in the values file; None for no plan.
    """

    app: str
    path: str
    tag: str
    digest: str | None
    write_digest: bool
    source_commit: str | None
    source_url: str | None = None
    ancestors: frozenset[str] | None = None
    rolled_back: str | None = None
    hold: Hold | None = None
    migration: str = ""
    service: str = ""
    before: str | None = None


def check(changes: Sequence[ImageChange], run_id: str, message: str) -> None:
    """Refuse what cannot become one commit, before anything is read.

    Raises:
        SettingsError: no application, a values file twice, or a message that says something else.
    """
    if not changes:
        raise SettingsError("no application to deploy was named")
    paths = [change.path for change in changes]
    twice = {path for path in paths if paths.count(path) > 1}
    if twice:
        raise SettingsError(f"two applications share the values file {', '.join(sorted(twice))}")
    for change in changes:
        if change.source_commit is not None and not FULL_HASH.fullmatch(change.source_commit):
            raise SettingsError(f"{change.app}: {change.source_commit[:80]!r} is not a full commit hash")
        if change.write_digest and change.digest is None:
            raise SettingsError(f"{change.app}: the digest is to be written, and none is known")
    if not run_id.isprintable():
        raise SettingsError("the run's id has to be one line")
    if fault := commit_message.fault(message):
        raise SettingsError(f"the commit message {message[:80]!r}: {fault}")


def edit(data: bytes, change: ImageChange) -> bytes:
    """Return a values file with the application's new image."""
    # A digest beside the tag decides what runs, so one that is there always follows the tag.
    wanted = change.write_digest or values.read_digest(data) is not None
    digest = change.digest if wanted else None
    return values.set_image(data, tag=change.tag, digest=digest, path=change.path)


def describe(changes: Sequence[ImageChange], run_id: str, message: str) -> str:
    """Return the commit's message: subject, tags where they differ, and trailers."""
    tags = list(dict.fromkeys(change.tag for change in changes))
    apps = ", ".join(change.app for change in changes)
    paragraphs = [commit_message.subject(message, apps=apps, tags=", ".join(tags))]
    if len(tags) > 1:
        paragraphs.append("\n".join(f"{change.app}: {change.tag}" for change in changes))
    last = [*trailers(changes), f"{RUN}: {run_id}"]
    return "\n\n".join([*paragraphs, "\n".join(last)]) + "\n"


def trailers(changes: Sequence[ImageChange]) -> list[str]:
    """Return what machines read from a commit or a pull request, a line each."""
    lines = []
    for change in changes:
        # The value comes first: whoever reads one word of a trailer has it, named or not.
        name = f" ({change.app})" if len(changes) > 1 else ""
        if change.source_commit:
            lines.append(f"{SOURCE_COMMIT}: {change.source_commit}{name}")
        if change.source_url:
            lines.append(f"{SOURCE_URL}: {without_credentials(change.source_url)}{name}")
        if change.digest:
            lines.append(f"{IMAGE_DIGEST}: {change.digest}{name}")
        if change.migration:
            lines.append(f"{MIGRATION}: {change.migration}{name}")
        if change.rolled_back:
            lines.append(f"{ROLLED_BACK}: {change.rolled_back}{name}")
    return lines


def source_of(named: Sequence[str], app: str) -> str | None:
    """Return the commit that the trailers name for an application, or for the only one."""
    return named_for(named, app, FULL_HASH)


def named_for(named: Sequence[str], app: str, kind: re.Pattern[str]) -> str | None:
    """Return the value of that kind that trailers name for an application, or for the only one."""
    for trailer in named:
        value, _, name = trailer.partition(" ")
        if name in {"", f"({app})"} and kind.fullmatch(value):
            return value
    return None


def without_credentials(url: str) -> str:
    """Return the address alone: a CI's remote often holds its token."""
    if "://" not in url:
        return "".join(url.split())
    parts = urlsplit("".join(url.split()))
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment=""))
