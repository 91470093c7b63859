import random
from io import StringIO
from typing import Any

import pytest
from ruamel.yaml import YAML

from slipway_host.errors import SettingsError
from slipway_host.values import read_digest, read_tag, set_image

# Untyped, and only the second opinion here: it comes with the Kubernetes client.
yaml = pytest.importorskip("yaml")

PATH = "apps/api/values.yaml"
DIGEST = "sha256:" + "a1" * 32
NASTY = [
    "0e123456",
    "1234e567",
    "00123456",
    "0b101010",
    "33356460",
    "434e6794",
    "9999e001",
    "08123456",
    "0x123456",
    "1e5",
    "12_3",
    "true",
    "null",
    "no",
    "1.10",
    "2026-08-01",
    "latest",
    "v1.2.3",
]
FILE = """\
# The image is set by the pipeline.
replicas: 2
image:
    repository: "ghcr.io/acme/api"   
    tag: {}   # kept: {{ not a template here }}
    pullPolicy: Always
long: aaaaaaaaaaaaaaaaaaaaaaaaaaaaa bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb cccccccccccccccccccccccccc ddddddddddd
list:
- a
-   b
"""  # noqa: W291 - long lines and trailing spaces must survive


def edit(text: str, tag: str = "1234abcd", digest: str | None = None) -> str:
    # newline="" on both sides: the bytes are the point.
    return set_image(text.encode(), tag=tag, digest=digest, path=PATH).decode()


def loaded(text: str) -> Any:
    ruamel = YAML(typ="safe", pure=True).load(StringIO(text))
    assert ruamel["image"] == yaml.safe_load(text)["image"]
    return ruamel["image"]


def changed_lines(before: str, after: str) -> list[int]:
    old, new = before.splitlines(keepends=True), after.splitlines(keepends=True)
    assert len(old) == len(new)
    return [i for i, pair in enumerate(zip(old, new, strict=True)) if pair[0] != pair[1]]


def test_every_hash_parses_back_as_the_same_string_and_changes_one_line() -> None:
    # R11, faults 65 and 70. The file is small: two parsers read it thousands of times.
    rng = random.Random(11)  # noqa: S311 - the same hashes in each run
    before = "image:\n  repository: r  \n  tag: old # kept\nx: [1,  2]\n"
    digits = [f"{rng.randrange(10**8):08d}" for _ in range(60)]
    floats = [f"{rng.randrange(10**4):04d}e{rng.randrange(10**3):03d}" for _ in range(60)]
    hashes = [f"{rng.getrandbits(32):08x}" for _ in range(300)]
    for tag in (*NASTY, *digits, *floats, *hashes):
        after = edit(before, tag)
        assert loaded(after) == {"repository": "r", "tag": tag}
        assert changed_lines(before, after) == [2]
        assert read_tag(after.encode()) == tag


@pytest.mark.parametrize("old", ["latest", "'1.0'", '"1.0"', "1.10", "33356460", "~", '""', "a b"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("head", ["", "\ufeff", "---\n", "%YAML 1.1\n---\n"])
def test_nothing_but_the_scalar_changes(old: str, newline: str, head: str) -> None:
    # Fault 70: comments, indent, CRLF, BOM, `---`, long lines, trailing spaces.
    before = (head + FILE.format(old)).replace("\n", newline)
    expected = (head + FILE.format('"1234abcd"')).replace("\n", newline)
    assert edit(before) == expected


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("image:\n  tag:\n", 'image:\n  tag: "1234abcd"\n'),
        ("image:\n  tag:", 'image:\n  tag: "1234abcd"'),
        ("image:\n  tag:   # c\n  a: 1\n", 'image:\n  tag: "1234abcd"   # c\n  a: 1\n'),
        ("image:\n  tag:\n\n# c\nb: 1\n", 'image:\n  tag: "1234abcd"\n\n# c\nb: 1\n'),
        ("image: {repository: x, tag: y}\n", 'image: {repository: x, tag: "1234abcd"}\n'),
        ("image: {tag: , repository: x}\n", 'image: {tag: "1234abcd" , repository: x}\n'),
        ('{"image": {"tag": "y"}}', '{"image": {"tag": "1234abcd"}}'),
        ('"image":\n  "tag": y\n', '"image":\n  "tag": "1234abcd"\n'),
        ("image: &i\n  tag: y\n", 'image: &i\n  tag: "1234abcd"\n'),
        (
            "b: &b {c: d}\nimage:\n  <<: *b\n  tag: y\n",
            'b: &b {c: d}\nimage:\n  <<: *b\n  tag: "1234abcd"\n',
        ),
        ("image:\n  tag: y # ümlaut\nä: ö\n", 'image:\n  tag: "1234abcd" # ümlaut\nä: ö\n'),
        ("ä: 😀\nimage:\n  tag: y\n", 'ä: 😀\nimage:\n  tag: "1234abcd"\n'),
    ],
)
def test_unusual_shapes_are_patched_in_place(before: str, after: str) -> None:
    assert edit(before) == after


