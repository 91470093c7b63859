"""R1: one typed configuration; what is wrong is named by line, key and what to write instead."""

from __future__ import annotations

import pytest

from slipway_host.errors import SettingsError
from slipway_host.loader import allowed_keys, load_config

GOOD = """\
registry: registry.example.com:5000/mosuon
gitops:
  repository: https://git.example.com/mosuon/gitops.git
services:
  api:
    health:
      port: 4000
"""
HEALTH = "    health:\n      port: 4000\n"


def cause(text: str) -> str:
    with pytest.raises(SettingsError) as caught:
        load_config(text)
    return caught.value.cause


def test_under_ten_lines_are_a_whole_configuration() -> None:
    config = load_config(GOOD)
    assert config.gitops.branch == "main"
    assert config.services["api"].health.path == "/health"


def test_a_list_of_host_keys_is_one() -> None:
    line = f"git.example.com ssh-ed25519 {'A' * 68}"
    keyed = GOOD.replace("gitops.git\n", f"gitops.git\n  knownHosts:\n    - {line}\n")
    assert load_config(keyed).gitops.known_hosts == (line,)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("    health:", "    helth:", '6: services.api.helth: unknown key, did you mean "health"?'),
        (
            "  repository",
            "  dockerfile: x\n  repository",
            "3: gitops.dockerfile: unknown key: there are api, apiUrl,",
        ),
        ("port: 4000", "port: abc", "7: services.api.health.port: expected a whole number, got 'abc'"),
        ("port: 4000", 'port: "4000"', "got '4000': write it without quotes"),
        ("port: 4000", "port: 4.5", "7: services.api.health.port: expected a whole number, got 4.5"),
        ("port: 4000", "port: 70000", "7: services.api.health.port: at most 65535, got 70000"),
        ("port: 4000", "port: 0", "at least 1, got 0"),
        ("registry: registry.example.com:5000/mosuon\n", "", "registry: this key is required"),
        ("  api:", "  ../../x:", "5: services.../../x: '../../x' is not a DNS label"),
        (
            "  api:",
            "  api: {}\n  true:",
            '6: services.true: this key is true or false: write it in quotes: "true"',
        ),
        ("  api:", "  12:", '5: services.12: this key is a number: write it in quotes: "12"'),
        ("  api:", "  api: {}\n  api:", "6: services.api: written twice, first in line 5"),
        (HEALTH, "", "5: services.api: expected keys with values, got nothing: write {} for the defaults"),
        ("services:", "services: {}\nx:", "4: services: this is empty; at least one is needed"),
        ("services:", "services: []\nx:", "4: services: expected keys with values, got a list"),
        (
            HEALTH,
            "    namespace: 0e12\n",
            "6: services.api.namespace: expected text, got a number: write it in",
        ),
        (
            HEALTH,
            "    buildArgs: {A: 0e12}\n",
            'buildArgs.A: expected text, got a number: write it in quotes: "0e12"',
        ),
        (HEALTH, "    buildArgs: {A: 2024-01-01}\n", 'got a date: write it in quotes: "2024-01-01"'),
        (HEALTH, "    buildArgs: {A: true}\n", 'got true or false: write it in quotes: "true"'),
        (HEALTH, "    buildArgs: {A: {commit}}\n", "expected text, got keys with values"),
        (
            HEALTH,
            "    platforms:\n      - linux/amd64\n      - linux\n",
            "8: services.api.platforms.1: 'linux' is not a platform",
        ),
        (HEALTH, "    dependsOn: api\n", "6: services.api.dependsOn: expected a list, got 'api'"),
        (HEALTH, "    dependsOn:\n      - apo\n", "7: services.api.dependsOn.0: unknown service 'apo'"),
        (HEALTH, "    dependsOn:\n      - api\n", "6: services.api.dependsOn: services depend on each other"),
        (
            HEALTH,
            "    test:\n      image: a\n      command: ''\n",
            "8: services.api.test.command: this is empty",
        ),
        (
            HEALTH,
            "    workload: {kind: deployment}\n",
            "expected Deployment or StatefulSet or DaemonSet or Rollout, got 'deployment', did",
        ),
        (HEALTH, "    app: b\n  b: {}\n", "7: services.b: services api and b share the application b"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(old: str, new: str, expected: str) -> None:
    assert expected in cause(GOOD.replace(old, new))


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ("a:\n    preview: {from: dev}", "10: environments.a.preview: previews are many: write it of a"),
        ("a-*:\n    preview: {from: de}", "10: environments.a-*.preview.from: unknown environment 'de'"),
        ("a-*:\n    preview: {from: a-1}", "10: environments.a-*.preview.from: unknown environment 'a-1'"),
        ("'*':\n    latest: true", "9: environments.*: '*' is not an environment's name"),
        (
            "a:\n    app: A",
            "10: environments.a.app: 'A' is not a DNS label, of which {app} and",
        ),
        ("a:\n    app: '{env}-x'", "10: environments.a.app: '{env}-x' is not a DNS label"),
        (f"a:\n    app: '{'x' * 60}-{{app}}'", "10: environments.a.app: 'xxx"),
        ("prod:\n    latest: true", "10: environments.prod.latest: prod never publishes `latest`"),
        ("eu:\n    extends: prd", "10: environments.eu.extends: unknown environment 'prd'"),
        ("a:\n    extends: a", "10: environments.a.extends: environments extend each other in a circle"),
        (
            "a:\n    services:\n      apo: {}",
            "11: environments.a.services.apo: unknown service: there are api",
        ),
        ("a:\n    services: {api: {buildArg: {}}}", 'buildArg: unknown key, did you mean "buildArgs"?'),
        ("a:\n    scan: {gate: fial}", """expected report or fail, got 'fial', did you mean "fail"?"""),
        ("a:\n    scan: {severity: critical}", 'did you mean "CRITICAL"?'),
        ("a:\n    latest: yes", "10: environments.a.latest: expected true or false, got 'yes'"),
        ("a:", "9: environments.a: expected keys with values, got nothing"),
    ],
)
def test_what_is_wrong_in_an_environment_is_named_with_its_line(more: str, expected: str) -> None:
    assert expected in cause(f"{GOOD}environments:\n  {more}\n")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "slipway.yaml:1: the file is empty"),
        ("# nothing\n", "slipway.yaml:1: the file is empty"),
        ("- a\n", "slipway.yaml:1: expected keys with values, found a list"),
        ("text", "slipway.yaml:1: expected keys with values, found text"),
        ("a:\n\tb: 1\n", "slipway.yaml:2: a tab; YAML is indented by spaces"),
        ("a:\n  \tb: 1\n", "slipway.yaml:2: a tab; YAML is indented by spaces"),
        ("a: b: c\n", "slipway.yaml:1: a second `:` in one line"),
        ("a: @x\n", "slipway.yaml:1: a value that starts with @ has to be in quotes"),
        ("a: [\n", "slipway.yaml:2: a [ or { is never closed"),
        ("a: {b: 1\nc: 2\n", "slipway.yaml:2: a { is never closed, or a comma is missing"),
        ('a: "x\n', "slipway.yaml:2: a quote is never closed"),
        ("a: 'it's'\n", "slipway.yaml:1: text goes on after a closed quote"),
        ("a:\n  - x\n b: 1\n", "slipway.yaml:3: this line is indented otherwise"),
        ("- a\nb: 1\n", "slipway.yaml:2: keys and a list"),
        ("a: |\nb\n", "slipway.yaml:3: this is neither a key with a value nor an item of a list"),
        ("a: 1\n---\nb: 1\n", "slipway.yaml:2: the file holds a second document"),
        ("a: [1\n", "slipway.yaml:2: expected ',' or ']'"),
        ("a: *x\n", "slipway.yaml:1: found undefined alias"),
        ("a: 2024-13-45\n", "write it in quotes"),
        ("a: \0\n", "slipway.yaml:1: "),
        ("a: !!python/object:os.system x\n", "slipway.yaml:1: could not determine a constructor"),
        ("a: &a [*a]\n", "slipway.yaml:1: a: unknown key"),
        ("a:\n  x: 1\n  y: 2\n  x: 3\n", "slipway.yaml:4: a.x: written twice, first in line 2"),
        ("[" * 3000, "slipway.yaml:1: "),
    ],
)
def test_what_is_no_such_file_is_said_in_plain_words(text: str, expected: str) -> None:
    assert expected in cause(text)


