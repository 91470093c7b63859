"""A service's own database and the role that owns it, made once and adopted ever after.

The order is always the same: look, refuse what is not ours to change, act under a lock, look again.
What acts is one script in one session on the fixed database `postgres`, since advisory locks hold
in one database only; each of its statements is conditional: losing a race costs nothing (fault 34).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import anyio
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, wait_random_exponential

from slipway_host.errors import (
    ConflictError,
    DeadlineError,
    DeliveryError,
    SettingsError,
    TransientError,
)
from slipway_host.postgres import FIXED_DATABASE, SqlRunner
from slipway_host.results import StageResult, Status

if TYPE_CHECKING:
    from pydantic import SecretStr

    from slipway_host.progress import Report
    from slipway_host.settings import DatabaseSettings

STAGE = "database"
LOCK = int.from_bytes(b"slipway", "big")
"""The one advisory lock: set-ups of different databases queue as well, which costs milliseconds."""
SCRAM_ITERATIONS = 4096
"""PostgreSQL's own default; more would slow down every login of the service."""
SALT_BYTES = 16


@dataclass(frozen=True, kw_only=True)
class _Seen:
    """What is there: None for a role or a database that is not."""

    role: dict[str, Any] | None
    database: dict[str, Any] | None

    @property
    def begun(self) -> bool:
        """Whether a killed set-up left the database behind: closed, and with room for nobody."""
        return bool(self.database and not self.database["open"] and self.database["limit"] == 0)

    @property
    def done(self) -> bool:
        return bool(self.role and self.database and self.database["open"])


def literal(text: str) -> str:
    """Return a text as an SQL string; for names the script quotes once more, by `format('%I')`."""
    if "\0" in text or "\\" in text:
        # standard_conforming_strings can be off: then a backslash would escape.
        raise SettingsError("a PostgreSQL name holds a backslash or a zero byte")
    return "'" + text.replace("'", "''") + "'"


def scram_verifier(password: SecretStr, *, salt: bytes | None = None) -> str:
    """Return what PostgreSQL stores for a password, so that the password itself never travels.

    A plain password in `CREATE ROLE` reaches the server's log when the statement fails (fault 41).

    Raises:
        SettingsError: the password is empty or not printable ASCII: there SASLprep would change it.
    """
    text = password.get_secret_value()
    if not text or not text.isascii() or not text.isprintable():
        raise SettingsError("the database password has to be printable ASCII, and not empty")
    salt = secrets.token_bytes(SALT_BYTES) if salt is None else salt
    salted = hashlib.pbkdf2_hmac("sha256", text.encode(), salt, SCRAM_ITERATIONS)
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server = hmac.digest(salted, b"Server Key", "sha256")
    encoded = [base64.b64encode(part).decode() for part in (salt, stored, server)]
    return f"SCRAM-SHA-256${SCRAM_ITERATIONS}:{encoded[0]}${encoded[1]}:{encoded[2]}"


async def role_exists(sql: SqlRunner, role: str) -> bool:
    """Return whether the server has a role of this name."""
    query = f"SELECT count(*) FROM pg_roles WHERE rolname = {literal(role)};"  # noqa: S608
    return await sql.run(query, database=FIXED_DATABASE) == "1"


async def ensure_database(
    sql: SqlRunner,
    settings: DatabaseSettings,
    password: SecretStr,
    *,
    report: Report,
    deadline_s: float,
) -> StageResult:
    """Make the role and its database unless they are there, and prove that the password opens it.

    `Skipped` means that nothing was written. What exists is adopted as it is (R34): neither a
    password nor a grant is changed, and what does not fit is a ConflictError. A new database is
    closed until PUBLIC has lost CONNECT (fault 43); that also marks what a killed run left for the
    next one to complete (fault 50). The role owns the database: from PostgreSQL 15 on that gives it
    CREATE in schema `public` (fault 42); before, `template0` gives that to all who may connect.

    Raises:
        ConflictError: the role or the database is not one of ours, or has another password.
        DeadlineError: the lock or the server took too long.
    """
    setup = _Setup(sql, settings, password, report, deadline_s)
    # Every attempt looks first, so it also settles what a dropped connection left open (fault 47).
    retrying = AsyncRetrying(
        retry=retry_if_exception_type(TransientError),
        wait=wait_random_exponential(multiplier=0.2, max=3),
        before_sleep=setup.failed,
        reraise=True,
    )
    report(f"{STAGE}: looking at role {settings.role} and database {settings.name}")
    try:
        with anyio.fail_after(deadline_s):
            return await retrying(setup.once)
    except TimeoutError:
        why = f"; last: {setup.last.cause}" if setup.last else ""
        raise DeadlineError(
            f"database {settings.name} was not ready after {deadline_s:g} s{why}", stage=STAGE
        ) from None
    except DeliveryError as error:
        error.at(STAGE)
        raise