def test_duplicate_keys_elsewhere_are_no_error() -> None:
    # Helm takes them, and real files have them.
    before = "a: 1\na: 2\nimage:\n  tag: x\n  pullPolicy: A\n  pullPolicy: B\nweb:\n  image: {tag: q}\n"
    assert edit(before) == before.replace("tag: x", 'tag: "1234abcd"')


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("image:\n  tag: x\n  tag: y\n", 'image:\n  tag: x\n  tag: "1234abcd"\n'),
        ("image:\n  tag: x\n  'tag': y\n", "image:\n  tag: x\n  'tag': \"1234abcd\"\n"),
        ("image: {tag: x}\na: 1\nimage: {tag: y}\n", 'image: {tag: x}\na: 1\nimage: {tag: "1234abcd"}\n'),
    ],
)
def test_of_a_key_that_stands_twice_the_last_is_written_as_helm_reads_it(before: str, after: str) -> None:
    # Fault 67, R34.
    assert edit(before) == after
    assert read_tag(after.encode()) == "1234abcd"
    assert edit(after) == after


@pytest.mark.parametrize("where", ["image:\n  tag: x\n  <<: *b\n", "image: {tag: x}\n<<: *b\n"])
def test_a_merge_below_that_has_no_such_key_is_no_obstacle(where: str) -> None:
    before = f"b: &b {{other: 1}}\n{where}"
    assert edit(before) == before.replace("tag: x", 'tag: "1234abcd"')


@pytest.mark.parametrize("spelling", ["1234abcd", "'1234abcd'", '"1234abcd"'])
def test_a_tag_that_is_set_already_leaves_the_file_alone(spelling: str) -> None:
    # Fault 63.
    before = FILE.format(spelling)
    assert edit(before) == before


@pytest.mark.parametrize("tag", ["33356460", "434e6794", "0b101010", "0x123456", "true", "1.10"])
def test_the_same_tag_is_quoted_where_a_parser_reads_a_number(tag: str) -> None:
    # Fault 65: unquoted, Helm would render 3.335646e+07.
    after = edit(f"image:\n  tag: {tag}\n", tag)
    assert after == f'image:\n  tag: "{tag}"\n'


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        ("", 1, "empty"),
        ("# only a comment\n", 1, "empty"),
        ("- a\n", 1, "not a mapping"),
        ("replicas: 2\n", 1, "no `image` here"),
        ("a: &a {image: {tag: x}}\n<<: *a\n", 2, "merge"),
        ("image: nginx:1.2\n", 1, "not a mapping"),
        ("image:\n", 2, "not a mapping"),
        ("image:\n  repository: x\n", 2, "no `image.tag` here"),
        ("b: &b {tag: x}\nimage:\n  <<: *b\n", 3, "merge"),
        ("b: &b {tag: x}\nimage: *b\n", 2, "alias"),
        ("image: &i\n  tag: x\nworker: *i\n", 3, "alias repeats"),
        ("image:\n  tag: &t x\nother: *t\n", 2, "anchor"),
        ("t: &t x\nimage:\n  tag: *t\n", 3, "alias"),
        ("image:\n  tag: !!str 12\n", 2, "type tag"),
        ("image:\n  tag: |\n    x\n", 2, "several lines"),
        ("image:\n  tag: >-\n    x\n", 2, "several lines"),
        ("image:\n  tag: a\n    b\n", 2, "several lines"),
        ("image:\n  tag: [x]\n", 2, "not a scalar"),
        ("image:\n  tag: {{ .Values.tag }}\n", 2, "template"),
        ("image:\n  tag: '{{ .Values.tag }}'\n", 2, "template"),
        ("{{ if .x }}\nimage:\n  tag: x\n{{ end }}\n", 2, "template"),
        ("image:\n\ttag: x\n", 2, "\\t"),
        ("image:\n  tag: x\n---\nimage:\n  tag: y\n", 3, "second YAML document"),
        ("image:\n  tag: x\nimage: y\n", 3, "not a mapping"),
        ("b: &b {tag: x}\nimage:\n  tag: y\n  <<: *b\n", 4, "wins over it in Helm"),
        ("a: &a {image: {tag: x}}\nimage: {tag: y}\n<<: *a\n", 3, "wins over it in Helm"),
        ("a: &a {x: 1}\nb: &b {<<: *a}\nimage:\n  tag: y\n  <<: *b\n", 5, "wins over it in Helm"),
        ("a: &a {x: 1}\nimage:\n  tag: y\n  <<: [*a]\n", 4, "wins over it in Helm"),
        ("b: &b {digest: x}\nimage:\n  <<: *b\n  tag: y\n", 3, "digest may come from this merge"),
        ("image:\n  tag: x\n  digest: sha256:1\n", 3, "digest"),
        ("image: [\n", 2, "not YAML"),
        ("image: {repository: x, tag}\n", 1, "cannot be edited"),
        ("d: &d x\nimage:\n  tag: x\n  digest: *d\n", 4, "digest"),
    ],
)
def test_refusal_names_path_line_and_reason(text: str, line: int, reason: str) -> None:
    # Faults 66 to 71.
    with pytest.raises(SettingsError) as caught:
        edit(text)
    assert caught.value.cause.startswith(f"{PATH}:{line}: ")
    assert reason in caught.value.cause


