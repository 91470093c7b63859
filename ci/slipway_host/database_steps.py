"""The SQL that makes a service's database: steps, each of which does nothing where it is done already.

Every step is a query whose rows are the statements that are still to run. So the same text acts and,
counted instead of run, tells whether there is anything to do; and losing a race costs nothing (fault 34).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from slipway_host.errors import SettingsError
from slipway_host.postgres import Step
from slipway_host.scram import scram_verifier

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pydantic import SecretStr

    from slipway_host.settings import DatabaseSettings

LOCK = int.from_bytes(b"slipway", "big")
"""The one advisory lock: set-ups of different databases queue as well, which costs milliseconds."""


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


def outside(settings: DatabaseSettings, password: SecretStr, *, reset: bool) -> list[Step]:
    """Return the steps in the fixed database: roles, database, and who may connect.

    Args:
        settings: names.
        password: the owner's.
        reset: give a role that is there this password, too.
    """
    role, name = literal(settings.role), literal(settings.name)
    verifier = literal(scram_verifier(password))
    # Ours to finish: what was made closed, with no room, and did not get to open.
    begun = f"datname = {name} AND pg_get_userbyid(datdba) = {role} AND NOT datallowconn AND datconnlimit = 0"
    change = f"SELECT format('ALTER ROLE %I PASSWORD %L', {role}, {verifier})"
    create = f"""
SELECT format('CREATE ROLE %I LOGIN PASSWORD %L', {role}, {verifier})
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = {role})"""  # noqa: S608 - literal() quotes
    # Only members may give a database away; superusers need no membership (fault 44). From 16 on a
    # membership can be without SET, which is what counts then.
    member = f"""
SELECT format('GRANT %I TO CURRENT_USER', {role})
WHERE NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user)
  AND NOT (pg_has_role(current_user, {role}, 'USAGE') AND pg_has_role(current_user, {role},
    CASE WHEN current_setting('server_version_num')::int >= 160000 THEN 'SET' ELSE 'USAGE' END))"""  # noqa: S608
    # template1 may be in use (fault 45). Closed at first: nobody gets in before the REVOKE.
    database = f"""
SELECT format('CREATE DATABASE %I OWNER %I TEMPLATE template0 ALLOW_CONNECTIONS false '
  'CONNECTION LIMIT 0', {name}, {role})
WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = {name})"""  # noqa: S608
    revoke = f"""
SELECT format('REVOKE CONNECT, TEMPORARY ON DATABASE %I FROM PUBLIC', {name})
FROM pg_database WHERE {begun}"""  # noqa: S608
    admit = f"""
SELECT format('ALTER DATABASE %I WITH ALLOW_CONNECTIONS true CONNECTION LIMIT -1', {name})
FROM pg_database WHERE {begun}"""  # noqa: S608
    readers = [
        f"""
SELECT format('CREATE ROLE %I NOLOGIN', {literal(reader)})
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = {literal(reader)})"""  # noqa: S608
        for reader in settings.read_only
    ]
    first = [create, change] if reset else [create]
    return [Step(sql) for sql in (*first, member, database, revoke, admit, *readers)]


def inside(settings: DatabaseSettings) -> list[Step]:
    """Return the steps in the service's own database: extensions, and what read-only roles may read."""
    steps = [_extension(name) for name in settings.extensions]
    for reader in settings.read_only:
        steps += _reading(settings, reader)
    return [Step(sql) for sql in steps]


def pending(steps: Sequence[Step]) -> str:
    """Return the query that counts the statements which steps would still run."""
    rows = "\nUNION ALL ".join(f"({step.sql})" for step in steps)
    return f"SELECT count(*) FROM ({rows}\n) AS pending"  # noqa: S608 - our own steps


def _extension(name: str) -> str:
    # One that is there keeps its version: an update may be more than a service is ready for.
    return f"""
SELECT format('CREATE EXTENSION IF NOT EXISTS %I SCHEMA %I', e.name, coalesce(v.schema, 'public'))
FROM pg_available_extensions e
LEFT JOIN pg_available_extension_versions v ON v.name = e.name AND v.version = e.default_version
WHERE e.name = {literal(name)} AND e.installed_version IS NULL"""  # noqa: S608 - literal() quotes


def _reading(settings: DatabaseSettings, reader: str) -> list[str]:
    name, owner, role = literal(settings.name), literal(settings.role), literal(reader)
    # Views and foreign tables are tables to GRANT. What others own in there is theirs to share.
    return [
        f"""
SELECT format('GRANT CONNECT ON DATABASE %I TO %I', {name}, {role})
WHERE NOT has_database_privilege({role}, {name}, 'CONNECT')""",
        f"""
SELECT format('GRANT USAGE ON SCHEMA %I TO %I', nspname, {role})
FROM pg_namespace WHERE nspname = 'public' AND NOT has_schema_privilege({role}, oid, 'USAGE')""",  # noqa: S608
        f"""
SELECT format('GRANT SELECT ON TABLE %I.%I TO %I', n.nspname, c.relname, {role})
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
  AND pg_get_userbyid(c.relowner) = {owner} AND NOT has_table_privilege({role}, c.oid, 'SELECT')""",  # noqa: S608
        f"""
SELECT format('ALTER DEFAULT PRIVILEGES FOR ROLE %I IN SCHEMA %I GRANT SELECT ON TABLES TO %I',
  {owner}, n.nspname, {role})
FROM pg_namespace n WHERE n.nspname = 'public' AND NOT EXISTS (
  SELECT FROM pg_default_acl d, aclexplode(d.defaclacl) a
  WHERE d.defaclnamespace = n.oid AND d.defaclobjtype = 'r' AND a.privilege_type = 'SELECT'
    AND pg_get_userbyid(d.defaclrole) = {owner} AND pg_get_userbyid(a.grantee) = {role})""",  # noqa: S608
    ]
