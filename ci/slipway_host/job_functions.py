"""From the flags of a command to the function that `dagger call` has under the same name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from slipway_host import (
    inspection,
    intervention,
    preview_list,
    previewing,
    reckoning,
    report_file,
    retreat,
)
from slipway_host.way_back import Wish

if TYPE_CHECKING:
    import argparse
    from collections.abc import Awaitable, Callable

    from slipway_host.call import Call
    from slipway_host.each import Outcome


async def _logs(call: Call, options: argparse.Namespace) -> Outcome:
    return await inspection.logs(
        call,
        tail=options.tail,
        previous=options.previous,
        container=options.container,
        follow=options.follow,
    )


async def _rollback(call: Call, options: argparse.Namespace) -> Outcome:
    wish = Wish(
        to=options.to,
        revert=options.revert,
        reason=options.reason,
        by=options.by or call.by,
        everything=options.hold,
    )
    chosen, receipt_only = bool(options.service), options.receipt_only
    return await retreat.retreat(call, wish, chosen=chosen, receipt_only=receipt_only)


FUNCTIONS: dict[str, Callable[[Call, argparse.Namespace], Awaitable[Outcome]]] = {
    "abort": lambda call, o: intervention.abort(call, chosen=bool(o.service)),
    "cost": lambda call, o: reckoning.cost(call, as_json=o.as_json),
    "diagnose": lambda call, o: inspection.diagnose(call, head=o.head, as_json=o.as_json),
    "doctor": lambda call, o: inspection.doctor(call, as_json=o.as_json, report_only=o.report_only),
    "history": lambda call, o: inspection.history(call, limit=o.limit, as_json=o.as_json),
    "hold": lambda call, o: intervention.hold(call, reason=o.reason, tag=o.tag, by=o.by, lift=o.lift),
    "kpis": lambda call, o: reckoning.kpis(
        call, days=o.days, as_json=o.as_json, as_prometheus=o.as_prometheus
    ),
    "logs": _logs,
    "metrics": lambda call, o: inspection.metrics(call, match=o.match),
    "preview": lambda call, _: previewing.preview(call),
    "previews": lambda call, o: preview_list.previews(call, as_json=o.as_json),
    "promote": lambda call, o: intervention.promote(call, full=o.full, chosen=bool(o.service)),
    "rbac": lambda call, o: inspection.rbac(
        call, account=o.account, account_namespace=o.account_namespace, sync_windows=o.sync_windows
    ),
    "remove-preview": lambda call, o: previewing.remove(call, confirm=o.confirm),
    "report": lambda call, o: report_file.report(call, run=o.run, days=o.days, output=o.output),
    "resume": lambda call, _: intervention.resume(call),
    "rollback": _rollback,
    "rotate": lambda call, o: intervention.rotate(call, key=o.key, confirm=o.confirm, name=o.rotation),
    "status": lambda call, o: inspection.status(call, as_json=o.as_json),
    "sync": lambda call, o: intervention.sync(call, terminate=o.terminate),
    "undo": lambda call, o: intervention.undo(
        call, to_revision=o.to_revision, by=o.by, chosen=bool(o.service)
    ),
}
