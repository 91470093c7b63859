"""The SQL that makes a service's database: steps, each of which does nothing where it is done already.

Every step is a query whose rows are the statements that are still to run. So the same text acts and, read
instead of run, says what it would do; and losing a race costs nothing (fault 34). For that to be the whole
truth, no step depends on what an earlier one has not made yet: it says what is to run once that is there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from slipway_host.errors import SettingsError
from slipway_host.postgres import Step

if TYPE_CHECKING:
    from collections.abc import Sequence

    from slipway_host.settings import DatabaseSettings

LOCK = int.from_bytes(b"slipway", "big")
"""The one advisory lock: set-ups of different databases queue as well, which costs milliseconds."""
VERIFIER = "<SCRAM-SHA-256 verifier>"
"""Stands for a password's verifier wherever statements are shown: it has a new salt each time."""


def literal(text: str) -> str:
    """Return a text as an SQL string; for names the steps quote once more, by `format('%I')`."""
    if "\0" in text or "\\" in text:
        # standard_conforming_strings can be off: then a backslash would escape.
        raise SettingsError("a PostgreSQL name holds a backslash or a zero byte")
    return "'" + text.replace("'", "''") + "'"


def locked(steps: Sequence[Step], *, deadline_s: float) -> list[Step]:
    """Return steps behind the advisory lock; the session's end gives it back, also when killed."""
    return [
        Step(f"SET lock_timeout = '{int(deadline_s * 1000)}ms'", computed=False),
        Step(f"SELECT pg_advisory_lock({LOCK})", computed=False),
        *steps,
    ]


def outside(settings: DatabaseSettings, verifier: str, *, reset: bool) -> list[Step]:
    """Return the steps in the fixed database: roles, database, and who may connect.

    Args:
        settings: names.
        verifier: of the owner's password, as PostgreSQL stores it.
        reset: give a role that is there this password, too.
    """
    role, name = literal(settings.role), literal(settings.name)
    word = literal(verifier)
    # Ours to finish: what was made closed, with no room, and did not get to open. One that is there in any
    # other state is somebody's; one that is not there yet will be in this state.
    begun = f"pg_get_userbyid(datdba) = {role} AND NOT datallowconn AND datconnlimit = 0"
    ours = f"NOT EXISTS (SELECT FROM pg_database WHERE datname = {name} AND NOT ({begun}))"
    change = f"SELECT format('ALTER ROLE %I PASSWORD %L', {role}, {word})"
    create = f"""
SELECT format('CREATE ROLE %I LOGIN PASSWORD %L', {role}, {word})
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = {role})"""  # noqa: S608 - literal() quotes
    # Only members may give a database away; superusers need no membership (fault 44). From 16 on a
    # membership can be without SET, which is what counts then, and who creates a role becomes a member
    # of it as createrole_self_grant says.
    member = f"""
SELECT format('GRANT %I TO CURRENT_USER', {role})
WHERE NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user)
  AND NOT coalesce(
    (SELECT pg_has_role(current_user, oid, 'USAGE') AND pg_has_role(current_user, oid,
      CASE WHEN current_setting('server_version_num')::int >= 160000 THEN 'SET' ELSE 'USAGE' END)
    FROM pg_roles WHERE rolname = {role}),
    current_setting('createrole_self_grant', true) ~* 'set'
      AND current_setting('createrole_self_grant', true) ~* 'inherit',
    false)"""  # noqa: S608
    # template1 may be in use (fault 45). Closed at first: nobody gets in before the REVOKE.
    database = f"""
SELECT format('CREATE DATABASE %I OWNER %I TEMPLATE template0 ALLOW_CONNECTIONS false '
  'CONNECTION LIMIT 0', {name}, {role})
WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = {name})"""  # noqa: S608
    revoke = f"SELECT format('REVOKE CONNECT, TEMPORARY ON DATABASE %I FROM PUBLIC', {name}) WHERE {ours}"  # noqa: S608
    admit = f"""
SELECT format('ALTER DATABASE %I WITH ALLOW_CONNECTIONS true CONNECTION LIMIT -1', {name}) WHERE {ours}"""
    readers = [
        f"""
SELECT format('CREATE ROLE %I NOLOGIN', {literal(reader)})
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = {literal(reader)})"""  # noqa: S608
        for reader in settings.read_only
    ]
    first = [create, change] if reset else [create]
    return [Step(sql) for sql in (*first, member, database, revoke, admit, *readers)]


