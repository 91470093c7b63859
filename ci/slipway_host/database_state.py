"""What a server has of a service's database, and what of it is not ours to change or to use (R34)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from slipway_host.database_steps import VERIFIER, inside, literal, outside, pending
from slipway_host.errors import ConflictError, NotFoundError, nearest
from slipway_host.postgres import FIXED_DATABASE

if TYPE_CHECKING:
    from slipway_host.postgres import SqlRunner
    from slipway_host.settings import DatabaseSettings

SHOWN = 60
"""Extensions that an error lists: Debian's package with all of its contrib modules has 43."""


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What is there: None for a role or a database that is not.

    Args:
        role: the owner's attributes.
        database: the database's.
        readers: the attributes of those read-only roles that are there, by name.
        available: the extensions that the server could create, where some are asked for.
        lacking: the statements that roles and database lack, should they not be `done`.
        lacking_inside: those that follow in a database that is yet to be made.
    """

    role: dict[str, Any] | None
    database: dict[str, Any] | None
    readers: dict[str, dict[str, Any]]
    available: tuple[str, ...]
    lacking: tuple[str, ...] = ()
    lacking_inside: tuple[str, ...] = ()

    @property
    def begun(self) -> bool:
        """Whether a killed set-up left the database behind: closed, and with room for nobody."""
        return bool(self.database and not self.database["open"] and self.database["limit"] == 0)

    def done(self, settings: DatabaseSettings) -> bool:
        """Whether roles and database are there and open."""
        made = self.role and self.database and self.database["open"]
        return bool(made and self.readers.keys() >= set(settings.read_only))


async def role_exists(sql: SqlRunner, role: str) -> bool:
    """Return whether the server has a role of this name."""
    query = f"SELECT count(*) FROM pg_roles WHERE rolname = {literal(role)}"  # noqa: S608 - literal() quotes
    return await sql.value(query, database=FIXED_DATABASE) == "1"


async def look(sql: SqlRunner, settings: DatabaseSettings) -> Seen:
    """Read roles, database and available extensions in one query."""
    role, name = literal(settings.role), literal(settings.name)
    readers = ", ".join(literal(reader) for reader in settings.read_only) or "NULL"
    every = "SELECT name FROM pg_available_extensions ORDER BY name"
    query = f"""
SELECT json_build_object(
  'role', (
    SELECT json_build_object('super', rolsuper, 'login', rolcanlogin)
    FROM pg_roles WHERE rolname = {role}
  ),
  'database', (
    SELECT json_build_object(
      'owner', pg_get_userbyid(datdba), 'open', datallowconn, 'limit', datconnlimit,
      'public', EXISTS (
        SELECT FROM aclexplode(coalesce(datacl, acldefault('d', datdba)))
        WHERE grantee = 0 AND privilege_type = 'CONNECT'
      )
    )
    FROM pg_database WHERE datname = {name}
  ),
  'readers', (
    SELECT coalesce(json_object_agg(rolname, json_build_object('super', rolsuper)), '{{}}')
    FROM pg_roles WHERE rolname IN ({readers})
  ),
  'available', to_json(ARRAY({every if settings.extensions else "SELECT NULL"})),
  'lacking', ({pending(outside(settings, VERIFIER, reset=False))}),
  'lackingInside', ({pending(inside(settings, made=False))})
)"""  # noqa: S608 - literal() quotes
    found = json.loads(await sql.value(query, database=FIXED_DATABASE))
    return Seen(
        role=found["role"],
        database=found["database"],
        readers=found["readers"],
        available=tuple(filter(None, found["available"])),
        lacking=tuple(found["lacking"]),
        lacking_inside=tuple(found["lackingInside"]),
    )


def refuse(seen: Seen, settings: DatabaseSettings) -> None:
    """Raise where what is there is not ours to change or to use (fault 40)."""
    role = settings.role
    if role.startswith("pg_"):
        raise ConflictError(f"role {role} belongs to PostgreSQL itself: choose another name")
    another = "choose another database.role in slipway.yaml"
    if seen.role and seen.role["super"]:
        raise ConflictError(f"role {role} is a superuser: no service may own that; {another}")
    if seen.role and not seen.role["login"]:
        raise ConflictError(f"role {role} may not log in (NOLOGIN): it is a group; {another}")
    for reader, attributes in seen.readers.items():
        if attributes["super"]:
            raise ConflictError(f"read-only role {reader} is a superuser: it may write everywhere")
    _refuse_database(seen, settings)
    for name in settings.extensions:
        if name not in seen.available:
            there = ", ".join(seen.available[:SHOWN]) or "none"
            raise NotFoundError(
                f"the PostgreSQL server has no package with extension {name}: it has "
                f"{there}{nearest(name, seen.available)}",
                next_command="psql -c 'SELECT * FROM pg_available_extensions'",
            )


def _refuse_database(seen: Seen, settings: DatabaseSettings) -> None:
    if seen.database is None:
        return
    role, name, owner = settings.role, settings.name, seen.database["owner"]
    if owner != role:
        raise ConflictError(
            f"database {name} belongs to role {owner}, not to {role}; choose another database.name "
            f"in slipway.yaml, or hand it over",
            next_command=f'psql -c \'ALTER DATABASE "{name}" OWNER TO "{role}"\'',
        )
    if not seen.database["open"] and not seen.begun:
        raise ConflictError(
            f"database {name} takes no connections: somebody has closed it",
            next_command=f"psql -c 'ALTER DATABASE \"{name}\" ALLOW_CONNECTIONS true'",
        )


@dataclass(frozen=True, kw_only=True)
class SeenInside:
    """What the service's own database lacks of extensions and grants.

    Args:
        pending: the statements that are still to run.
        outdated: extensions that the server has a newer version of, for the reader.
    """

    pending: tuple[str, ...]
    outdated: tuple[str, ...]


async def look_inside(sql: SqlRunner, settings: DatabaseSettings) -> SeenInside:
    """Read what is missing in the service's own database, which has to be there and open."""
    names = ", ".join(literal(name) for name in settings.extensions) or "NULL"
    query = f"""
SELECT json_build_object(
  'pending', ({pending(inside(settings))}),
  'outdated', to_json(ARRAY(
    SELECT format('%s %s, not %s', name, installed_version, default_version)
    FROM pg_available_extensions
    WHERE name IN ({names}) AND installed_version <> default_version ORDER BY name
  ))
)"""  # noqa: S608 - literal() quotes
    found = json.loads(await sql.value(query, database=settings.name))
    return SeenInside(pending=tuple(found["pending"]), outdated=tuple(found["outdated"]))
