"""R9, faults 34 and 35: many set-ups at once on one PostgreSQL."""

import time
from functools import partial

from pydantic import SecretStr

from chaos.conftest import Note, Scale
from slipway_host.database import ensure_database
from slipway_host.kube import KubeClient
from slipway_host.postgres_pods import connect
from slipway_host.progress import silent
from slipway_host.results import StageResult, Status
from slipway_host.settings import DatabaseSettings, PostgresSettings
from slipway_host.together import together
from slipway_lab.layout import Layout
from support.administrator import administer


async def test_set_ups_at_once_end_without_an_error(
    kube: KubeClient, postgres: PostgresSettings, databases: list[str], scale: Scale, note: Note
) -> None:
    """Half of them make databases of their own, half make one and the same."""

    async def set_up(name: str) -> StageResult:
        sql = await connect(kube, postgres, deadline_s=120)
        settings = DatabaseSettings(name=name, role=name)
        return await ensure_database(sql, settings, SecretStr(f"pw-{name}"), report=silent, deadline_s=120)

    began = time.monotonic()
    results = await together(*(partial(set_up, name) for name in databases))
    seconds = time.monotonic() - began
    note("databases", {"set-ups": len(results), "errors": 0, "seconds": round(seconds, 2)})

    assert len(results) == scale.setups
    again = await together(*(partial(set_up, name) for name in databases[:2]))
    assert {result.status for result in again} == {Status.SKIPPED}


async def test_databases_that_racers_made_are_like_one_made_alone(
    kube: KubeClient, postgres: PostgresSettings, databases: list[str], layout: Layout
) -> None:
    names = [databases[0], databases[-1]]

    async def set_up(name: str) -> StageResult:
        sql = await connect(kube, postgres, deadline_s=60)
        settings = DatabaseSettings(name=name, role=name)
        return await ensure_database(sql, settings, SecretStr(f"pw-{name}"), report=silent, deadline_s=60)

    await set_up(names[0])
    await together(*(partial(set_up, names[1]) for _ in range(4)))
    shapes = {
        administer(
            layout,
            "SELECT datallowconn, datconnlimit, pg_get_userbyid(datdba) = datname, "
            "replace(datacl::text, datname, 'x') "
            f"FROM pg_database WHERE datname = '{name}';\n",
        )
        for name in names
    }
    assert len(shapes) == 1
