"""The lab's PostgreSQL as its administrator has it."""

from slipway_lab import credentials
from slipway_lab.kubernetes import kubectl
from slipway_lab.layout import Layout

_WITH_PASSWORD = 'read -r PGPASSWORD; export PGPASSWORD; exec "$@"'


def administer(layout: Layout, script: str, *, database: str = "postgres") -> str:
    """Run SQL as the server's administrator, by the pod's own psql, and return what it printed."""
    psql = ["psql", "-qAt", "-U", "postgres", "-v", "ON_ERROR_STOP=1", "-d", database]
    return kubectl(
        layout,
        *("-n", "infra", "exec", "-i", "postgresql-0", "--", "sh", "-c", _WITH_PASSWORD, "sh", *psql),
        stdin=credentials.read(layout, "postgres") + "\n" + script,
    )


def drop(layout: Layout, *applications: str) -> None:
    """Remove the databases and roles of applications, as far as they are there."""
    names = [name.replace("-", "_") for name in applications]
    administer(
        layout,
        "".join(
            f"DROP DATABASE IF EXISTS {name} WITH (FORCE);\nDROP ROLE IF EXISTS {name};\n" for name in names
        ),
    )
