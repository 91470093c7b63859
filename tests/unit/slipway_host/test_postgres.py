"""psql in the cluster's own pod: which pod, whose password, and what its words mean."""

from __future__ import annotations

import base64
import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import anyio
import anyio.lowlevel
import pytest
from pydantic import SecretStr

from slipway_host.errors import (
    AccessDeniedError,
    ConflictError,
    DeadlineError,
    DeliveryError,
    NotFoundError,
    ServiceUnavailableError,
    SettingsError,
    TerminalError,
    TransientError,
    UnknownOutcomeError,
)
from slipway_host.kube_exec import ExecResult
from slipway_host.postgres import Psql, connect
from slipway_host.settings import PostgresSettings

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from slipway_host.kube import KubeClient

Json = dict[str, Any]
CANARY = "canary-4711 \\ 'x"
SETTINGS = PostgresSettings(
    namespace="infra",
    selector="app=postgresql",
    container="postgresql",
    host="postgresql.infra",
    port=5432,
    admin_user="postgres",
    secret="postgresql",
    admin_password=SecretStr(CANARY),
)
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
        await psql(Shell(stderr, code=code)).run("SELECT 'statement-canary';", database="postgres")
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
    assert await sql.run("SELECT 1;\nSELECT 2;", database="x y") == "out"
    assert (tmp_path / "password").read_text() == CANARY
    # \q: a container's stdin may never end by itself.
    assert (tmp_path / "stdin").read_text() == "SELECT 1;\nSELECT 2;\n\\q\n"
    arguments = (tmp_path / "arguments").read_text().splitlines()
    assert arguments[-4:] == ["-U", "postgres", "-d", "x y"]
    assert {"-X", "-w", "ON_ERROR_STOP=1"} <= set(arguments)
    assert "canary" not in (tmp_path / "arguments").read_text() + (tmp_path / "parent").read_text()


@pytest.mark.parametrize("password", ["canary\nSELECT 1;", "canary\0"])
async def test_a_password_that_would_become_sql_is_refused_before_the_shell(password: str) -> None:
    shell = Shell()
    with pytest.raises(SettingsError) as caught:
        await psql(shell, password).run("SELECT 1;", database="postgres")
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


class Cluster:
    """PostgreSQL pods, each with its answer to `pg_is_in_recovery`."""

    def __init__(self, **pods: str | DeliveryError) -> None:
        self.pods = {name: pod(name) for name in pods}
        self.answers = pods
        self.secret: Json | None = None
        self.asked: list[tuple[str, Sequence[str], str]] = []

    async def list(self, path: str, *, selector: str = "") -> Sequence[Json]:
        await anyio.lowlevel.checkpoint()
        assert path == "/api/v1/namespaces/infra/pods"
        assert selector == "app=postgresql"
        return list(self.pods.values())

    async def find(self, path: str) -> Json | None:
        await anyio.lowlevel.checkpoint()
        assert path == "/api/v1/namespaces/infra/secrets/postgresql"
        return self.secret

    async def exec(
        self,
        namespace: str,
        pod: str,
        container: str,
        command: Sequence[str],
        *,
        stdin: str,
        deadline_s: float,
    ) -> ExecResult:
        await anyio.lowlevel.checkpoint()
        assert (namespace, container, deadline_s) == ("infra", "postgresql", 7)
        assert "canary" not in " ".join(command)
        self.asked.append((pod, command, stdin))
        answer = self.answers[pod]
        if isinstance(answer, DeliveryError):
            raise answer
        return ExecResult(exit_code=0, stdout=f"{answer}\n", stderr="")


def pod(name: str) -> Json:
    return {
        "metadata": {"name": name},
        "spec": {"containers": [{"name": "metrics"}, {"name": "postgresql"}]},
        "status": {"podIP": f"ip-{name}", "conditions": [{"type": "Ready", "status": "True"}]},
    }


async def join(cluster: Cluster, settings: PostgresSettings = SETTINGS) -> Psql:
    return await connect(cast("KubeClient", cluster), settings, deadline_s=7)


async def refused(cluster: Cluster, kind: type[DeliveryError], settings: PostgresSettings = SETTINGS) -> str:
    with pytest.raises(kind) as caught:
        await join(cluster, settings)
    assert "canary" not in str(caught.value)
    return str(caught.value)


async def test_the_primary_is_used_whatever_its_place_in_the_list() -> None:
    cluster = Cluster(a="t", b="f", c="t")
    sql = await join(cluster)
    await sql.run("SELECT 1;", database="postgres")
    assert cluster.asked[-1][0] == "b"


