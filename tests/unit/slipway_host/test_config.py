"""What `slipway.yaml` may say: every name is checked before it becomes a path, a label or SQL."""

from __future__ import annotations

import re
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from slipway_host import config as models
from slipway_host import names
from slipway_host.config import Config, GitOps, Health, Postgres

DIGEST = "sha256:" + "0" * 64
MINIMAL: dict[str, Any] = {
    "registry": "ghcr.io/acme",
    "gitops": {"repository": "https://github.com/acme/gitops"},
    "services": {"api": {}},
}


class Names(BaseModel):
    """One field for each kind of name."""

    label: names.DnsLabel = "a"
    namespace: names.Namespace = "a"
    sql: names.SqlName = "a"
    extension: names.SqlExtension = "a"
    path: names.RelativePath = "a"
    branch: names.Branch = "a"
    env: names.EnvName = "A"
    prefix: names.ImagePrefix = "a"
    image: names.ImageReference = "a"
    platform: names.Platform = "linux/amd64"


def refused(**values: str) -> str:
    with pytest.raises(ValidationError) as caught:
        Names(**values)
    return str(caught.value)


EVERYWHERE = [
    "",
    " ",
    "ok\n",
    "\nok",
    "ok\r",
    "ok\0",
    "-rf",
    "--upload-pack=touch x",
    "../../x",
    "x/../../y",
    "..",
    "/x",
    "%2e%2e",
    "a'; DROP ROLE r;--",
    'a"b',
    "$(id)",
    "`id`",
    "a b",
    "a;b",
    "а",  # noqa: RUF001 - Cyrillic, and that is the point
    "ａ",  # noqa: RUF001 - full width
    "é",
    "a\u200bb",
]


@pytest.mark.parametrize("kind", Names.model_fields)
@pytest.mark.parametrize("text", EVERYWHERE)
def test_hostile_names_are_refused_in_every_place(kind: str, text: str) -> None:
    refused(**{kind: text})


@pytest.mark.parametrize("text", ["a", "0", "a-b", "a" * 63, "9lives"])
def test_a_label_is_what_kubernetes_takes(text: str) -> None:
    assert Names(label=text).label == text


@pytest.mark.parametrize("text", ["A", "a-", "-a", "a.b", "a_b", "a" * 64])
def test_a_label_is_nothing_else(text: str) -> None:
    refused(label=text)


@pytest.mark.parametrize("text", ["kube-system", "kube-public", "kube-node-lease", "default"])
def test_namespaces_of_the_cluster_itself_are_reserved(text: str) -> None:
    assert "reserved" in refused(namespace=text)


@pytest.mark.parametrize("text", ["a", "a_1", "a" * 63])
def test_an_sql_name_is_what_needs_no_quotes(text: str) -> None:
    assert Names(sql=text).sql == text


@pytest.mark.parametrize("text", ["A", "1a", "_a", "a-b", "a" * 64])
def test_an_sql_name_is_nothing_else(text: str) -> None:
    """With a dash refused, `a-b` and `a_b` cannot meet in one database (fault 7)."""
    refused(sql=text)


@pytest.mark.parametrize("text", ["postgres", "public", "pg_monitor", "pg_x", "current_user"])
def test_names_of_postgresql_itself_are_reserved(text: str) -> None:
    assert "reserved" in refused(sql=text)


@pytest.mark.parametrize("text", [".", "a/b", "a..b/c", "apps/{app}/values.yaml", ".ci/x", "a/.hidden"])
def test_a_path_stays_inside(text: str) -> None:
    assert Names(path=text).path == text


@pytest.mark.parametrize("text", ["a/..", "a/../b", "../a", "a\\b", "~/x", "a/\n/../b"])
def test_a_path_never_leads_out(text: str) -> None:
    refused(path=text)


@pytest.mark.parametrize("text", ["a..b", "a//b", "a@{1}", "a.lock", "a:b", "a^", "+a", "refs/heads/*"])
def test_a_branch_is_nothing_that_git_reads_as_more_than_a_name(text: str) -> None:
    refused(branch=text)


