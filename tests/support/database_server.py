"""A PostgreSQL as the set-up sees it: one role, one database, and what is done to them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import anyio.lowlevel
from pydantic import SecretStr

from slipway_host.postgres import FIXED_DATABASE

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from slipway_host.postgres import Step

PASSWORD = SecretStr("canary-47110815")
ROLE = {"super": False, "login": True}
DATABASE: dict[str, Any] = {"owner": "api", "open": True, "limit": -1, "public": False}
BEGUN = {**DATABASE, "open": False, "limit": 0, "public": True}


class Server:
    """A PostgreSQL that knows one role and one database, and what our script does to them.

    `script` says what becomes of the next scripts: an error instead of it, or afterwards (lost), or
    somebody else's doing in between.
    """

    def __init__(self, role: dict[str, Any] | None = None, base: dict[str, Any] | None = None) -> None:
        self.role = role
        self.base = base
        self.password = PASSWORD
        self.scripts: list[str] = []
        self.looks: list[Exception] = []
        self.instead: list[Exception | Callable[[], None]] = []
        self.lost: list[Exception] = []
        self.readers: dict[str, dict[str, Any]] = {}
        self.available = ["hstore", "pg_trgm", "uuid-ossp"]
        self.outdated: list[str] = []
        self.pending = self.left = 0
        self.lacking: list[str] = []
        self.lacking_inside: list[str] = []

    async def value(self, query: str, *, database: str) -> str:
        await anyio.lowlevel.checkpoint()
        assert query.lstrip().startswith("SELECT")
        if database != FIXED_DATABASE:
            assert self.base
            assert self.base["open"]
            pending = [f"GRANT {number}" for number in range(self.pending)]
            return json.dumps({"pending": pending, "outdated": self.outdated})
        if self.looks:
            raise self.looks.pop(0)
        found: dict[str, Any] = {"role": self.role, "database": self.base}
        found |= {"lacking": self.lacking, "lackingInside": self.lacking_inside}
        return json.dumps({**found, "readers": self.readers, "available": self.available})

    async def act(self, steps: Sequence[Step], *, database: str) -> None:
        await anyio.lowlevel.checkpoint()
        sql = "\n".join(step.sql for step in steps)
        assert PASSWORD.get_secret_value() not in sql
        self.scripts.append(sql)
        if database != FIXED_DATABASE:
            self.pending = self.left
            return
        if self.instead:
            what = self.instead.pop(0)
            if isinstance(what, Exception):
                raise what
            what()
        self.role = self.role or ROLE
        if self.base is None or self.base["limit"] == 0:
            self.base = DATABASE
        if "ALTER ROLE" in sql:
            self.password = PASSWORD
        self.readers |= {name: {"super": False} for name in ("report",) if f"'{name}'" in sql}
        if self.lost:
            raise self.lost.pop(0)

    async def accepts(self, role: str, password: SecretStr) -> bool:
        await anyio.lowlevel.checkpoint()
        assert self.role
        return role == "api" and password == self.password
