"""What an earlier run hands over: which commit's images are to be delivered."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from slipway_host.caller import command
from slipway_host.errors import SettingsError, quote
from slipway_host.image_change import FULL_HASH
from slipway_host.names import DNS_LABEL
from slipway_host.values import DIGEST

if TYPE_CHECKING:
    from collections.abc import Iterable

PUSHED = re.compile(r"(?P<service>[a-z0-9-]+): \S+@(?P<digest>sha256:[0-9a-f]{64})")
"""A line of `dagger call push`."""


@dataclass(frozen=True, kw_only=True)
class Handover:
    """Images by digest; commit and environment are "" where the hand-over does not say."""

    digests: dict[str, str] = field(default_factory=dict)
    commit: str = ""
    environment: str = ""


def read_handover(text: str, *, name: str) -> Handover:
    """Return what a receipt says, or the output of `dagger call push`.

    Args:
        text: the file's text.
        name: the file's name, for errors.

    Raises:
        SettingsError: it is neither, or a value in it cannot be one.
    """
    if text.lstrip().startswith("{"):
        try:
            document = json.loads(text)
        except ValueError as error:
            raise SettingsError(f"{name} is no JSON: {quote(str(error), limit=120)}") from None
        return _receipt(document, name)
    found = [PUSHED.fullmatch(line.strip()) for line in text.splitlines() if line.strip()]
    lines = [match for match in found if match]
    if not lines or len(lines) != len(found):
        raise SettingsError(
            f"{name} is neither a receipt nor what `dagger call push` prints",
            next_command=f"{command('deploy', '--receipt-only')} > receipt.json",
        )
    return Handover(digests={line["service"]: line["digest"] for line in lines})


def images_of(words: Iterable[str]) -> dict[str, str]:
    """Return the digests of words like `api=sha256:…`.

    Raises:
        SettingsError: one is something else.
    """
    digests = {}
    for word in words:
        service, _, digest = word.partition("=")
        if not (DNS_LABEL.fullmatch(service) and DIGEST.fullmatch(digest)):
            raise SettingsError(f"{word[:80]!r} is no image: expected <service>=sha256:<64 digits>")
        digests[service] = digest
    return digests


def _receipt(document: dict[str, Any], name: str) -> Handover:
    commit, environment, services = (document.get(key) for key in ("commit", "environment", "services"))
    if not isinstance(services, list) or not isinstance(environment, str):
        raise SettingsError(f"{name} is no receipt: it has no services or no environment")
    if not (isinstance(commit, str) and FULL_HASH.fullmatch(commit)):
        raise SettingsError(f"{name} is no receipt of a commit: `commit` is no full hash")
    digests = {}
    for service in services:
        key, digest = (
            (service.get("service"), service.get("digest")) if isinstance(service, dict) else ("", "")
        )
        if digest is None:
            # It failed before its push: whoever asks for this service is told that nothing is known.
            continue
        usable = isinstance(key, str) and DNS_LABEL.fullmatch(key) and DIGEST.fullmatch(str(digest))
        if not usable:
            raise SettingsError(f"{name} names a service or a digest that cannot be one")
        digests[str(key)] = str(digest)
    return Handover(digests=digests, commit=commit, environment=environment)
