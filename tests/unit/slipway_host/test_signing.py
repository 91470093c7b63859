"""Keyless signing is whole or not at all: never any identity, never half an instance."""

import datetime as dt

import pytest
from pydantic import ValidationError

from slipway_host.signing import Signing, demanded, signing_config

WHO = {"identity": "https://github.com/acme/api/.github/workflows/d.yaml@refs/heads/main"}
ISSUER = {"issuer": "https://token.actions.githubusercontent.com"}
OWN = {
    "fulcio": "https://fulcio.acme.example",
    "timestampAuthority": "https://tsa.acme.example/api/v1/timestamp",
    "trustedRoot": "root.json",
}


def refused(**values: str) -> str:
    with pytest.raises(ValidationError) as caught:
        Signing.model_validate(values)
    return str(caught.value)


def test_by_key_is_the_default() -> None:
    assert not Signing().keyless
    assert Signing.model_validate({**WHO, **ISSUER}).keyless


def test_identity_and_issuer_belong_together() -> None:
    assert "identity without issuer" in refused(**WHO)
    assert "issuer without identity" in refused(**ISSUER)


def test_an_instance_of_ones_own_is_for_keyless_signing() -> None:
    assert "fulcio without identity and issuer" in refused(**OWN)


@pytest.mark.parametrize("missing", sorted(OWN))
def test_half_an_instance_is_refused(missing: str) -> None:
    some = {key: value for key, value in OWN.items() if key != missing}
    assert "needs fulcio, trustedRoot, and timestampAuthority or rekor" in refused(**WHO, **ISSUER, **some)


@pytest.mark.parametrize(
    "text", ["ftp://f.example", "https://u:p@f.example", "https://f.example/?a=b", "f", ""]
)
def test_an_address_has_no_credentials_and_no_query(text: str) -> None:
    assert "not an http or https address" in refused(**WHO, **ISSUER, **{**OWN, "fulcio": text})


def test_a_key_asks_no_server() -> None:
    config = signing_config(Signing(), dt.datetime(2020, 1, 1, tzinfo=dt.UTC))
    assert config["caUrls"] == config["rekorTlogUrls"] == config["tsaUrls"] == []


def test_an_instance_is_asked_for_what_it_has() -> None:
    own = Signing.model_validate({**WHO, **ISSUER, **OWN})
    config = signing_config(own, dt.datetime(2020, 1, 1, tzinfo=dt.UTC))
    assert [one["url"] for one in config["caUrls"]] == [own.fulcio]
    assert [one["url"] for one in config["tsaUrls"]] == [own.timestamp_authority]
    assert config["tsaConfig"] == {"selector": "ANY"}
    assert config["rekorTlogUrls"] == []
    assert config["rekorTlogConfig"] == {}


def test_logs_are_demanded_where_the_root_knows_them() -> None:
    assert demanded({"ctlogs": [{}], "tlogs": [{}]}) == []
    assert demanded({"timestampAuthorities": [{}]}) == [
        "--insecure-ignore-sct",
        "--insecure-ignore-tlog",
        "--use-signed-timestamps",
    ]
