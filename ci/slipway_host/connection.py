"""How a service reaches its database: the parts, and the values that a Secret makes of them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import quote as percent_encoded
from urllib.parse import unquote

from pydantic import SecretStr

if TYPE_CHECKING:
    from collections.abc import Mapping

    from slipway_host.settings import DatabaseSettings, PostgresSettings

URL = "DATABASE_URL"
# Where the layout of old build scripts keeps the same password (R34).
RAW_KEYS = ("DB_PASSWORD",)
URL_KEYS = (URL, "POSTGRES_URL")
# As libpq reads it: `#` and `?` in a password need no encoding there, `/` and `@` do.
_POSTGRES_URL = re.compile(
    r"postgres(?:ql)?://(?P<role>[^:@/]+):(?P<password>[^@/]+)@[^/?#]+/(?P<database>[^?#]+)(?:\?.*)?"
)
_PART = re.compile(r"\{([a-z]+)\}")


def database_url(settings: DatabaseSettings, postgres: PostgresSettings, password: str) -> str:
    """Return the connection URL that a service gets."""
    account = f"{percent_encoded(settings.role, safe='')}:{percent_encoded(password, safe='')}"
    address = f"{postgres.host}:{postgres.port}"
    options = f"?sslmode={postgres.sslmode}" if postgres.sslmode else ""
    return f"postgresql://{account}@{address}/{percent_encoded(settings.name, safe='')}{options}"


def composed(
    template: str, settings: DatabaseSettings, postgres: PostgresSettings, password: SecretStr
) -> str:
    """Return a template with the database's parts filled in.

    In a URL the parts are percent-encoded, elsewhere they stand as they are: a client that reads
    DB_PASSWORD decodes nothing.
    """
    secret = password.get_secret_value()
    parts = {
        "host": postgres.host,
        "port": str(postgres.port),
        "name": settings.name,
        "user": settings.role,
        "password": secret,
    }
    if "://" in template:
        parts = {part: percent_encoded(value, safe="") for part, value in parts.items()}
    url = database_url(settings, postgres, secret)
    # A template with options of its own is meant to have these, and no second `?`.
    parts["url"] = url.partition("?")[0] if "{url}?" in template else url
    # One pass: a password that looks like a part is not filled in again.
    return _PART.sub(lambda found: parts[found[1]], template)


def holds_password(template: str) -> bool:
    """Say whether a value made of a template changes with the password."""
    return bool({"password", "url"} & set(_PART.findall(template)))


def url_parts(url: str) -> tuple[str, str, SecretStr] | None:
    """Return role, database and password of a connection URL; None where it is none."""
    found = _POSTGRES_URL.fullmatch(url)
    if found is None:
        return None
    return unquote(found["role"]), unquote(found["database"]), SecretStr(unquote(found["password"]))


def with_password(url: str, password: SecretStr) -> str:
    """Return a connection URL with another password; host, options and spelling stay."""
    found = _POSTGRES_URL.fullmatch(url)
    if found is None:
        raise ValueError("no connection URL")
    start, end = found.span("password")
    return url[:start] + percent_encoded(password.get_secret_value(), safe="") + url[end:]


def candidate(
    values: Mapping[str, str], compose: Mapping[str, str], settings: DatabaseSettings
) -> tuple[str, SecretStr] | None:
    """Return the key of a Secret without DATABASE_URL that still has the role's password, and that.

    Only a login proves that it is the role's.
    """
    raw = [key for key, template in compose.items() if template == "{password}"]
    for key in (*raw, *RAW_KEYS):
        if values.get(key):
            return key, SecretStr(values[key])
    urls = [key for key, template in compose.items() if template == "{url}"]
    for key in (*urls, *URL_KEYS):
        parts = url_parts(values.get(key, ""))
        if parts and parts[:2] == (settings.role, settings.name):
            return key, parts[2]
    return None
