"""Accounts of Argo CD's own API, and their tokens as its server would sign them."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import TYPE_CHECKING

from slipway_lab import credentials

if TYPE_CHECKING:
    from slipway_lab.layout import Layout

ACCOUNT = "slipway"
"""The pipeline's account: it sees, syncs and patches every Application, and has no other right."""
POLICY = "".join(f"p, role:pipeline, applications, {one}, */*, allow\n" for one in ("get", "sync", "update"))
ISSUED_AT = 1_700_000_000


def registration(account: str) -> dict[str, str]:
    """Return what argocd-secret has to hold of an account with a token."""
    tokens = [{"id": _id(account), "iat": ISSUED_AT}]
    return {f"accounts.{account}.tokens": json.dumps(tokens)}


def token(layout: Layout, account: str, *, expires_at: int | None = None) -> str:
    """Return the token of a registered account: the same each time, for ever without `expires_at`."""
    claims: dict[str, object] = {
        "iss": "argocd",
        "sub": f"{account}:apiKey",
        "jti": _id(account),
        "iat": ISSUED_AT,
        "nbf": ISSUED_AT,
        **({"exp": expires_at} if expires_at is not None else {}),
    }
    body = f"{_encoded({'alg': 'HS256', 'typ': 'JWT'})}.{_encoded(claims)}"
    key = credentials.read(layout, "jwt").encode()
    signature = hmac.new(key, body.encode(), hashlib.sha256).digest()
    return f"{body}.{_base64(signature)}"


def ensure(layout: Layout) -> None:
    """Write the pipeline's token to a file of its own, beside the other accounts'."""
    path = layout.credentials / "argocd"
    path.touch(mode=0o600)
    path.write_text(token(layout, ACCOUNT))


def _id(account: str) -> str:
    return f"{account}-of-the-lab"


def _encoded(document: object) -> str:
    return _base64(json.dumps(document, separators=(",", ":")).encode())


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")
