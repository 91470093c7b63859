"""The functions that measure: KPIs and costs, the same for `dagger call` and `slipway-host`."""

from __future__ import annotations

import datetime as dt
import json
from typing import TYPE_CHECKING

from slipway_host import cost_text
from slipway_host.cost import expenses
from slipway_host.each import NOBODY, Outcome
from slipway_host.kpis import Question, measure, said

if TYPE_CHECKING:
    from slipway_host.call import Call


async def kpis(call: Call, *, days: int, as_json: bool, as_prometheus: bool) -> Outcome:
    """Show how delivery goes against its targets.

    Args:
        call: the services.
        days: length of the window, which ends now.
        as_json: return JSON.
        as_prometheus: return Prometheus' text format.
    """
    if not call.targets:
        return Outcome(NOBODY)
    question = Question(
        config=call.config,
        environment=call.environment,
        targets=call.targets,
        settings=await call.git(),
        days=days,
        commits=call.commits,
        now=dt.datetime.now(dt.UTC),
    )
    return Outcome(said(await measure(question), as_json=as_json, as_prometheus=as_prometheus))


async def cost(call: Call, *, as_json: bool) -> Outcome:
    """Show what the services request and may use, and what that costs."""
    if not call.targets:
        return Outcome(NOBODY)
    async with call.cluster() as kube:
        found = await expenses(call.targets, kube=kube)
    if as_json:
        document = cost_text.document(found, environment=call.environment)
        return Outcome(json.dumps(document, indent=2, ensure_ascii=False))
    return Outcome(cost_text.screen(found, environment=call.environment))
