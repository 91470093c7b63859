"""The administrator of the lab's PostgreSQL, by the pod's own psql."""

from slipway_lab import credentials
from slipway_lab.kubernetes import kubectl
from slipway_lab.layout import Layout

_PASSWORD = 'read -r PGPASSWORD; export PGPASSWORD; exec "$@"'
"""From standard input: no list of processes shows it."""


def administer(layout: Layout, script: str, *, database: str = "postgres") -> str:
    """Run SQL and return what it printed, without headings and the last line end."""
    psql = ("psql", "-qAt", "-U", "postgres", "-d", database, "-v", "ON_ERROR_STOP=1")
    return kubectl(
        layout,
        *("-n", "infra", "exec", "-i", "postgresql-0", "--", "sh", "-c", _PASSWORD, "sh", *psql),
        stdin=credentials.read(layout, "postgres") + "\n" + script,
    ).strip()


def drop(layout: Layout, *names: str) -> None:
    """Remove databases with the roles of their names, where they are there."""
    administer(
        layout,
        "".join(
            f"DROP DATABASE IF EXISTS {name} WITH (FORCE);\nDROP ROLE IF EXISTS {name};\n" for name in names
        ),
    )