@pytest.mark.parametrize(
    "text",
    ["ghcr.io/acme", "localhost:5000/a/b", "registry.test", "a.b/c__d/e.f-g"],
)
def test_an_image_prefix_is_a_registry_with_a_namespace(text: str) -> None:
    assert Names(prefix=text).prefix == text


@pytest.mark.parametrize("text", ["https://ghcr.io/acme", "ghcr.io/Acme", "ghcr.io/", "u@ghcr.io/a", "a//b"])
def test_an_image_prefix_is_no_url(text: str) -> None:
    refused(prefix=text)


@pytest.mark.parametrize("text", ["golang:1.23", f"a@{DIGEST}", f"r.test:5000/a/b:v1@{DIGEST}"])
def test_an_image_may_have_tag_and_digest(text: str) -> None:
    assert Names(image=text).image == text


@pytest.mark.parametrize("text", ["a:", "a:.b", f"a@{DIGEST[:-1]}", "a@sha512:00", f"a:{'t' * 129}"])
def test_half_a_tag_or_digest_is_refused(text: str) -> None:
    refused(image=text)


def test_a_long_hostile_name_is_quoted_in_short() -> None:
    assert len(re.findall("x", refused(label="x" * 5000).partition("[type=")[0])) <= 80


def config(**more: Any) -> Config:
    return Config.model_validate({**MINIMAL, **more})


def wrong(**more: Any) -> str:
    with pytest.raises(ValidationError) as caught:
        config(**more)
    return str(caught.value)


@pytest.mark.parametrize(
    "address",
    ["https://github.com/a/b", "https://git.test:8443/a/b.git", "ssh://git@git.test/a", "git@github.com:a/b"],
)
def test_a_gitops_repository_is_reached_by_https_or_ssh(address: str) -> None:
    assert GitOps(repository=address).repository == address


@pytest.mark.parametrize(
    "address",
    [
        "http://git.test/a",
        "https://user:token@git.test/a",
        "https://token@git.test/a",
        "file:///etc",
        "/srv/git",
        "ext::sh -c id",
        "-oProxyCommand=id",
        "https://git.test/a b",
        "https://git.test/a\n",
        "git@github.com:a\n",
        "",
    ],
)
def test_other_addresses_and_those_with_credentials_are_refused(address: str) -> None:
    wrong(gitops={"repository": address})


def test_one_values_file_for_all_applications_is_refused() -> None:
    assert "{app} or {service}" in wrong(gitops={**MINIMAL["gitops"], "values": "values.yaml"})
    assert "{app} or {service}" in wrong(gitops={**MINIMAL["gitops"], "values": "{environment}/values.yaml"})


def test_parts_of_the_values_path_are_those_that_there_are() -> None:
    said = wrong(gitops={**MINIMAL["gitops"], "values": "{env}/{app}.yaml"})
    assert "unknown part {env}: there are {app}, {service}, {environment}" in said


@pytest.mark.parametrize("user", ["postgres\n", "a'b", "Admin", "-U", ""])
def test_an_administrator_s_name_is_an_sql_name(user: str) -> None:
    with pytest.raises(ValidationError):
        Postgres.model_validate({"adminUser": user})


@pytest.mark.parametrize("path", ["health", "/a b", "/a\n", "/\r\nHost: x", "/ä", ""])
def test_a_health_path_is_one_line_of_a_request(path: str) -> None:
    with pytest.raises(ValidationError):
        Health.model_validate({"path": path})


def test_a_cache_is_an_absolute_path() -> None:
    with pytest.raises(ValidationError, match="absolute"):
        models.Test.model_validate({"image": "a", "command": "x", "caches": ("relative",)})


def test_two_services_cannot_share_an_application() -> None:
    services = {"api": {}, "backend": {"app": "api"}}
    assert "share the application api" in wrong(services=services)
    said = wrong(services={"api": {}, "ui": {}}, environments={"eu": {"app": "shop-{environment}"}})
    assert "services api and ui share the application shop-eu in eu" in said
    # Neither do they where one of them is elsewhere in that environment only.
    own = {"eu": {"services": {"ui": {"app": "api"}}}}
    assert "services api and ui share the application api in eu" in wrong(
        services={"api": {}, "ui": {}}, environments=own
    )


