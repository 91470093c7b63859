"""What the reader says of a version is what the parser says of it, however few it parses."""

import random

import pytest

from slipway_host import values
from slipway_host.values_reader import ValuesReader

DIGEST = "sha256:" + "ab" * 32
FILES = [
    "image:\n  tag: {tag}\n",
    "# é\nimage:\n  repository: x\n  tag: {tag}  # kept\nother:\n  tag: no\n",
    "image: {{repository: x, tag: {tag}}}\nreplicas: 2\n",
    "image:\r\n  tag: {tag}\r\n  digest: {digest}\r\n",
    "\ufeffimage:\n  digest: {digest}\n  tag: {tag}\n",
    "image:\n  tag: old\n  tag: {tag}\n",
    "base: &b\n  tag: {tag}\nimage:\n  <<: *b\n",
    "base: &b\n  tag: {tag}\nimage:\n  tag: x\n  <<: *b\n",
    "image:\n  tag:\n    {tag}\n",
    "image: &i\n  tag: {tag}\ncopy: *i\n",
    "image:\n  tag: {tag}\n---\nsecond: 1\n",
    "image:\n  tag: {tag}\n  digest:\n",
    "image:\n\ttag: {tag}\n",
    "{{{{ template }}}}\nimage:\n  tag: {tag}\n",
    "",
]
TAGS = [
    "1234abcd",
    '"1234abcd"',
    "'v1.2.3'",
    "33356460",
    "434e6794",
    "latest",
    "null",
    '"null"',
    "nullable",
    "~",
    '""',
    "",
    "{{ .Values.tag }}",
    "a b",
    "!!str x",
    "&a x",
    "|\n    x",
    "x # comment",
    "1234abcd\n  more",
    '"a\\u0062"',
    "-x",
    "a:b",
]
DIGESTS = [DIGEST, f'"{DIGEST}"', '""', "", "sha256:short", "'" + DIGEST.replace("a", "0") + "'"]


def expected(data: bytes) -> tuple[str, str]:
    tag = values.read_tag(data) or ""
    if not values.TAG.fullmatch(tag):
        return "", ""
    return tag, values.read_digest(data) or ""


def test_whatever_came_before_a_version_is_read_as_the_parser_reads_it() -> None:
    rnd = random.Random(20)  # noqa: S311 - the same each time
    reader = ValuesReader()
    for _ in range(1000):
        text = rnd.choice(FILES).format(tag=rnd.choice(TAGS), digest=rnd.choice(DIGESTS))
        data = text.encode()
        assert reader.read("values.yaml", data) == expected(data), text
    assert reader.parsed < 990


@pytest.mark.parametrize("quote", ["", '"', "'"])
def test_a_file_of_which_the_tag_changes_is_parsed_once(quote: str) -> None:
    reader = ValuesReader()
    for number in range(100):
        data = f"image:\n  tag: {quote}{number:08x}{quote}  # kept\nreplicaCount: 2\n".encode()
        assert reader.read("a", data) == (f"{number:08x}", "")
    assert reader.parsed == 1


def test_another_byte_elsewhere_is_parsed_anew() -> None:
    reader = ValuesReader()
    assert reader.read("a", b"image:\n  tag: x1\n") == ("x1", "")
    assert reader.read("a", b"image:\n  tag: x2\nimage:\n  tag: y\n") == ("y", "")
    assert reader.parsed == 2
