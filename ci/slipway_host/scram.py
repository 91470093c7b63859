"""What PostgreSQL stores of a password, so that the password itself never travels."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from typing import TYPE_CHECKING

from slipway_host.errors import SettingsError

if TYPE_CHECKING:
    from pydantic import SecretStr

SCRAM_ITERATIONS = 4096
"""PostgreSQL's own default; more would slow down every login of the service."""
SALT_BYTES = 16


def scram_verifier(password: SecretStr, *, salt: bytes | None = None) -> str:
    """Return what PostgreSQL stores for a password.

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
