"""The verifier that PostgreSQL stores."""

from __future__ import annotations

import base64
import hashlib
import hmac

import pytest
from pydantic import SecretStr

from slipway_host.errors import SettingsError
from slipway_host.scram import scram_verifier

PASSWORD = SecretStr("canary-47110815")


def test_the_verifier_is_the_one_that_rfc_7677_computes_with() -> None:
    """Its example exchange: user `user`, password `pencil`."""
    salt, nonce = "W22ZaJ0SNY7soEsUEjb6gQ==", "rOprNGfwEbeRWgbNEkqO"
    both = f"{nonce}%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
    message = f"n=user,r={nonce},r={both},s={salt},i=4096,c=biws,r={both}".encode()
    proof = base64.b64decode("dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=")

    verifier = scram_verifier(SecretStr("pencil"), salt=base64.b64decode(salt))
    head, keys = verifier.rsplit("$", 1)
    stored, server = (base64.b64decode(key) for key in keys.split(":"))

    assert head == f"SCRAM-SHA-256$4096:{salt}"
    signature = hmac.digest(server, message, "sha256")
    assert base64.b64encode(signature) == b"6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="
    mask = hmac.digest(stored, message, "sha256")
    client = bytes(a ^ b for a, b in zip(proof, mask, strict=True))
    assert hashlib.sha256(client).digest() == stored


def test_two_verifiers_of_one_password_share_no_salt() -> None:
    assert scram_verifier(PASSWORD) != scram_verifier(PASSWORD)


@pytest.mark.parametrize("password", ["", "canary-ü", "canary-4\n", "canary-\x00", "canary-\u00a0"])
def test_a_password_that_saslprep_would_change_is_refused_and_not_quoted(password: str) -> None:
    with pytest.raises(SettingsError) as caught:
        scram_verifier(SecretStr(password))
    assert "canary" not in str(caught.value)