def test_bytes_that_are_not_utf8_are_refused() -> None:
    with pytest.raises(SettingsError, match="not UTF-8 at byte 3"):
        set_image(b"a: \xff\n", tag="x", digest=None, path=PATH)


@pytest.mark.parametrize("tag", ["", "a b", 'a"', "a\n", "-a", "{{x}}", "a" * 129])
def test_a_tag_that_no_registry_takes_is_refused(tag: str) -> None:
    with pytest.raises(SettingsError, match="not an image tag"):
        edit(FILE.format("x"), tag)


def test_a_malformed_digest_is_refused() -> None:
    with pytest.raises(SettingsError, match="not a digest"):
        edit(FILE.format("x"), digest="sha256:abc")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('image:\n  digest: ""\n  tag: x # c\n', 'image:\n  digest: "D"\n  tag: "1234abcd" # c\n'),
        (
            "image:\n  tag: x\n  digest: sha256:1 # c\n",
            'image:\n  tag: "1234abcd"\n  digest: "D" # c\n',
        ),
        ("image:\n  tag: x\n  digest:\n", 'image:\n  tag: "1234abcd"\n  digest: "D"\n'),
        ("image:\r\n   tag: x # c\r\n", 'image:\r\n   tag: "1234abcd" # c\r\n   digest: "D"\r\n'),
        ("image:\n  tag: x", 'image:\n  tag: "1234abcd"\n  digest: "D"'),
        ("image:\n  tag: 1234abcd\nb: 1\n", 'image:\n  tag: 1234abcd\n  digest: "D"\nb: 1\n'),
        ("image:\n  tag:\n  b: 1\n", 'image:\n  tag: "1234abcd"\n  digest: "D"\n  b: 1\n'),
        ("image: {tag: x, b: 1}\n", 'image: {tag: "1234abcd", digest: "D", b: 1}\n'),
    ],
)
def test_digest_replaces_its_value_or_follows_the_tag(before: str, after: str) -> None:
    result = edit(before, digest=DIGEST)
    assert result == after.replace('"D"', f'"{DIGEST}"')
    assert read_digest(result.encode()) == DIGEST
    assert edit(result, digest=DIGEST) == result


def test_an_empty_digest_stays_where_none_is_given() -> None:
    assert edit('image:\n  tag: x\n  digest: ""\n').endswith('digest: ""\n')


@pytest.mark.parametrize(
    ("text", "tag"),
    [
        ("image:\n  tag: 33356460\n", "33356460"),
        ("image:\n  tag: &t abc\n", "abc"),
        ("image: {tag: ~}\n", None),
        ("image:\n  tag:\n", None),
        ("image: x\n", None),
        ("", None),
        ("\tx", None),
    ],
)
def test_read_tag_returns_the_spelling_or_nothing(text: str, tag: str | None) -> None:
    assert read_tag(text.encode()) == tag
