"""Where PostgreSQL is: the primary beside a streaming standby (fault 46), and a server behind TLS."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, cast

import pytest
import trustme
from pydantic import SecretStr

from slipway_host import postgres_dsn, postgres_pods
from slipway_host.errors import (
    AccessDeniedError,
    ConflictError,
    DeadlineError,
    NotFoundError,
    ServiceUnavailableError,
    SettingsError,
)
from slipway_host.kube_exec import ExecResult
from slipway_host.settings import PostgresSettings
from support.postgres_server import LocalServer, debian, server

if TYPE_CHECKING:
    from slipway_host.kube import KubeClient

Json = dict[str, Any]
PORT = "SELECT current_setting('port')"


@pytest.fixture(scope="module")
def primary() -> Iterator[LocalServer]:
    with server(debian()) as started:
        yield started


@pytest.fixture(scope="module")
def standby(primary: LocalServer) -> Iterator[LocalServer]:
    with server(debian(), primary=primary) as started:
        yield started


@pytest.fixture(scope="module")
def stranger() -> Iterator[LocalServer]:
    """Another server, with another authority and another password."""
    with server(debian()) as started:
        yield started


class Cluster:
    """Pods that are servers on this machine: exec into one is a shell beside its server."""

    def __init__(self, **pods: LocalServer) -> None:
        self._pods = pods

    async def list(self, _path: str, *, selector: str) -> Sequence[Json]:
        assert selector == "app=postgresql"
        return [
            {
                "metadata": {"name": name},
                "spec": {"containers": [{"name": "postgresql", "ports": [{"containerPort": one.port}]}]},
                "status": {"podIP": "127.0.0.1", "conditions": [{"type": "Ready", "status": "True"}]},
            }
            for name, one in self._pods.items()
        ]

    async def exec(
        self, _namespace: str, pod: str, _container: str, command: Sequence[str], *, stdin: str, **_: object
    ) -> ExecResult:
        return await self._pods[pod].shell(command, stdin)


async def join(password: SecretStr, **pods: LocalServer) -> str:
    settings = PostgresSettings(
        namespace="infra",
        selector="app=postgresql",
        container="postgresql",
        host="postgresql.infra",
        port=5432,
        admin_user="postgres",
        secret="postgresql",
        admin_password=password,
    )
    sql = await postgres_pods.connect(cast("KubeClient", Cluster(**pods)), settings, deadline_s=10)
    return await sql.value(PORT, database="postgres")


async def test_of_two_pods_the_primary_is_taken_and_the_standby_never(
    primary: LocalServer, standby: LocalServer
) -> None:
    assert await join(primary.password, a=standby, b=primary) == str(primary.port)
    with pytest.raises(NotFoundError, match="is a standby"):
        await join(primary.password, a=standby)


async def test_two_primaries_are_two_servers(primary: LocalServer, stranger: LocalServer) -> None:
    with pytest.raises(ConflictError, match="2 PostgreSQL primaries match app=postgresql"):
        await join(primary.password, a=primary, b=stranger)


async def test_of_several_hosts_the_primary_is_taken_and_a_standby_alone_is_refused(
    primary: LocalServer, standby: LocalServer
) -> None:
    word = primary.password.get_secret_value()
    both = SecretStr(f"postgresql://postgres:{word}@localhost:{standby.port},localhost:{primary.port}")
    sql = await postgres_dsn.connect(both, ca=primary.ca, deadline_s=10)
    assert await sql.value(PORT, database="postgres") == str(primary.port)
    with pytest.raises(NotFoundError, match="only standbys answer"):
        await postgres_dsn.connect(standby.dsn(), ca=primary.ca, deadline_s=10)


async def test_a_server_that_nobody_vouches_for_gets_no_password(stranger: LocalServer) -> None:
    for ca in (None, trustme.CA().cert_pem.bytes().decode()):
        with pytest.raises(SettingsError, match="its certificate is not vouched for"):
            await postgres_dsn.connect(stranger.dsn(), ca=ca, deadline_s=10)
    assert "connection authorized" not in stranger.log.read_text()


async def test_the_name_in_the_certificate_counts_unless_only_the_authority_is_asked(
    primary: LocalServer,
) -> None:
    by_address = primary.dsn().get_secret_value().replace("@localhost", "@127.0.0.1")
    with pytest.raises(SettingsError, match="127\\.0\\.0\\.1"):
        await postgres_dsn.connect(SecretStr(by_address), ca=primary.ca, deadline_s=10)
    lenient = SecretStr(f"{by_address}?sslmode=verify-ca")
    sql = await postgres_dsn.connect(lenient, ca=primary.ca, deadline_s=10)
    query = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"
    assert await sql.value(query, database="postgres") == "true"


async def test_a_wrong_password_and_a_closed_port_are_told_apart_and_not_told(primary: LocalServer) -> None:
    wrong = primary.dsn(password=SecretStr("canary-wrong"))
    with pytest.raises(AccessDeniedError, match="password authentication failed") as caught:
        await postgres_dsn.connect(wrong, ca=primary.ca, deadline_s=10)
    assert "canary" not in f"{caught.value} {caught.value.__cause__}"
    nobody = SecretStr("postgresql://postgres:canary@localhost:1")
    with pytest.raises(
        ServiceUnavailableError, match="no connection to PostgreSQL at localhost:1"
    ) as refused:
        await postgres_dsn.connect(nobody, ca=None, deadline_s=10)
    assert "canary" not in f"{refused.value} {refused.value.__cause__}"


async def test_a_deadline_ends_a_statement_on_the_server_as_well(primary: LocalServer) -> None:
    hurried = postgres_dsn.DsnRunner(postgres_dsn.parse(primary.dsn(), ca=primary.ca), deadline_s=0.5)
    with pytest.raises(DeadlineError, match=r"no end after 0\.5 s"):
        await hurried.value("SELECT pg_sleep(60)", database="postgres")
    left = (
        "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'SELECT%pg_sleep(60)%' AND state = 'active'"
    )
    assert await primary.by_psql().value(f"{left} AND pid <> pg_backend_pid()", database="postgres") == "0"
