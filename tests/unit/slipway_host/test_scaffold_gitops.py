"""R12, R23: the GitOps repository's files. What Helm, Trivy and the cluster say of them: integration."""

from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from slipway_host.config import Config
from slipway_host.errors import SettingsError
from slipway_host.loader import load_config
from slipway_host.rbac_manifests import as_yaml, manifests
from slipway_host.rights import rights
from slipway_host.scaffold import templates
from slipway_host.scaffold.gitops_repository import scaffold
from slipway_host.scaffold.outcome import Outcome
from slipway_host.scaffold.tree import Tree
from slipway_host.targets import postgres_settings, target_of
from slipway_host.values import set_image

EXAMPLES = Path(__file__).parents[3] / "examples"
GITOPS = EXAMPLES / "mosuon-devops-k8s"
CONFIG = """
registry: a.io/b
gitops: {{repository: https://g.example/a.git, values: "{values}"}}
services: {{x: {{}}}}
"""
SERVICES = ("game-stats-api", "game-stats-ui", "game-stats-worker")


@pytest.fixture(scope="module")
def config() -> Config:
    return load_config((EXAMPLES / "game-stats" / "slipway.yaml").read_text())


def run(folder: Path, config: Config, **more: Any) -> Outcome:
    outcome = scaffold(Tree(folder), config, environment="dev", services=list(config.services), **more)
    outcome.write(folder)
    return outcome


def yaml(text: str) -> Any:
    return YAML(typ="safe").load(text)


def test_the_examples_chart_is_the_scaffolds() -> None:
    there = {
        path.relative_to(GITOPS / "charts/app").as_posix(): path.read_text()
        for path in (GITOPS / "charts/app").rglob("*")
        if path.is_file()
    }
    assert there == templates.chart(), (
        "cp -r ci/slipway_host/scaffold/files/charts/app examples/mosuon-devops-k8s/charts/"
    )


def test_the_examples_applications_are_the_scaffolds(tmp_path: Path, config: Config) -> None:
    new = run(tmp_path, config, project="default").new
    for name in SERVICES:
        path = f"apps/{name}/app.yaml"
        assert new[path] == (GITOPS / path).read_text()
    root = new["root.yaml"].replace("name: mosuon-devops-k8s\n", "name: root\n")
    assert root == (GITOPS / "root.yaml").read_text()
    assert not [path for path in new if path.startswith("cluster/project")]


def test_a_second_run_writes_nothing_and_a_deployed_tag_stays(tmp_path: Path, config: Config) -> None:
    run(tmp_path, config)
    values = tmp_path / "apps" / SERVICES[0] / "values.yaml"
    values.write_bytes(set_image(values.read_bytes(), tag="1234abcd", digest=None, path="x"))
    again = run(tmp_path, config)
    assert (again.new, again.kept) == ({}, {})
    assert b'tag: "1234abcd"' in values.read_bytes()


def test_a_chart_of_the_teams_own_stays_and_the_difference_is_told(tmp_path: Path, config: Config) -> None:
    mine = tmp_path / "charts/app/values.yaml"
    mine.parent.mkdir(parents=True)
    mine.write_text("mine: true\n")
    outcome = run(tmp_path, config)
    assert mine.read_text() == "mine: true\n"
    assert list(outcome.kept) == ["charts/app/values.yaml"]


def test_values_fit_the_configuration(tmp_path: Path, config: Config) -> None:
    new = run(tmp_path, config).new
    for name, service in config.services.items():
        values = yaml(new[f"apps/{name}/values.yaml"])
        assert values["image"] == {"repository": f"{config.registry}/{name}", "tag": ""}
        assert (values["port"], values["probes"]["path"]) == (service.health.port, service.health.path)
        wanted = service.secrets.name or f"{name}-secrets"
        assert values.get("envFromSecret") == (wanted if service.database else None)


def test_a_project_reaches_one_repository_and_one_namespace(tmp_path: Path, config: Config) -> None:
    new = run(tmp_path, config).new
    project = yaml(new["cluster/project-game-stats.yaml"])
    spec = project["spec"]
    assert spec["sourceRepos"] == [config.gitops.repository]
    assert [one["namespace"] for one in spec["destinations"]] == ["game-stats"]
    assert [one["kind"] for one in spec["clusterResourceWhitelist"]] == ["Namespace"]
    assert "*" not in new["cluster/project-game-stats.yaml"].replace("# ", "")
    for name in SERVICES:
        assert yaml(new[f"apps/{name}/app.yaml"])["spec"]["project"] == project["metadata"]["name"]