async def test_a_password_is_tried_at_the_primary_s_own_address() -> None:
    cluster = Cluster(a="t", b="f")
    await (await join(cluster)).accepts("api", SecretStr("x"))
    assert "ip-b" in cluster.asked[-1][1]


async def test_the_container_s_port_counts_not_the_exporter_s() -> None:
    cluster = Cluster(a="f")
    cluster.pods["a"]["spec"]["containers"][1]["ports"] = [
        {"name": "metrics", "containerPort": 9187},
        {"name": "tcp-postgresql", "containerPort": 5433},
    ]
    await (await join(cluster)).accepts("api", SecretStr("x"))
    assert "5433" in cluster.asked[-1][1]


async def test_two_primaries_are_two_servers() -> None:
    assert "a, b" in await refused(Cluster(b="f", a="f", c="t"), ConflictError)


async def test_standbys_alone_are_no_server() -> None:
    assert "standby" in await refused(Cluster(a="t", b="t"), NotFoundError)


async def test_no_pod_is_said_so() -> None:
    assert "no PostgreSQL pod matches app=postgresql" in await refused(Cluster(), NotFoundError)


async def test_pods_that_are_not_ready_or_on_their_way_out_are_not_asked() -> None:
    cluster = Cluster(a="f", b="f")
    cluster.pods["a"]["status"]["conditions"][0]["status"] = "False"
    cluster.pods["b"]["metadata"]["deletionTimestamp"] = "2026-08-01T00:00:00Z"
    assert "none of 2" in await refused(cluster, NotFoundError)
    assert not cluster.asked


async def test_another_container_name_is_answered_with_those_that_there_are() -> None:
    settings = replace(SETTINGS, container="db")
    assert "metrics, postgresql" in await refused(Cluster(a="f"), NotFoundError, settings)


async def test_one_broken_standby_does_not_matter() -> None:
    cluster = Cluster(a=ServiceUnavailableError("no kubelet"), b="f")
    await (await join(cluster)).run("SELECT 1;", database="postgres")
    assert cluster.asked[-1][0] == "b"


@pytest.mark.parametrize(
    "error",
    [
        AccessDeniedError("pods/exec is forbidden", next_command="kubectl auth can-i create pods"),
        UnknownOutcomeError("the connection ended"),
        DeadlineError("no end after 7 s"),
    ],
)
async def test_what_keeps_us_from_every_pod_is_the_error(error: DeliveryError) -> None:
    assert error.cause in await refused(Cluster(a=error, b="t"), type(error))


IN_CLUSTER = replace(SETTINGS, admin_password=None)


def encoded(**values: str) -> Json:
    return {"data": {key: base64.b64encode(text.encode()).decode() for key, text in values.items()}}


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"postgres-password": "second", "admin-user-password": "first"}, "first"),
        ({"postgres-password": "second"}, "second"),
        ({"postgres-password": "second", "admin-user-password": ""}, "second"),
    ],
)
async def test_without_a_given_password_the_cluster_s_secret_has_it(
    values: dict[str, str], expected: str
) -> None:
    cluster = Cluster(a="f")
    cluster.secret = encoded(**values)
    await join(cluster, IN_CLUSTER)
    assert cluster.asked[0][2].startswith(f"{expected}\n")


async def test_a_given_password_wins_over_the_cluster_s() -> None:
    cluster = Cluster(a="f")
    cluster.secret = encoded(**{"postgres-password": "second"})
    await join(cluster)
    assert cluster.asked[0][2].startswith(f"{CANARY}\n")


@pytest.mark.parametrize(
    ("secret", "kind", "what"),
    [
        (None, NotFoundError, "there is no Secret postgresql"),
        (encoded(other="canary"), NotFoundError, "it has other"),
        ({"data": None}, NotFoundError, "no keys"),
        ({"data": {"postgres-password": "canary!"}}, SettingsError, "postgres-password is not text"),
        ({"data": {"postgres-password": "/w=="}}, SettingsError, "postgres-password is not text"),
    ],
)
async def test_a_secret_without_a_usable_password_is_explained(
    secret: Json | None, kind: type[DeliveryError], what: str
) -> None:
    cluster = Cluster(a="f")
    cluster.secret = secret
    assert what in await refused(cluster, kind, IN_CLUSTER)


@pytest.mark.parametrize("text", ["", " \n"])
async def test_an_empty_given_password_is_not_taken_for_none(text: str) -> None:
    cluster = Cluster(a="f")
    cluster.secret = encoded(**{"postgres-password": "second"})
    await refused(cluster, SettingsError, replace(SETTINGS, admin_password=SecretStr(text)))
    assert not cluster.asked