def inside(settings: DatabaseSettings, *, made: bool = True) -> list[Step]:
    """Return the steps in the service's own database: extensions, and what read-only roles may read.

    Args:
        settings: names.
        made: False asks the fixed database what they will be in a database that is yet to be made.
    """
    steps = [_extension(name, made=made) for name in settings.extensions]
    for reader in settings.read_only:
        steps += _reading(settings, reader) if made else _reading_anew(settings, reader)
    return [Step(sql) for sql in steps]


def pending(steps: Sequence[Step]) -> str:
    """Return the query for the statements that steps would still run: a JSON array, in their order."""
    arrays = " || ".join(f"ARRAY({step.sql})" for step in steps)
    return f"SELECT array_to_json({arrays or 'ARRAY[]::text[]'})"


def _extension(name: str, *, made: bool) -> str:
    # One that is there keeps its version: an update may be more than a service is ready for. A database
    # made of template0 has one extension.
    lacks = "e.installed_version IS NULL" if made else "e.name <> 'plpgsql'"
    return f"""
SELECT format('CREATE EXTENSION IF NOT EXISTS %I SCHEMA %I', e.name, coalesce(v.schema, 'public'))
FROM pg_available_extensions e
LEFT JOIN pg_available_extension_versions v ON v.name = e.name AND v.version = e.default_version
WHERE e.name = {literal(name)} AND {lacks}"""  # noqa: S608 - literal() quotes


def _connect(settings: DatabaseSettings, reader: str) -> str:
    return f"SELECT format('GRANT CONNECT ON DATABASE %I TO %I', {literal(settings.name)}, {literal(reader)})"


def _default(settings: DatabaseSettings, reader: str, schema: str) -> str:
    form = "ALTER DEFAULT PRIVILEGES FOR ROLE %I IN SCHEMA %I GRANT SELECT ON TABLES TO %I"
    return f"SELECT format('{form}', {literal(settings.role)}, {schema}, {literal(reader)})"


def _reading_anew(settings: DatabaseSettings, reader: str) -> list[str]:
    # All may use schema public there, and it has no tables. A reader that is a member of the owner may
    # connect already.
    owner, role = literal(settings.role), literal(reader)
    return [
        f"""
{_connect(settings, reader)}
WHERE NOT EXISTS (SELECT FROM pg_roles o, pg_roles r
  WHERE o.rolname = {owner} AND r.rolname = {role} AND pg_has_role(r.oid, o.oid, 'USAGE'))""",
        _default(settings, reader, "'public'"),
    ]


def _reading(settings: DatabaseSettings, reader: str) -> list[str]:
    name, owner, role = literal(settings.name), literal(settings.role), literal(reader)

    def has(privilege: str, of: str, kind: str) -> str:
        # A reader that is yet to be made may what all may.
        ask = f"has_{kind}_privilege"
        return (
            f"coalesce((SELECT {ask}(r.oid, {of}, '{privilege}') FROM pg_roles r "  # noqa: S608
            f"WHERE r.rolname = {role}), {ask}('public', {of}, '{privilege}'))"
        )

    # Views and foreign tables are tables to GRANT. What others own in there is theirs to share.
    return [
        f"{_connect(settings, reader)} WHERE NOT {has('CONNECT', name, 'database')}",
        f"""
SELECT format('GRANT USAGE ON SCHEMA %I TO %I', n.nspname, {role})
FROM pg_namespace n WHERE n.nspname = 'public' AND NOT {has("USAGE", "n.oid", "schema")}""",  # noqa: S608
        f"""
SELECT format('GRANT SELECT ON TABLE %I.%I TO %I', n.nspname, c.relname, {role})
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
  AND pg_get_userbyid(c.relowner) = {owner} AND NOT {has("SELECT", "c.oid", "table")}
ORDER BY c.relname""",  # noqa: S608
        f"""
{_default(settings, reader, "n.nspname")}
FROM pg_namespace n WHERE n.nspname = 'public' AND NOT EXISTS (
  SELECT FROM pg_default_acl d, aclexplode(d.defaclacl) a
  WHERE d.defaclnamespace = n.oid AND d.defaclobjtype = 'r' AND a.privilege_type = 'SELECT'
    AND pg_get_userbyid(d.defaclrole) = {owner} AND pg_get_userbyid(a.grantee) = {role})""",
    ]
