"""A PostgreSQL server anywhere, by the administrator's connection string (a managed database, above all).

asyncpg speaks to it: it needs no libpq, an anyio deadline cancels it at once, and its errors carry the
server's SQLSTATE.
"""

from __future__ import annotations

import ssl
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote, urlsplit

import anyio

from slipway_host.errors import (
    DeadlineError,
    NotFoundError,
    ServiceUnavailableError,
    SettingsError,
    UnknownOutcomeError,
    quote,
)
from slipway_host.postgres import (
    FIXED_DATABASE,
    NO_PRIVILEGE,
    SAFE_PATH,
    WRONG_PASSWORD,
    Step,
    as_text,
    failed,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from pydantic import SecretStr

PORT = 5432
CONNECT_S = 10.0
CLOSE_S = 2.0
LEAVE_S = 0.05
_FORM = "postgresql://role:password@host:port, percent-encoded"
# Parameters that only say what is done here anyway, or that no reader of ours needs.
_UNUSED = frozenset({"application_name", "channel_binding", "connect_timeout", "target_session_attrs"})
_HOW = {"verify-full": True, "verify-ca": True, "disable": False}


@dataclass(frozen=True, kw_only=True)
class Server:
    """Where a connection string leads, and how.

    Args:
        hosts: names with ports; of several, the primary is used.
        user: the administrator.
        password: the administrator's.
        sslmode: `verify-full`, `verify-ca` or `disable`.
        named: whether the string says so itself; without, it is `verify-full`.
        ca: certificates in PEM form that the server's is verified with; None for the system's own.
    """

    hosts: tuple[tuple[str, int], ...]
    user: str
    password: SecretStr
    sslmode: str
    named: bool
    ca: str | None

    def tls(self) -> ssl.SSLContext | bool:
        """Return how to speak TLS, False for not at all.

        Raises:
            SettingsError: the certificates cannot be read.
        """
        if self.sslmode == "disable":
            return False
        try:
            context = ssl.create_default_context(cadata=self.ca)
        except ssl.SSLError as error:
            raise SettingsError("postgres.ca in slipway.yaml holds no certificate in PEM form") from error
        context.check_hostname = self.sslmode == "verify-full"
        return context


def parse(dsn: SecretStr, *, ca: str | None = None) -> Server:
    """Take a connection string apart; its database is not used, since work begins in `postgres`.

    Raises:
        SettingsError: it is something else, or asks for TLS that verifies nothing; nothing of it is
            quoted but names of parameters.
    """
    from pydantic import SecretStr

    try:
        url = urlsplit(dsn.get_secret_value())
        account, _, addresses = url.netloc.rpartition("@")
        hosts = tuple(_address(one) for one in addresses.split(","))
    except ValueError:
        # Not chained: the exception may hold the text.
        raise SettingsError(f"POSTGRES_DSN is not of the form {_FORM}") from None
    user, _, password = account.partition(":")
    if url.scheme not in {"postgres", "postgresql"} or not (user and password and all(h for h, _ in hosts)):
        raise SettingsError(f"POSTGRES_DSN is not of the form {_FORM}")
    said = dict(parse_qsl(url.query, keep_blank_values=True))
    named = "sslmode" in said
    mode, root = said.pop("sslmode", "verify-full"), said.pop("sslrootcert", "system")
    if mode not in _HOW:
        raise SettingsError(
            f"POSTGRES_DSN: sslmode={quote(mode, limit=20)} does not verify whom it talks to: leave it out "
            "(verify-full), give the server's authority as postgres.ca in slipway.yaml, or write "
            "sslmode=disable on a network that you trust"
        )
    if root != "system":
        raise SettingsError("POSTGRES_DSN: no sslrootcert here: write the authority as postgres.ca")
    unknown = sorted(quote(key, limit=40) for key in said.keys() - _UNUSED)
    if unknown:
        raise SettingsError(f"POSTGRES_DSN: parameters that are not understood: {', '.join(unknown)}")
    word = SecretStr(unquote(password))
    return Server(hosts=hosts, user=unquote(user), password=word, sslmode=mode, named=named, ca=ca)


def _address(text: str) -> tuple[str, int]:
    parts = urlsplit(f"//{text}")
    return unquote(parts.hostname or ""), parts.port or PORT


class DsnRunner:
    """Runs SQL over connections of its own, one for each call; each may take `deadline_s` seconds."""

    def __init__(self, server: Server, *, deadline_s: float) -> None:
        self._server = server
        self._deadline_s = deadline_s
        self._tls = server.tls()

    async def value(self, query: str, *, database: str) -> str:
        """Return the one value of a query as text (`SqlRunner`)."""
        async with self._session(self._server.user, self._server.password, database) as connection:
            return await connection.fetchval(as_text(query)) or ""

    async def act(self, steps: Sequence[Step], *, database: str) -> None:
        """Run steps in one session (`SqlRunner`)."""
        async with self._session(self._server.user, self._server.password, database) as connection:
            for step in steps:
                if step.computed:
                    for row in await connection.fetch(step.sql):
                        await connection.execute(row[0])
                else:
                    await connection.execute(step.sql)

    async def accepts(self, role: str, password: SecretStr) -> bool:
        """Log in as the role and return whether the server took the password (`SqlRunner`)."""
        from asyncpg import PostgresError

        try:
            async with self._session(role, password, FIXED_DATABASE):
                return True
        except Exception as error:
            cause = error.__cause__
            state = cause.sqlstate if isinstance(cause, PostgresError) else ""
            # Who may not use this database has passed authentication.
            if state in {WRONG_PASSWORD, NO_PRIVILEGE}:
                return state == NO_PRIVILEGE
            raise

    @asynccontextmanager
    async def _session(self, user: str, password: SecretStr, database: str) -> AsyncIterator[Any]:
        from asyncpg import InterfaceError, InternalClientError, PostgresError
        from asyncpg.exceptions import PostgresConnectionError, TargetServerAttributeNotMatched

        who, where = f"role {user}, database {database}", self._where()
        connection: Any = None
        try:
            with anyio.fail_after(self._deadline_s):
                connection = await self._connect(user, password, database)
                await connection.execute(SAFE_PATH)
                yield connection
        except TargetServerAttributeNotMatched as error:
            raise NotFoundError(f"no PostgreSQL primary at {where}: only standbys answer") from error
        except ssl.SSLCertVerificationError as error:
            raise SettingsError(
                f"PostgreSQL at {where}: its certificate is not vouched for: {error.verify_message}; give "
                "its authority as postgres.ca in slipway.yaml"
            ) from error
        except (PostgresConnectionError, InterfaceError, InternalClientError, OSError) as error:
            # A TimeoutError is an OSError: asyncpg's own is of the connection, ours of the whole.
            if connection is None:
                raise self._unreached(error, where) from error
            if isinstance(error, TimeoutError):
                raise DeadlineError(f"PostgreSQL ({who}): no end after {self._deadline_s:g} s") from error
            raise UnknownOutcomeError(f"PostgreSQL ({who}): the connection was lost") from error
        except PostgresError as error:
            raise failed(str(error.sqlstate), str(error.args[0]), who) from error
        finally:
            if connection is not None:
                await _close(connection)
            else:
                # asyncpg takes leave of a refused connection in the background: the loop may end before.
                with anyio.CancelScope(shield=True):
                    await anyio.sleep(LEAVE_S)

    async def _connect(self, user: str, password: SecretStr, database: str) -> Any:
        import asyncpg

        names, ports = zip(*self._server.hosts, strict=True)
        # Everything is said, so that no PG* variable and no ~/.pgpass of this machine has a part in it.
        return await asyncpg.connect(
            host=list(names),
            port=list(ports),
            user=user,
            password=password.get_secret_value(),
            database=database,
            ssl=self._tls,
            timeout=CONNECT_S,
            # Poolers in front of managed servers keep no prepared statements.
            statement_cache_size=0,
            server_settings={"application_name": "slipway"},
            target_session_attrs="primary",
        )

    def _where(self) -> str:
        return ", ".join(f"{name}:{port}" for name, port in self._server.hosts)

    def _unreached(self, error: Exception, where: str) -> SettingsError | ServiceUnavailableError:
        if "rejected SSL upgrade" in str(error):
            return SettingsError(
                f"PostgreSQL at {where} speaks no TLS: write sslmode=disable into POSTGRES_DSN if the "
                "network can be trusted"
            )
        said = quote(str(error)) or type(error).__name__
        return ServiceUnavailableError(f"no connection to PostgreSQL at {where}: {said}")


async def _close(connection: Any) -> None:
    """End a session, and what it still does on the server: that may hold the advisory lock."""
    with anyio.CancelScope(shield=True):
        try:
            # Waits for the request to cancel that asyncpg sends when a query is abandoned.
            await connection.close(timeout=CLOSE_S)
        except Exception:  # noqa: BLE001 - whatever keeps it from a polite end
            connection.terminate()


async def connect(dsn: SecretStr, *, ca: str | None, deadline_s: float) -> DsnRunner:
    """Return a way to run SQL on the primary that a connection string leads to.

    Raises:
        SettingsError: the string cannot be used, or the server cannot be trusted.
        NotFoundError: only standbys answer (fault 46).
        AccessDeniedError: the server refuses the account.
    """
    runner = DsnRunner(parse(dsn, ca=ca), deadline_s=deadline_s)
    await runner.value("SELECT 1", database=FIXED_DATABASE)
    return runner
