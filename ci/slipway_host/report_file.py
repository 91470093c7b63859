"""`slipway-host report`: a page, written on this machine."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from slipway_host import inspection
from slipway_host.caller import command
from slipway_host.each import Outcome
from slipway_host.errors import SettingsError, quote

if TYPE_CHECKING:
    from slipway_host.call import Call


async def report(call: Call, *, run: str, days: int, output: str) -> Outcome:
    """Write a report, and say where.

    Args:
        call: the services, in their environment.
        run: the run's id; "" for the newest.
        days: length of the window of a service over time; 0 for a run.
        output: the file.

    Raises:
        DeliveryError: there is nothing of that, or the GitOps repository cannot be read.
        SettingsError: the file cannot be written.
    """
    return Outcome(write(await inspection.report(call, run=run, days=days), output))


def write(html: str, path: str) -> str:
    """Write a page, and return a line that says where.

    Raises:
        SettingsError: it cannot be written there.
    """
    try:
        Path(path).write_text(html, encoding="utf-8")
    except OSError as error:
        raise SettingsError(
            f"{quote(path)}: {os.strerror(error.errno or 0)}", next_command=command("report")
        ) from error
    return f"{path} is written: open it in a browser"
