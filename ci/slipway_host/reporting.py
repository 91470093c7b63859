"""The report that a call asks for: of a run, or of one service over time."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from slipway_host import kpis, reports
from slipway_host.caller import command
from slipway_host.errors import SettingsError

if TYPE_CHECKING:
    from slipway_host.call import Call


async def report(call: Call, *, run: str, days: int) -> str:
    """Return the report that was asked for as HTML: of a run, or of one service over time.

    Args:
        call: the services, in their environment.
        run: the run's id; "" for the newest.
        days: length of the window; 0 for a run.

    Raises:
        SettingsError: both were asked for, or several services over time.
        DeliveryError: the GitOps repository cannot be read, or has nothing of that.
    """
    if not days:
        return await reports.of_run(await call.git(), call.targets, run=run, commits=call.commits)
    if run:
        raise SettingsError(
            "--run and --days exclude each other: a report is of a run, or of a service over time",
            next_command=command("report", f"--run={run}"),
        )
    names = [target.service for target in call.targets]
    if len(names) > 1:
        raise SettingsError(
            f"over time, a report is of one service, and there are {', '.join(names)}",
            next_command=command("report", f"--service={names[0]}", f"--days={days}"),
        )
    question = kpis.Question(
        config=call.config,
        environment=call.environment,
        targets=call.targets,
        settings=await call.git(),
        days=days,
        commits=call.commits,
        now=dt.datetime.now(dt.UTC),
    )
    return await reports.of_service(question)
