"""Reads an OIDC identity token before it is used: what is wrong with it, in words.

Nothing is trusted here. Fulcio verifies the token, but says of a wrong one only that there was an error.
"""

from __future__ import annotations

import base64
import binascii
import json
from typing import TYPE_CHECKING, Any

from slipway_host.errors import SettingsError, quote

if TYPE_CHECKING:
    from datetime import datetime

NAME = "COSIGN_IDENTITY_TOKEN"
AUDIENCE = "sigstore"
PARTS = 3
AGAIN = "fetch a new one right before the call, then run the same command: what is done is not done again"


def check(token: str, *, identity: str, issuer: str, now: datetime) -> None:
    """Refuse a token that Fulcio would refuse, or whose signatures `verify` would.

    Args:
        token: a JSON Web Token; its text is in no error.
        identity: whose it has to be. Only GitHub's tokens say that in a way that is known here.
        issuer: who has to have issued it.
        now: the present, with its time zone.

    Raises:
        SettingsError: no token, expired, for another audience, another's, or by another issuer.
    """
    claims = _claims(token)
    found = claims.get("aud")
    audiences = found if isinstance(found, list) else [found]
    if AUDIENCE not in audiences:
        raise SettingsError(
            f"{NAME} is for {_listed(audiences)}, not for {AUDIENCE}",
            next_command=f"fetch one with the audience {AUDIENCE}",
        )
    if claims.get("iss") != issuer:
        raise SettingsError(
            f"{NAME} is by {_listed([claims.get('iss')])}, and signing.issuer is {issuer}",
            next_command="correct signing.issuer, or fetch the token there",
        )
    workflow = claims.get("job_workflow_ref")
    if workflow and not identity.endswith(f"/{workflow}"):
        raise SettingsError(
            f"{NAME} is of {_listed([workflow])}, and signing.identity is {identity}",
            next_command="deploy from that workflow and branch, or correct signing.identity",
        )
    expires = claims.get("exp")
    if not isinstance(expires, (int, float)):
        raise SettingsError(f"{NAME} has no time of expiry", next_command=AGAIN)
    late = now.timestamp() - expires
    if late >= 0:
        raise SettingsError(f"{NAME} expired {late:.0f} s ago", next_command=AGAIN)


def _claims(token: str) -> dict[str, Any]:
    parts = token.split(".")
    if len(parts) == PARTS:
        try:
            padded = parts[1] + "=" * (-len(parts[1]) % 4)
            found = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
        except (binascii.Error, ValueError):
            # Not chained: the decoder's error would repeat the text.
            found = None
        if isinstance(found, dict):
            return found
    raise SettingsError(f"{NAME} is no JSON Web Token", next_command=AGAIN)


def _listed(names: list[Any]) -> str:
    return quote(", ".join(str(name) for name in names if name), limit=200) or "nobody"