def test_prod_never_publishes_latest() -> None:
    assert "latest" in wrong(environments={"prod": {"latest": True}})


def test_prod_as_written_by_default_fails_on_critical_and_has_no_latest() -> None:
    prod, dev = config().environment("prod"), config().environment("dev")
    assert (prod.scan.gate, prod.scan.severity, prod.latest) == ("fail", "CRITICAL", False)
    assert (dev.scan.gate, dev.latest) == ("report", True)


@pytest.mark.parametrize(
    "text", ["linux", "linux/amd64,linux/arm64", "linux/arm64/v", "Linux/amd64", "a/b/c"]
)
def test_a_platform_is_one_system_and_architecture(text: str) -> None:
    refused(platform=text)


@pytest.mark.parametrize("text", ["linux/amd64", "linux/arm64/v8", "linux/s390x"])
def test_a_platform_may_have_a_variant(text: str) -> None:
    assert Names(platform=text).platform == text


@pytest.mark.parametrize("text", ["a", "/a/../b", "/..", "/a b"])
def test_an_absolute_path_has_no_way_up(text: str) -> None:
    with pytest.raises(ValidationError, match="absolute path"):
        models.Test.model_validate({"image": "a", "command": "x", "caches": [text]})


def test_services_depend_on_services_that_there_are() -> None:
    assert 'did you mean "api"' in wrong(services={"api": {}, "web": {"dependsOn": ["apo"]}})


def test_services_depend_on_each_other_without_a_circle() -> None:
    circle = {"a": {"dependsOn": ["b"]}, "b": {"dependsOn": ["c"]}, "c": {"dependsOn": ["a"]}}
    assert "circle" in wrong(services=circle)
    assert "a on a" in wrong(services={"a": {"dependsOn": ["a"]}})
    straight = {"a": {"dependsOn": ["b", "c"]}, "b": {"dependsOn": ["c"]}, "c": {}}
    assert config(services=straight).services["a"].depends_on == ("b", "c")


@pytest.mark.parametrize("key", ["dependsOn", "platforms"])
def test_nothing_is_listed_twice(key: str) -> None:
    item = {"dependsOn": "b", "platforms": "linux/amd64"}[key]
    assert "listed twice" in wrong(services={"a": {key: [item, item]}, "b": {}})


def test_what_tests_need_and_leave_is_theirs() -> None:
    test = {"image": "a", "command": "x", "postgres": "postgres:16", "junit": "reports/junit.xml"}
    found = config(services={"api": {"test": test}}).services["api"].test
    assert found is not None
    assert (found.postgres, found.junit) == ("postgres:16", "reports/junit.xml")


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"env": {"SMOKE_URL": "x"}}, "SMOKE_URL is what tells it where the pods are"),
        ({"secretKeys": ["SMOKE_URLS"]}, "another source"),
        ({"env": {"A": "x"}, "secretKeys": ["A"]}, "A has another source as well"),
        ({"secretKeys": ["A", "A"]}, "listed twice"),
        ({"memory": "256"}, "256Mi"),
    ],
)
def test_a_variable_of_a_smoke_test_has_one_source(more: dict[str, Any], why: str) -> None:
    assert why in wrong(services={"api": {"smoke": {"command": ["x"], **more}}})


@pytest.mark.parametrize(
    "more",
    [
        {"unknown": 1},
        {"services": {}},
        {"services": {"api": {"health": {"port": "4000"}}}},
        {"services": {"api": {"health": {"port": 0}}}},
        {"services": {"api": {"workload": {"kind": "CronJob"}}}},
        {"services": {"../x": {}}},
        {"environments": {"pro d": {}}},
        {"environments": {"prod": {"scan": {"severity": "critical"}}}},
    ],
)
def test_nothing_is_guessed(more: dict[str, Any]) -> None:
    wrong(**more)
