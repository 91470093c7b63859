"""The address of a Git repository: taken apart, and refused where it could do more than name one."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from slipway_host.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Collection

    from slipway_host.settings import GitSettings

# No `?`: a token in a query would end up in messages and in the copy's configuration.
_URL = re.compile(r"([a-z]+)://(?:([^@/\s]*)@)?([^-@/?#\s][^@/?#\s]*|)(/[^?#\s]*)")
_SCP = re.compile(r"([^-@:/\s][^@:/\s]*)@([^-@:/\s][^@:/\s]*):([^-\s]\S*)")


@dataclass(frozen=True)
class Address:
    """Where a repository is; as text without protocol and account."""

    protocol: str
    user: str
    host: str
    path: str

    def __str__(self) -> str:
        return f"{self.host}/{self.path.lstrip('/')}"


def same_place(url: str, address: Address) -> bool:
    """Say whether a URL, over whichever protocol, leads to the repository at an address."""
    parts = _URL.fullmatch(url) or _SCP.fullmatch(url)
    if not parts:
        return False
    host, path = parts.groups()[-2:]
    ports = (host.partition(":")[0], address.host.partition(":")[0])
    return ports[0] == ports[1] and _bare(path) == _bare(address.path)


def _bare(path: str) -> str:
    return path.strip("/").removesuffix(".git")


def parse_address(settings: GitSettings, protocols: Collection[str]) -> Address:
    """Return the repository's address; what it refuses is not repeated: it may hold a token."""
    if url := _URL.fullmatch(settings.url):
        address = Address(url[1], url[2] or "", url[3], url[4])
    elif scp := _SCP.fullmatch(settings.url):
        address = Address("ssh", scp[1], scp[2], scp[3])
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
