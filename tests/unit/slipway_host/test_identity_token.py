"""What is wrong with an identity token is said before Fulcio is asked, and without the token's text."""

import base64
import datetime as dt
import json
from typing import Any

import pytest

from slipway_host.errors import SettingsError
from slipway_host.identity_token import check

ISSUER = "https://token.actions.githubusercontent.com"
WORKFLOW = "acme/api/.github/workflows/deploy.yaml@refs/heads/main"
IDENTITY = f"https://github.com/{WORKFLOW}"
NOW = dt.datetime(2026, 11, 24, 12, tzinfo=dt.UTC)
CLAIMS = {"iss": ISSUER, "aud": "sigstore", "exp": NOW.timestamp() + 60, "job_workflow_ref": WORKFLOW}


def encoded(content: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(content).encode()).rstrip(b"=").decode()


def token(**changed: Any) -> str:
    return f"{encoded({'alg': 'RS256'})}.{encoded({**CLAIMS, **changed})}.c2lnbmF0dXJl"


def refused(text: str) -> str:
    with pytest.raises(SettingsError) as caught:
        check(text, identity=IDENTITY, issuer=ISSUER, now=NOW)
    assert caught.value.__cause__ is None
    assert not [part for part in text.split(".") if part and part in str(caught.value)]
    return caught.value.cause


def test_a_token_of_the_identity_passes() -> None:
    check(token(), identity=IDENTITY, issuer=ISSUER, now=NOW)
    check(token(aud=["other", "sigstore"]), identity=IDENTITY, issuer=ISSUER, now=NOW)


def test_issuers_that_say_no_workflow_are_left_to_fulcio() -> None:
    check(token(job_workflow_ref=None), identity="bot@acme.example", issuer=ISSUER, now=NOW)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"exp": NOW.timestamp() - 180}, "expired 180 s ago"),
        ({"exp": NOW.timestamp()}, "expired 0 s ago"),
        ({"exp": None}, "no time of expiry"),
        ({"aud": "https://github.com/acme"}, "is for https://github.com/acme, not for sigstore"),
        ({"aud": None}, "is for nobody, not for sigstore"),
        ({"iss": "https://gitlab.example"}, "is by https://gitlab.example, and signing.issuer is"),
        ({"job_workflow_ref": "acme/api/x.yaml@refs/heads/y"}, "is of acme/api/x.yaml@refs/heads/y, and"),
        (
            {"job_workflow_ref": f"evil{WORKFLOW}"},
            f"is of evil{WORKFLOW}, and signing.identity is {IDENTITY}",
        ),
    ],
)
def test_a_token_that_cannot_sign_says_why(changed: dict[str, Any], words: str) -> None:
    assert words in refused(token(**changed))


@pytest.mark.parametrize("text", ["x", "a.b", "a.b.c.d", "a.!!.c", f"a.{encoded([1])}.c", "a.bm90IGpzb24.c"])
def test_what_is_no_token_is_not_repeated(text: str) -> None:
    with pytest.raises(SettingsError, match="COSIGN_IDENTITY_TOKEN is no JSON Web Token"):
        check(text, identity=IDENTITY, issuer=ISSUER, now=NOW)
