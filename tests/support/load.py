"""A load check's settings, and what Vegeta has said of requests to a small server and to none."""

from __future__ import annotations

from typing import Any

from slipway_host.load_config import Budget, Load
from slipway_host.settings import LoadSettings

# `vegeta report -type=json` of 12.8.4; that of 12.13.0 is the same but for its figures.
FAST = (
    '{"latencies":{"total":4708070634,"mean":31387137,"50th":42748214,"90th":47238531,"95th":49868523,'
    '"99th":66640447,"max":70840076,"min":528984},"bytes_in":{"total":0,"mean":0},"bytes_out":{"total":0,'
    '"mean":0},"earliest":"2026-11-27T06:06:41.839062925Z","latest":"2026-11-27T06:06:44.805292158Z",'
    '"end":"2026-11-27T06:06:44.855143404Z","duration":2966229233,"wait":49851246,"requests":150,'
    '"rate":50.569254166608104,"throughput":49.73342092308273,"success":1,"status_codes":{"200":150},'
    '"errors":[]}\n'
)
FLAKY = (
    '{"latencies":{"total":4627183740,"mean":30847891,"50th":42737677,"90th":46850135,"95th":50731712,'
    '"99th":62745812,"max":64254148,"min":559941},"bytes_in":{"total":0,"mean":0},"bytes_out":{"total":0,'
    '"mean":0},"earliest":"2026-11-27T06:06:48.240098768Z","latest":"2026-11-27T06:06:51.220383792Z",'
    '"end":"2026-11-27T06:06:51.269345559Z","duration":2980285024,"wait":48961767,"requests":150,'
    '"rate":50.330756552498116,"throughput":34.001851650389355,"success":0.6866666666666666,'
    '"status_codes":{"200":103,"500":47},"errors":["500 Internal Server Error"]}\n'
)
REFUSED = (
    '{"latencies":{"total":19436252,"mean":388725,"50th":362943,"90th":587972,"95th":611908,'
    '"99th":684706,"max":684706,"min":238243},"bytes_in":{"total":0,"mean":0},"bytes_out":{"total":0,'
    '"mean":0},"earliest":"2026-11-27T06:07:00.73929837Z","latest":"2026-11-27T06:07:01.71989005Z",'
    '"end":"2026-11-27T06:07:01.720318295Z","duration":980591680,"wait":428245,"requests":50,'
    '"rate":50.98962291827726,"throughput":0,"success":0,"status_codes":{"0":50},'
    '"errors":["Get \\"http://127.0.0.1:1/x\\": dial tcp 0.0.0.0:0-\\u003e127.0.0.1:1: connect: connection '
    'refused"]}\n'
)


def budget(**keys: float) -> Budget:
    """Return a budget, by the keys of `slipway.yaml`."""
    return Budget.model_validate(keys)


def settings(*, enforced: bool = True, **changes: Any) -> LoadSettings:
    """Return a check of 50 requests a second for 3 s, with some keys of its own."""
    asked = Load.model_validate({"path": "/scores", "ratePerS": 50, "durationS": 3}).model_copy(
        update=changes
    )
    return LoadSettings(**dict(asked), enforced=enforced)
