"""What only the caller knows of who is told of a run."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from slipway_host.errors import SettingsError

if TYPE_CHECKING:
    from pydantic import SecretStr

RUN_URL = re.compile(r"https?://[A-Za-z0-9][A-Za-z0-9.:-]*(/[A-Za-z0-9._~/?=&%#:-]*)?")


@dataclass(frozen=True, kw_only=True)
class Recipients:
    """Where messages go, and by which accounts.

    Args:
        webhook: its address.
        key: signs what the webhook gets.
        token: GitHub account that may write deployments.
        run_url: where the run's log is, or "".
    """

    webhook: SecretStr | None = None
    key: SecretStr | None = None
    token: SecretStr | None = None
    run_url: str = ""

    def __post_init__(self) -> None:
        if self.run_url and not RUN_URL.fullmatch(self.run_url):
            raise SettingsError("the address of the run's log is no http or https address")
