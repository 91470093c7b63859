import pytest

from slipway_host.config import Config
from slipway_host.errors import SettingsError
from slipway_host.loader import load_config
from slipway_host.selection import blocked, changed, select

TEXT = """
registry: ghcr.io/acme
gitops: {repository: https://git.example/devops.git}
services:
  api: {context: api}
  ui: {context: ui, dependsOn: [api]}
  worker: {context: worker, dependsOn: [ui]}
  docs: {context: doc}
"""


@pytest.fixture
def config() -> Config:
    return load_config(TEXT)


def test_all_services_without_a_name_and_order_of_the_file_with(config: Config) -> None:
    assert select(config, []) == ["api", "ui", "worker", "docs"]
    assert select(config, ["docs", "api"]) == ["api", "docs"]


def test_unknown_service_lists_the_known_and_the_nearest(config: Config) -> None:
    with pytest.raises(SettingsError, match="unknown service 'wroker': there are api, docs, ui, worker"):
        select(config, ["wroker"])
    with pytest.raises(SettingsError, match='did you mean "worker"'):
        select(config, ["wroker"])


def test_change_concerns_the_service_and_what_depends_on_it(config: Config) -> None:
    names = list(config.services)
    assert changed(config, names, {"api/main.go"}, config_path="slipway.yaml") == ["api", "ui", "worker"]
    assert changed(config, names, {"ui/a/b"}, config_path="slipway.yaml") == ["ui", "worker"]
    assert changed(config, ["docs"], {"api/main.go"}, config_path="slipway.yaml") == []


@pytest.mark.parametrize("path", ["README.md", "apis/main.go", "doc.md", "docs/x"])
def test_other_folders_concern_nobody(config: Config, path: str) -> None:
    assert changed(config, list(config.services), {path}, config_path="slipway.yaml") == []


def test_configuration_concerns_everybody(config: Config) -> None:
    names = list(config.services)
    assert changed(config, names, {"slipway.yaml"}, config_path="slipway.yaml") == names


def test_whole_repository_as_context_is_concerned_by_every_path() -> None:
    config = load_config(TEXT.replace("context: doc", "context: ."))
    assert changed(config, ["docs"], {"README.md"}, config_path="slipway.yaml") == ["docs"]


def test_failure_holds_back_what_depends_on_it_over_any_distance(config: Config) -> None:
    assert blocked(config, "worker", {"api"}) == "api"
    assert blocked(config, "ui", {"worker"}) == ""
    assert blocked(config, "docs", {"api", "ui"}) == ""
