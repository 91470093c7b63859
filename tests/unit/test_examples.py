"""The examples say the same thing in several files, as real repositories do: they have to agree."""

from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from slipway_host.config import Config
from slipway_host.loader import load_config

EXAMPLES = Path(__file__).parents[2] / "examples"
MONOREPO = EXAMPLES / "game-stats"
SERVICES = ("game-stats-api", "game-stats-ui", "game-stats-worker")


def yaml(path: Path) -> Any:
    return YAML(typ="safe").load(path)


@pytest.fixture(scope="module")
def config() -> Config:
    return load_config((MONOREPO / "slipway.yaml").read_text())


def test_monorepo_has_every_service(config: Config) -> None:
    assert tuple(config.services) == SERVICES


def test_page_of_each_environment_has_an_address_of_its_own(config: Config) -> None:
    name, key = "game-stats-ui", "NEXT_PUBLIC_API_URL"
    assert config.services[name].build_args[key] == "https://api.{environment}.game-stats.example"
    assert config.environment("prod", name).build_args == {key: "https://api.game-stats.example"}
    assert config.environment("prod", "game-stats-api").build_args == {}


def test_service_alone_is_the_service_of_the_monorepo() -> None:
    together, alone = yaml(MONOREPO / "slipway.yaml"), yaml(MONOREPO / "api" / "slipway.yaml")
    assert alone["services"].keys() == {"game-stats-api"}
    found = together["services"]["game-stats-api"]
    assert found.pop("context") == "api"
    assert found.pop("smoke")  # the monorepo shows it
    assert found.pop("load")
    assert found == alone["services"]["game-stats-api"]
    assert {**together, "services": {}, "environments": {}} == {**alone, "services": {}, "environments": {}}


@pytest.mark.parametrize("name", SERVICES)
def test_gitops_repository_fits_the_configuration(config: Config, name: str) -> None:
    service, folder = config.services[name], EXAMPLES / "mosuon-devops-k8s" / "apps" / name
    application, values = yaml(folder / "app.yaml"), yaml(folder / "values.yaml")

    assert application["metadata"]["name"] == name
    assert application["spec"]["source"]["helm"]["releaseName"] == name
    assert application["spec"]["source"]["helm"]["valueFiles"] == [f"../../apps/{name}/values.yaml"]
    assert application["spec"]["destination"]["namespace"] == config.namespace
    assert values["image"] == {"repository": f"{config.registry}/{name}", "tag": ""}
    assert (values["port"], values["probes"]["path"]) == (service.health.port, service.health.path)
    read = values.get("envFromSecret") or values.get("envFromSecretKeys", {}).get("name")
    wanted = service.database or service.secrets.generate
    assert read == ((service.secrets.name or f"{name}-secrets") if wanted else None)


@pytest.mark.parametrize("name", SERVICES)
def test_images_run_as_a_user_that_kubernetes_knows_not_to_be_root(config: Config, name: str) -> None:
    service = config.services[name]
    lines = (MONOREPO / service.context / service.dockerfile).read_text().splitlines()
    stages = [line for line in lines if line.startswith("FROM ")]
    assert len(stages) > 1
    users = [line for line in lines[lines.index(stages[-1]) :] if line.startswith("USER ")]
    assert users == ["USER 65532:65532"]