class _Setup:
    """What a set-up remembers from one attempt to the next."""

    def __init__(
        self,
        sql: SqlRunner,
        settings: DatabaseSettings,
        password: SecretStr,
        report: Report,
        deadline_s: float,
    ) -> None:
        self.last: DeliveryError | None = None
        self._sql, self._settings, self._password = sql, settings, password
        self._report, self._deadline_s = report, deadline_s
        self._acted = False

    def failed(self, attempt: RetryCallState) -> None:
        error = attempt.outcome.exception() if attempt.outcome else None
        if isinstance(error, DeliveryError):
            self.last = error
            self._report(f"{STAGE}: {error.cause}; trying again")

    async def once(self) -> StageResult:
        sql, settings, password = self._sql, self._settings, self._password
        seen = await _look(sql, settings)
        _refuse(seen, settings)
        if seen.role:
            await _compare(sql, settings, password)
        if not seen.done:
            self._report(f"{STAGE}: creating what is missing of {settings.role} and {settings.name}")
            # From here on something may have been written, even if no answer comes.
            self._acted = True
            await sql.run(_script(settings, password, self._deadline_s), database=FIXED_DATABASE)
            # Somebody without our lock may have been faster: the same rules hold for what they made.
            seen = await _look(sql, settings)
            _refuse(seen, settings)
            await _compare(sql, settings, password)
            if not seen.done:
                raise TransientError(f"database {settings.name} has gone again")
        open_to_all = bool(seen.database and seen.database["public"])
        what = "made" if self._acted else "in place"
        note = "; any role may connect to it, as before" if open_to_all else ""
        return StageResult(
            stage=STAGE,
            status=Status.SUCCEEDED if self._acted else Status.SKIPPED,
            summary=f"database {settings.name}, owned by {settings.role}: {what}{note}",
            outputs={"database": settings.name, "role": settings.role, "publicConnect": open_to_all},
        )


async def _look(sql: SqlRunner, settings: DatabaseSettings) -> _Seen:
    role, name = literal(settings.role), literal(settings.name)
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
  )
);"""  # noqa: S608 - literal() quotes
    found = json.loads(await sql.run(query, database=FIXED_DATABASE))
    return _Seen(role=found["role"], database=found["database"])


def _refuse(seen: _Seen, settings: DatabaseSettings) -> None:
    """Raise where what is there is not ours to change or to use (fault 40)."""
    role, name = settings.role, settings.name
    if role.startswith("pg_"):
        raise ConflictError(f"role {role} belongs to PostgreSQL itself: choose another name")
    another = "choose another database.role in slipway.yaml"
    if seen.role and seen.role["super"]:
        raise ConflictError(f"role {role} is a superuser: no service may own that; {another}")
    if seen.role and not seen.role["login"]:
        raise ConflictError(f"role {role} may not log in (NOLOGIN): it is a group; {another}")
    if seen.database is None:
        return
    owner = seen.database["owner"]
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


async def _compare(sql: SqlRunner, settings: DatabaseSettings, password: SecretStr) -> None:
    """Raise if the role has another password: resetting it would cut off who uses it (fault 38)."""
    if not await sql.accepts(settings.role, password):
        raise ConflictError(
            f"role {settings.role} has another password than the one in the Secret's DATABASE_URL; "
            "correct one of the two",
            next_command=f"psql -c '\\password {settings.role}'",
        )


def _script(settings: DatabaseSettings, password: SecretStr, deadline_s: float) -> str:
    r"""Return the script that makes what is missing.

    `\gexec` runs each result as a statement of its own: CREATE DATABASE can be neither in a
    transaction nor in a function (fault 36). The session's end gives the lock back, also when it is
    killed.
    """
    role, name = literal(settings.role), literal(settings.name)
    verifier = literal(scram_verifier(password))
    # Ours to finish: what this script made closed, with no room, and did not get to open.
    begun = f"datname = {name} AND pg_get_userbyid(datdba) = {role} AND NOT datallowconn AND datconnlimit = 0"
    return f"""
SET lock_timeout = '{int(deadline_s * 1000)}ms';
SELECT pg_advisory_lock({LOCK}) \\g /dev/null

SELECT format('CREATE ROLE %I LOGIN PASSWORD %L', {role}, {verifier})
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = {role}) \\gexec

-- Only members may give a database away; superusers need no membership (fault 44).
SELECT format('GRANT %I TO CURRENT_USER', {role})
WHERE NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user)
  AND NOT pg_has_role(current_user, {role}, 'USAGE') \\gexec

-- template1 may be in use (fault 45). Closed at first: nobody gets in before the REVOKE.
SELECT format('CREATE DATABASE %I OWNER %I TEMPLATE template0 ALLOW_CONNECTIONS false '
  'CONNECTION LIMIT 0', {name}, {role})
WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = {name}) \\gexec

SELECT format('REVOKE CONNECT, TEMPORARY ON DATABASE %I FROM PUBLIC', {name})
FROM pg_database WHERE {begun} \\gexec

SELECT format('ALTER DATABASE %I WITH ALLOW_CONNECTIONS true CONNECTION LIMIT -1', {name})
FROM pg_database WHERE {begun} \\gexec
"""  # noqa: S608 - literal() quotes