def test_a_rollout_gets_steps_and_may_be_made(tmp_path: Path) -> None:
    text = CONFIG.format(values="apps/{app}/values.yaml").replace(
        "x: {}", "x: {workload: {kind: Rollout}}, y: {}"
    )
    new = run(tmp_path, load_config(text)).new
    assert yaml(new["apps/x/values.yaml"])["canary"]["steps"] == [
        {"setWeight": 50},
        {"pause": {"duration": "60s"}},
    ]
    assert "canary" not in yaml(new["apps/y/values.yaml"])
    for name, kind in (("x", ("argoproj.io", "Rollout")), ("y", ("apps", "Deployment"))):
        (ignored,) = yaml(new[f"apps/{name}/app.yaml"])["spec"]["ignoreDifferences"]
        assert (ignored["group"], ignored["kind"]) == kind
        allowed = yaml(new[f"cluster/project-{name}.yaml"])["spec"]["namespaceResourceWhitelist"]
        assert ({"group": "argoproj.io", "kind": "Rollout"} in allowed) == (name == "x")


def test_rights_are_those_of_the_function_rbac(tmp_path: Path, config: Config) -> None:
    new = run(tmp_path, config).new
    postgres = postgres_settings(config, admin_password=None)
    targets = [target_of(config, name, environment="dev", commit="0" * 40) for name in config.services]
    asked = [right for target in targets for right in rights(target, postgres)]
    expected = manifests(asked, account="slipway-game-stats", namespace="slipway", namespaces=["game-stats"])
    assert new["cluster/rbac-game-stats.yaml"].endswith(as_yaml(expected))


@pytest.mark.parametrize(
    ("values", "path", "include", "file"),
    [
        ("apps/{app}/values.yaml", "apps", "*/app.yaml", "../../apps/x/values.yaml"),
        ("{app}/values.yaml", ".", "*/app.yaml", "../../x/values.yaml"),
        ("k8s/{app}/dev/v.yaml", "k8s", "*/dev/app.yaml", "../../k8s/x/dev/v.yaml"),
    ],
)
def test_values_may_be_elsewhere(tmp_path: Path, values: str, path: str, include: str, file: str) -> None:
    new = run(tmp_path, load_config(CONFIG.format(values=values))).new
    source = yaml(new["root.yaml"])["spec"]["source"]
    assert (source["path"], source["directory"]["include"]) == (path, include)
    app = values.replace("{app}", "x").rpartition("/")[0] + "/app.yaml"
    assert yaml(new[app])["spec"]["source"]["helm"]["valueFiles"] == [file]
    assert "cluster/rbac-x.yaml" in new


def test_environments_in_one_repository_have_a_root_each(tmp_path: Path) -> None:
    config = load_config(CONFIG.format(values="envs/{environment}/{service}/values.yaml"))
    for environment in ("dev", "prod"):
        new = scaffold(Tree(tmp_path), config, environment=environment, services=["x"])
        new.write(tmp_path)
        root = yaml((tmp_path / f"root-{environment}.yaml").read_text())
        assert root["metadata"]["name"] == f"a-{environment}"
        assert root["spec"]["source"]["path"] == f"envs/{environment}"
        assert root["spec"]["source"]["directory"]["include"] == "*/app.yaml"
        assert (tmp_path / f"envs/{environment}/x/app.yaml").exists()
        assert f"kubectl apply --server-side -f root-{environment}.yaml" in [step[0] for step in new.steps]
    assert not (tmp_path / "root.yaml").exists()


@pytest.mark.parametrize(
    "values", ["values/{app}.yaml", "apps/x-{app}/values.yaml", "{service}/{app}/values.yaml"]
)
def test_an_application_without_a_folder_is_refused(tmp_path: Path, values: str) -> None:
    with pytest.raises(SettingsError, match="has no folder there"):
        run(tmp_path, load_config(CONFIG.format(values=values)))
    assert list(tmp_path.iterdir()) == []
