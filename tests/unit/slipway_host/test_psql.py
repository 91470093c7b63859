"""psql behind a shell: how it gets its password, and what its words mean."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import anyio
import anyio.lowlevel
import pytest
from pydantic import SecretStr

from slipway_host.errors import (
    AccessDeniedError,
    DeadlineError,
    DeliveryError,
    NotFoundError,
    ServiceUnavailableError,
    SettingsError,
    TerminalError,
    TransientError,
)
from slipway_host.kube_exec import ExecResult
from slipway_host.postgres import Step
from slipway_host.psql import Psql

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

CANARY = "canary-4711 \\ 'x"
CONNECTION = 'psql: error: connection to server at "10.0.0.7", port 5432 failed: '


class Shell:
    """Answers every command with one result, and remembers what it was given."""

    def __init__(self, stderr: str = "", *, stdout: str = "", code: int | None = None) -> None:
        exit_code = (3 if stderr else 0) if code is None else code
        self.result = ExecResult(exit_code=exit_code, stdout=stdout, stderr=stderr)
        self.command: Sequence[str] = ()
        self.stdin = ""

    async def __call__(self, command: Sequence[str], stdin: str) -> ExecResult:
        await anyio.lowlevel.checkpoint()
        self.command, self.stdin = command, stdin
        return self.result


def psql(shell: Shell, password: str = CANARY) -> Psql:
    return Psql(shell, user="postgres", password=SecretStr(password), login_host="10.0.0.7", port=5432)


async def failure(stderr: str, code: int = 3) -> DeliveryError:
    with pytest.raises(DeliveryError) as caught:
        await psql(Shell(stderr, code=code)).value("SELECT 'statement-canary'", database="postgres")
    assert "canary" not in str(caught.value)
    return caught.value


async def test_the_real_shell_hands_the_password_to_psql_by_environment_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = tmp_path / "psql"
    fake.write_text(
        "#!/bin/sh\n"
        'printf "%s" "$PGPASSWORD" > "$OUT/password"\n'
        'printf "%s\\n" "$@" > "$OUT/arguments"\n'
        "tr '\\0' ' ' < /proc/$PPID/cmdline > \"$OUT/parent\"\n"
        'cat > "$OUT/stdin"\n'
        "echo out; echo err >&2\n"
    )
    fake.chmod(0o700)
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "OUT": str(tmp_path)}

    async def shell(command: Sequence[str], stdin: str) -> ExecResult:
        done = await anyio.run_process(list(command), input=stdin.encode(), env=environment, check=False)
        return ExecResult(exit_code=done.returncode, stdout=done.stdout.decode(), stderr=done.stderr.decode())

    monkeypatch.delenv("PGPASSWORD", raising=False)
    sql = Psql(shell, user="postgres", password=SecretStr(CANARY), login_host="h", port=1)
    assert await sql.value("SELECT 1", database="x y") == "out"
    assert (tmp_path / "password").read_text() == CANARY
    # \q: a container's stdin may never end by itself.
    first, *query, last = (tmp_path / "stdin").read_text().splitlines()
    assert first == "SET search_path = pg_catalog, pg_temp;"
    assert " ".join(query) == "SELECT ( SELECT 1 )::text;"
    assert last == "\\q"
    arguments = (tmp_path / "arguments").read_text().splitlines()
    assert arguments[-4:] == ["-U", "postgres", "-d", "x y"]
    assert {"-X", "-w", "ON_ERROR_STOP=1"} <= set(arguments)
    assert "canary" not in (tmp_path / "arguments").read_text() + (tmp_path / "parent").read_text()


@pytest.mark.parametrize("password", ["canary\nSELECT 1;", "canary\0"])
async def test_a_password_that_would_become_sql_is_refused_before_the_shell(password: str) -> None:
    shell = Shell()
    with pytest.raises(SettingsError) as caught:
        await psql(shell, password).value("SELECT 1", database="postgres")
    assert not shell.command
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize(
    ("state", "message", "kind"),
    [
        ("42P04", 'database "api" already exists', TransientError),
        ("42710", 'role "api" already exists', TransientError),
        ("23505", "duplicate key value violates unique constraint", TransientError),
        ("40001", "could not serialize access", TransientError),
        ("55006", 'source database "template0" is being accessed by other users', TransientError),
        ("XX000", "tuple concurrently updated", TransientError),
        ("XX000", "cache lookup failed for role 16384", TerminalError),
        ("57P03", "the database system is starting up", ServiceUnavailableError),
        ("53300", "too many clients already", ServiceUnavailableError),
        ("57P01", "terminating connection due to administrator command", ServiceUnavailableError),
        ("42P01", 'relation "public.old" does not exist', TransientError),
        (
            "57P02",
            "terminating connection because of a crash",
            ServiceUnavailableError,
        ),
        ("55P03", "canceling statement due to lock timeout", DeadlineError),
        ("42501", "permission denied to create role", AccessDeniedError),
        ("42601", 'syntax error at or near "x"', TerminalError),
        ("25001", "CREATE DATABASE cannot run inside a transaction block", TerminalError),
    ],
)
async def test_a_state_decides_what_to_do_next(state: str, message: str, kind: type[DeliveryError]) -> None:
    error = await failure(f"ERROR:  {state}: {message}\nLOCATION:  createdb, dbcommands.c:1242\n")
    assert type(error) is kind
    assert message in error.cause
    assert state in error.cause


async def test_notices_and_warnings_before_an_error_are_not_the_error() -> None:
    error = await failure(
        'NOTICE:  00000: role "api" is already a member of role "postgres"\n'
        "LOCATION:  AddRoleMems, user.c:1495\n"
        "WARNING:  01006: no privileges could be revoked\n"
        'ERROR:  42P04: database "api" already exists\n'
    )
    assert type(error) is TransientError
    assert "42P04" in error.cause


async def test_a_translated_error_is_known_by_its_state() -> None:
    assert type(await failure('ОШИБКА:  42P04: база данных "api" уже существует\n')) is TransientError


async def test_a_file_name_before_an_error_hides_nothing() -> None:
    assert type(await failure("psql:<stdin>:3: ERROR:  42501: permission denied\n")) is AccessDeniedError


async def test_the_statement_is_never_part_of_the_error() -> None:
    await failure("ERROR:  42601: syntax error\nLINE 1: PASSWORD 'canary'\nSTATEMENT:  PASSWORD 'canary'\n")


@pytest.mark.parametrize(
    ("stderr", "code", "kind"),
    [
        (f'{CONNECTION}FATAL:  password authentication failed for user "postgres"', 2, AccessDeniedError),
        (f"{CONNECTION}fe_sendauth: no password supplied", 2, AccessDeniedError),
        (f"{CONNECTION}FATAL:  no pg_hba.conf entry for host", 2, AccessDeniedError),
        (f'{CONNECTION}FATAL:  role "admin" does not exist', 2, AccessDeniedError),
        (f"{CONNECTION}Connection refused\n\tIs the server running?", 2, ServiceUnavailableError),
        (f"{CONNECTION}FATAL:  the database system is starting up", 2, ServiceUnavailableError),
        ("", 137, ServiceUnavailableError),
        ("sh: 1: exec: psql: not found", 127, NotFoundError),
        ("sh: psql: Permission denied", 126, NotFoundError),
    ],
)
async def test_a_session_that_never_began_is_told_apart(
    stderr: str, code: int, kind: type[DeliveryError]
) -> None:
    assert type(await failure(stderr, code)) is kind


@pytest.mark.parametrize(
    ("stderr", "expected"),
    [
        ("", True),
        (f'{CONNECTION}FATAL:  permission denied for database "postgres"', True),
        (f'{CONNECTION}FATAL:  password authentication failed for user "api"', False),
        (f"{CONNECTION}fe_sendauth: no password supplied", False),
    ],
)
async def test_a_login_over_tcp_tells_whether_the_password_is_right(
    stderr: str,
    expected: bool,  # noqa: FBT001
) -> None:
    shell = Shell(stderr)
    assert await psql(shell, "administrator's").accepts("api", SecretStr(CANARY)) is expected
    assert shell.stdin.startswith(CANARY + "\n")
    assert list(shell.command[-8:]) == ["-h", "10.0.0.7", "-p", "5432", "-U", "api", "-d", "postgres"]


@pytest.mark.parametrize(
    ("stderr", "kind"),
    [
        (f"{CONNECTION}Connection refused", ServiceUnavailableError),
        (f'{CONNECTION}FATAL:  role "api" is not permitted to log in', AccessDeniedError),
        (f"{CONNECTION}FATAL:  no pg_hba.conf entry for host", AccessDeniedError),
    ],
)
async def test_a_login_that_was_not_tried_says_nothing_about_the_password(
    stderr: str, kind: type[DeliveryError]
) -> None:
    with pytest.raises(kind):
        await psql(Shell(stderr)).accepts("api", SecretStr(CANARY))


async def test_computed_steps_run_each_row_and_the_others_print_nothing() -> None:
    shell = Shell()
    await psql(shell).act([Step("SELECT lock()", computed=False), Step("SELECT 'DROP'")], database="x")
    assert shell.stdin.splitlines()[1:] == [
        "SET search_path = pg_catalog, pg_temp;",
        "SELECT lock() \\g /dev/null",
        "SELECT 'DROP' \\gexec",
        "\\q",
    ]
