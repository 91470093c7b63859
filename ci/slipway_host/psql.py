"""SQL by psql, wherever a shell reaches one: nothing has to be installed, forwarded or opened."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING

from slipway_host.errors import (
    AccessDeniedError,
    DeliveryError,
    NotFoundError,
    ServiceUnavailableError,
    SettingsError,
    quote,
)
from slipway_host.kube_exec import ExecResult
from slipway_host.postgres import FIXED_DATABASE, NO_ERRORS, SAFE_PATH, Step, as_text, failed

if TYPE_CHECKING:
    from pydantic import SecretStr

# The password comes first and by a builtin, so that neither argv nor the shell's history has it.
_SCRIPT = (
    "IFS= read -r PGPASSWORD; export PGPASSWORD; export PGCONNECT_TIMEOUT=10 PGAPPNAME=slipway; "
    'exec psql "$@"'
)
# -w: a prompt would wait for ever. ON_ERROR_STOP: psql exits 0 after errors without it (fault 37).
# Verbose: the SQLSTATE is the only part of an error that no locale translates.
_PSQL = ("-X", "-w", "-qAt", "-v", "ON_ERROR_STOP=1", "-v", "VERBOSITY=verbose")

_ERROR = re.compile(r"^(?:psql:[^\n]*?: )?\w+: +([0-9A-Z]{5}): (.*)$", re.MULTILINE)
_WRONG_PASSWORD = re.compile(r"password authentication failed|no password supplied")
_REFUSED = re.compile(r"pg_hba\.conf|not permitted to log in|role .* does not exist|authentication failed")
_NO_DATABASE_ACCESS = re.compile(r"permission denied for database")

Shell = Callable[[Sequence[str], str], Awaitable[ExecResult]]
"""Runs a command where psql is, with this standard input."""


class Psql:
    """Runs SQL through psql, over any shell that reaches the server.

    Args:
        shell: where psql runs.
        user: the administrator.
        password: the administrator's.
        login_host: address for trying out a role's password. Not loopback: the official image
            trusts everybody who comes from there, and any password would seem to be the right one.
        port: of the server, at `login_host`.
    """

    def __init__(self, shell: Shell, *, user: str, password: SecretStr, login_host: str, port: int) -> None:
        self._shell = shell
        self._user = user
        self._password = password
        self._login_host = login_host
        self._port = port

    async def value(self, query: str, *, database: str) -> str:
        """Return the one value of a query as text.

        Raises:
            ServiceUnavailableError: the server was not reached or is busy.
            AccessDeniedError: the server does not let the administrator in, or not do this.
        """
        return await self._run(f"{as_text(query)};", database)

    async def act(self, steps: Sequence[Step], *, database: str) -> None:
        """Run steps in one session; its end gives its locks back, also when it is killed.

        Raises:
            TransientError: a race was lost or the server is busy: look, and run them again.
            AccessDeniedError: the server does not let the administrator in, or not do this.
        """
        ends = {True: r"\gexec", False: r"\g /dev/null"}
        await self._run("\n".join(f"{step.sql} {ends[step.computed]}" for step in steps), database)

    async def accepts(self, role: str, password: SecretStr) -> bool:
        """Log in as the role over TCP and return whether the server took the password."""
        address = ("-h", self._login_host, "-p", str(self._port))
        command = (*address, "-U", role, "-d", FIXED_DATABASE)
        result = await self._psql(command, password, "SELECT 1;")
        # Who may not use this database has passed authentication.
        if not result.exit_code or _NO_DATABASE_ACCESS.search(result.stderr):
            return True
        if _WRONG_PASSWORD.search(result.stderr):
            return False
        raise _error(result, f"role {role}, database {FIXED_DATABASE}")

    async def _run(self, script: str, database: str) -> str:
        command = ("-U", self._user, "-d", database)
        result = await self._psql(command, self._password, f"{SAFE_PATH};\n{script}")
        if result.exit_code:
            raise _error(result, f"role {self._user}, database {database}")
        return result.stdout.strip()

    async def _psql(self, arguments: Sequence[str], password: SecretStr, sql: str) -> ExecResult:
        secret = password.get_secret_value()
        if "\n" in secret or "\0" in secret:
            raise SettingsError("a PostgreSQL password holds a line break: store it without one")
        # \q: a container's stdin may never reach its end (`KubeClient.exec`).
        stdin = f"{secret}\n{sql}\n\\q\n"
        return await self._shell(("sh", "-c", _SCRIPT, "psql", *_PSQL, *arguments), stdin)


def _error(result: ExecResult, who: str) -> DeliveryError:
    said = [(found[1], found[2]) for found in _ERROR.finditer(result.stderr)]
    errors = [(state, message) for state, message in said if state[:2] not in NO_ERRORS]
    return failed(*errors[0], who) if errors else _not_connected(result, who)


def _not_connected(result: ExecResult, who: str) -> DeliveryError:
    # psql has no SQLSTATE for a session that never began: words it is, and they may be translated.
    message = quote(result.stderr) or f"psql ended with exit code {result.exit_code}"
    cause = f"PostgreSQL ({who}): {message}"
    if result.exit_code in {126, 127}:
        return NotFoundError(f"the PostgreSQL container has no psql: {message}")
    if _WRONG_PASSWORD.search(result.stderr) or _REFUSED.search(result.stderr):
        return AccessDeniedError(cause)
    return ServiceUnavailableError(cause)
