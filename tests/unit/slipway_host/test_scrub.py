"""What of a program's output is a secret, by value or by its looks."""

import pytest

from slipway_host.scrub import parts, scrubbed


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("nothing to hide", "nothing to hide"),
        ("at postgresql://api:canary@db:5432/api", "at postgresql://api:***@db:5432/api"),
        ("PASSWORD=canary, user=api", "PASSWORD=***, user=api"),
        ('{"api_key": "canary"}', '{"api_key": ***"}'),
        ("jwtSecret: canary", "jwtSecret: ***"),
    ],
)
def test_what_looks_like_a_secret_goes(text: str, expected: str) -> None:
    assert scrubbed(text) == expected


def test_a_known_secret_goes_in_its_percent_encoded_form_as_well_and_the_longest_first() -> None:
    known = ["canary", "canary/4711", "abc", ""]
    assert scrubbed("canary/4711 canary%2F4711 canary abc", known) == "*** *** *** abc"


def test_the_password_in_an_address_and_single_lines_are_secrets_of_their_own() -> None:
    known = parts(["postgresql://api:can%2Fary@db/api", "-----BEGIN-----\ncanary-line\n-----END-----"])
    assert scrubbed("trying can/ary, can%2Fary and canary-line", known) == "trying ***, *** and ***"
