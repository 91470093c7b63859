"""A connection string: what it may say, and that nothing of it is ever told."""

from __future__ import annotations

import ssl

import pytest
import trustme
from pydantic import SecretStr

from slipway_host.errors import SettingsError
from slipway_host.postgres_dsn import parse

PLAIN = "postgresql://admin:canary%2F4711@db.example.com"


def test_everything_that_is_not_said_has_a_safe_default() -> None:
    server = parse(SecretStr(PLAIN))
    assert server.hosts == (("db.example.com", 5432),)
    assert (server.user, server.password.get_secret_value()) == ("admin", "canary/4711")
    context = server.tls()
    assert isinstance(context, ssl.SSLContext)
    assert context.check_hostname
    assert context.verify_mode is ssl.CERT_REQUIRED


def test_several_hosts_keep_their_ports_and_order() -> None:
    server = parse(SecretStr("postgres://a:canary@one,[::1]:6432,three:5433/defaultdb"))
    assert server.hosts == (("one", 5432), ("::1", 6432), ("three", 5433))


def test_verify_ca_looks_at_the_authority_and_not_at_the_name() -> None:
    ca = trustme.CA().cert_pem.bytes().decode()
    context = parse(SecretStr(f"{PLAIN}/?sslmode=verify-ca"), ca=ca).tls()
    assert isinstance(context, ssl.SSLContext)
    assert not context.check_hostname
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert len(context.get_ca_certs()) == 1


def test_tls_is_off_only_where_that_is_written() -> None:
    assert parse(SecretStr(f"{PLAIN}?sslmode=disable")).tls() is False


def test_what_only_says_what_is_done_anyway_is_understood() -> None:
    parse(SecretStr(f"{PLAIN}/x?sslrootcert=system&channel_binding=require&connect_timeout=9"))


def test_an_authority_that_is_none_is_an_error_of_the_configuration() -> None:
    with pytest.raises(SettingsError, match=r"postgres\.ca"):
        parse(SecretStr(PLAIN), ca="-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----").tls()


@pytest.mark.parametrize("mode", ["require", "prefer", "allow", "canary-mode-that-is-far-too-long"])
def test_tls_that_verifies_nothing_is_refused(mode: str) -> None:
    with pytest.raises(SettingsError, match="does not verify whom it talks to"):
        parse(SecretStr(f"{PLAIN}/?sslmode={mode}"))


@pytest.mark.parametrize(
    "dsn",
    [
        "canary",
        "host=canary password=canary",
        "mysql://admin:canary@db.example.com",
        "postgresql://admin@canary.example.com",
        "postgresql://:canary@db.example.com",
        "postgresql://admin:canary@",
        "postgresql://admin:canary@db:port",
        "postgresql://admin:canary@db:99999",
        "postgresql://admin:canary@[::1",
        f"{PLAIN}?sslrootcert=/etc/canary.pem",
        f"{PLAIN}?options=canary",
        f"{PLAIN}?passfile=canary&service=canary",
    ],
)
def test_what_is_not_understood_is_refused_and_not_quoted(dsn: str) -> None:
    with pytest.raises(SettingsError) as caught:
        parse(SecretStr(dsn))
    assert "canary" not in str(caught.value)
    assert caught.value.__context__ is None or "canary" not in str(caught.value.__cause__)
