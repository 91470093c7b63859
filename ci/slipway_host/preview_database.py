"""The database of a preview, taken away with it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from slipway_host.database_steps import literal, locked
from slipway_host.errors import ConflictError
from slipway_host.postgres import FIXED_DATABASE, Step

if TYPE_CHECKING:
    from slipway_host.postgres import SqlRunner
    from slipway_host.settings import DatabaseSettings


async def drop(sql: SqlRunner, settings: DatabaseSettings, *, deadline_s: float) -> bool:
    """Remove a database and the role that owns it, with everything in it, and return whether there was one.

    Connections to it are ended. Read-only roles stay: other databases may have them, too.

    Raises:
        ConflictError: another role owns the database, or the role owns another one as well.
    """
    name, role = literal(settings.name), literal(settings.role)
    query = f"""
SELECT json_build_object(
  'databases', (SELECT coalesce(json_agg(json_build_array(pg_get_userbyid(datdba), datname)), '[]')
    FROM pg_database WHERE datname = {name} OR pg_get_userbyid(datdba) = {role}),
  'role', EXISTS (SELECT FROM pg_roles WHERE rolname = {role}))"""  # noqa: S608 - literal() quotes
    found = json.loads(await sql.value(query, database=FIXED_DATABASE))
    for owner, database in found["databases"]:
        if (owner, database) != (settings.role, settings.name):
            raise ConflictError(
                f"role {owner} owns database {database}: neither it nor {settings.name} is dropped"
            )
    if not found["databases"] and not found["role"]:
        return False
    steps = (
        f"SELECT format('DROP DATABASE %I WITH (FORCE)', datname) FROM pg_database WHERE datname = {name}",  # noqa: S608
        f"SELECT format('DROP ROLE %I', rolname) FROM pg_roles WHERE rolname = {role}",  # noqa: S608
    )
    await sql.act(locked([Step(text) for text in steps], deadline_s=deadline_s), database=FIXED_DATABASE)
    return True