def test_nothing_of_the_library_s_own_words_is_left() -> None:
    wrong = GOOD.replace("port: 4000", "port: []\n      path: 1\n    health2: {}") + "namespace: 1\n"
    for word in ("Input should", "valid string", "dictionary", "pydantic", "instance"):
        assert word not in cause(wrong)


def test_the_first_wrong_line_comes_first_and_the_others_are_counted() -> None:
    assert cause("x: 1\n" + GOOD.replace("4000", "x")).startswith("slipway.yaml:1: x: unknown key")
    assert cause("x: 1\n" + GOOD.replace("4000", "x")).endswith("(and 1 more)")


def test_credentials_in_an_address_are_not_repeated() -> None:
    said = cause(GOOD.replace("https://", "https://user:s3cr3t@"))
    assert "s3cr3t" not in said
    assert "slipway.yaml:3: gitops.repository: " in said


def test_a_long_wrong_value_is_quoted_in_short() -> None:
    assert len(cause(GOOD.replace("4000", "x" * 5000))) < 200
    assert len(cause(GOOD.replace("health:", f"{'x' * 5000}:"))) < 400


def test_merged_keys_and_anchors_count() -> None:
    text = GOOD + "  web: &web\n    namespace: web\n  other:\n    <<: *web\n    app: other2\n"
    assert load_config(text).services["other"].namespace == "web"
    assert ":9: services.other.namespace: " in cause(text.replace("namespace: web", "namespace: Web"))


def test_only_keys_of_the_same_place_are_near() -> None:
    assert "health" in allowed_keys(("services", "api"))
    assert "dockerfile" not in allowed_keys(("gitops",))
    assert allowed_keys(("environments", "x", "services", "api")) == ["app", "buildArgs", "namespace"]
    assert allowed_keys(("services", "api", "test")) == [
        "caches", "command", "image", "junit", "postgres", "timeoutS",
    ]  # fmt: skip
    assert allowed_keys(("services", "api", "secrets", "generate", "KEY")) == ["alphabet", "length"]
    assert allowed_keys(("nowhere", "at", "all")) == []
