"""R23: what Helm, the API server and Trivy say of the files that the scaffold writes."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from slipway_host.loader import load_config
from slipway_host.scaffold.gitops_repository import scaffold
from slipway_host.scaffold.tree import Tree
from slipway_lab import pins
from slipway_lab.kubernetes import kubectl
from slipway_lab.layout import REGISTRY, Layout

CONFIG = f"""
registry: {REGISTRY}/acme
namespace: scaffold-dry-run
gitops: {{repository: https://10.86.0.1/acme/k8s.git}}
services:
  api: {{database: {{}}, secrets: {{generate: {{JWT_SECRET: {{}}}}}}}}
  ui: {{health: {{path: /api/health, port: 3000}}}}
  web: {{workload: {{kind: Rollout}}}}
"""
# Everything that the chart can render, and then as little as it can.
FULL = """
image: {repository: 10.86.0.1:5000/acme/api, tag: "1234abcd"}
autoscaling: {enabled: true}
ingress: {enabled: true, host: api.example, annotations: {nginx.ingress.kubernetes.io/proxy-body-size: 8m}}
networkPolicy: {enabled: true, from: [{namespaceSelector: {}}, {ipBlock: {cidr: 10.0.0.0/8}}]}
env: {LOG_LEVEL: debug, WORKERS: 2, VERBOSE: true}
envFromSecretKeys: {name: other, keys: [A_KEY]}
runAsUser: 65532
"""
CANARY = f"{FULL}canary: {{steps: [{{setWeight: 25}}, {{pause: {{duration: 60s}}}}, {{pause: {{}}}}]}}\n"
BARE = """
image: {repository: 10.86.0.1:5000/acme/api, tag: "1234abcd", digest: DIGEST}
podDisruptionBudget: {enabled: false}
networkPolicy: {enabled: false}
preStopSleepSeconds: 0
writable: []
""".replace("DIGEST", f"sha256:{'0' * 64}")
DEPLOYED = 'image: {repository: 10.86.0.1:5000/acme/api, tag: "1234abcd"}'
KUBERNETES = f"--kube-version={pins.KUBERNETES}"
LOW = {
    "KSV-0011": "a CPU limit would only slow a service down while the node idles",
    "KSV-0020": "the image's own user, which Kubernetes knows not to be root; runAsUser sets another",
    "KSV-0021": "the same for its group",
    "KSV-0110": "the Application says which namespace, and Helm puts it into no manifest",
}
"""Findings of the lowest severity that stay, and why."""


@pytest.fixture(scope="module")
def folder(layout: Layout, tmp_path_factory: pytest.TempPathFactory) -> Path:
    assert layout.bin.exists()
    root = tmp_path_factory.mktemp("gitops")
    config = load_config(CONFIG)
    scaffold(Tree(root), config, environment="dev", services=list(config.services)).write(root)
    return root


def program(layout: Layout, *arguments: str | Path) -> str:
    done = subprocess.run(
        [str(layout.bin / arguments[0]), *map(str, arguments[1:])],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def render(layout: Layout, folder: Path, *values: Path) -> str:
    files = [word for path in values for word in ("-f", path)]
    return program(layout, "helm", "template", "api", folder / "charts/app", KUBERNETES, *files)


def documents(text: str) -> list[Any]:
    return [one for one in YAML(typ="safe").load_all(text) if one]


@pytest.fixture(params=["full", "canary", "bare", "api", "ui", "web"])
def values(request: pytest.FixtureRequest, folder: Path, tmp_path: Path) -> list[Path]:
    """Values files for one rendering: of the tests' own, or what the scaffold wrote and a deploy changed."""
    texts = {"full": FULL, "canary": CANARY, "bare": BARE}
    own = tmp_path / "values.yaml"
    own.write_text(texts.get(request.param, DEPLOYED))
    return [own] if request.param in texts else [folder / f"apps/{request.param}/values.yaml", own]


def test_helm_lint_finds_nothing(layout: Layout, folder: Path, values: list[Path]) -> None:
    files = [word for path in values for word in ("-f", path)]
    program(layout, "helm", "lint", "--strict", folder / "charts/app", *files)


def test_the_api_server_takes_every_object_just_so(layout: Layout, folder: Path, values: list[Path]) -> None:
    """Unknown and repeated fields are errors; whether a controller knows an annotation, it cannot tell."""
    text = render(layout, folder, *values)
    assert documents(text)
    kubectl(
        layout,
        "apply",
        "--server-side",
        "--dry-run=server",
        "--validate=strict",
        "-n",
        "default",
        "-f",
        "-",
        stdin=text,
    )


def test_the_full_rendering_has_every_kind(layout: Layout, folder: Path, tmp_path: Path) -> None:
    kinds = set()
    for text in (FULL, CANARY):
        (tmp_path / "values.yaml").write_text(text)
        kinds |= {one["kind"] for one in documents(render(layout, folder, tmp_path / "values.yaml"))}
    project = YAML(typ="safe").load(folder / "cluster/project-scaffold-dry-run.yaml")
    assert kinds == {one["kind"] for one in project["spec"]["namespaceResourceWhitelist"]}


def test_a_deployment_is_as_r23_says(layout: Layout, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "values.yaml").write_text(DEPLOYED)
    found = documents(render(layout, folder, folder / "apps/api/values.yaml", tmp_path / "values.yaml"))
    spec = next(one for one in found if one["kind"] == "Deployment")["spec"]
    assert spec["strategy"] == {
        "type": "RollingUpdate",
        "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0},
    }
    pod, app = spec["template"]["spec"], spec["template"]["spec"]["containers"][0]
    live, ready = app["livenessProbe"], app["readinessProbe"]
    assert (live["initialDelaySeconds"], live["periodSeconds"]) == (30, 10)
    assert (ready["initialDelaySeconds"], ready["periodSeconds"]) == (5, 5)
    assert live["httpGet"] == ready["httpGet"] == {"path": "/health", "port": "http"}
    assert app["ports"] == [{"name": "http", "containerPort": 4000, "protocol": "TCP"}]
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert app["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert app["envFrom"] == [{"secretRef": {"name": "api-secrets"}}]


def test_a_rollout_is_the_deployment_with_steps(layout: Layout, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "values.yaml").write_text(f"{DEPLOYED}\nautoscaling: {{enabled: true}}")
    own, plain = folder / "apps/web/values.yaml", folder / "apps/ui/values.yaml"
    found = documents(render(layout, folder, own, tmp_path / "values.yaml"))
    assert not [one for one in found if one["kind"] == "Deployment"]
    rollout = next(one for one in found if one["kind"] == "Rollout")
    steps = [{"setWeight": 50}, {"pause": {"duration": "60s"}}]
    assert rollout["spec"].pop("strategy") == {"canary": {"maxSurge": 1, "maxUnavailable": 0, "steps": steps}}
    scaler = next(one for one in found if one["kind"] == "HorizontalPodAutoscaler")
    aim = {"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout", "name": "api"}
    assert scaler["spec"]["scaleTargetRef"] == aim
    others = documents(render(layout, folder, plain, tmp_path / "values.yaml"))
    deployment = next(one for one in others if one["kind"] == "Deployment")
    assert rollout["spec"].keys() == deployment["spec"].keys() - {"strategy"}


def test_before_the_first_deploy_nothing_runs(layout: Layout, folder: Path) -> None:
    found = documents(render(layout, folder, folder / "apps/api/values.yaml"))
    assert {one["kind"] for one in found} == {"Service", "ServiceAccount", "NetworkPolicy"}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("image: {repository: a/b, tag: 33356460}", "/image/tag"),
        ("image: {repository: a/b}", "'tag'"),
        ('image: {repository: a/b, tag: ""}\nreplicas: 2', "'replicas'"),
        ('image: {repository: a/b, tag: ""}\nport: "4000"', "/port"),
        ('image: {repository: a/b, tag: "x"}\ningress: {enabled: true}', "ingress.host is missing"),
    ],
)
def test_a_slip_of_the_pen_in_values_is_an_error(
    layout: Layout, folder: Path, tmp_path: Path, text: str, says: str
) -> None:
    (tmp_path / "values.yaml").write_text(text)
    chart, values = str(folder / "charts/app"), str(tmp_path / "values.yaml")
    command = [str(layout.bin / "helm"), "template", "x", chart, KUBERNETES, "-f", values]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert says in done.stderr


@pytest.mark.parametrize("name", ["apps/api/app.yaml", "apps/ui/app.yaml", "root.yaml"])
def test_argo_cds_own_schema_takes_the_applications(layout: Layout, folder: Path, name: str) -> None:
    kubectl(
        layout, "apply", "--server-side", "--dry-run=server", "--validate=strict", "-f", str(folder / name)
    )


@pytest.fixture
def namespaces(layout: Layout) -> Iterator[None]:
    """What a Role needs to be looked at: a dry run makes no namespace for the next object."""
    names = ("scaffold-dry-run", "slipway")
    made = [name for name in names if not kubectl(layout, "get", "ns", name, "--ignore-not-found")]
    for name in made:
        kubectl(layout, "create", "namespace", name)
    yield
    for name in made:
        kubectl(layout, "delete", "namespace", name, "--wait=false")


@pytest.mark.usefixtures("namespaces")
def test_the_api_server_takes_limits_and_rights(layout: Layout, folder: Path) -> None:
    said = kubectl(
        layout,
        "apply",
        "--server-side",
        "--dry-run=server",
        "--validate=strict",
        "-f",
        str(folder / "cluster"),
    )
    assert "appproject.argoproj.io/scaffold-dry-run" in said
    assert "role.rbac.authorization.k8s.io/slipway-scaffold-dry-run" in said


def findings(layout: Layout, folder: Path) -> dict[str, str]:
    """Return identifier → severity of everything that Trivy's built-in checks find in a folder."""
    said = program(layout, "trivy", "config", "--skip-check-update", "--quiet", "--format=json", folder)
    results = json.loads(said).get("Results", [])
    assert results, "Trivy looked at nothing"
    return {one["ID"]: one["Severity"] for result in results for one in result.get("Misconfigurations") or ()}


@pytest.mark.parametrize("text", [FULL, BARE], ids=["full", "bare"])
def test_trivy_finds_nothing_but_what_is_justified(
    layout: Layout, folder: Path, tmp_path: Path, text: str
) -> None:
    # KSV-0125 looks at nothing but the registry, which is each team's own: it knows those of two clouds.
    (tmp_path / "values.yaml").write_text(text.replace(f"{REGISTRY}/acme", "acme.azurecr.io"))
    (tmp_path / "rendered").mkdir()
    (tmp_path / "rendered" / "all.yaml").write_text(render(layout, folder, tmp_path / "values.yaml"))
    found = findings(layout, tmp_path / "rendered")
    assert {name: severity for name, severity in found.items() if name not in LOW or severity != "LOW"} == {}


def test_trivy_finds_nothing_in_the_applications(layout: Layout, folder: Path) -> None:
    assert findings(layout, folder / "apps") == {}


def test_trivy_would_find_something(layout: Layout, folder: Path, tmp_path: Path) -> None:
    """The other half of the claim above."""
    (tmp_path / "values.yaml").write_text(BARE)
    text = render(layout, folder, tmp_path / "values.yaml")
    (tmp_path / "rendered").mkdir()
    worse = text.replace("readOnlyRootFilesystem: true", "readOnlyRootFilesystem: false")
    assert worse != text
    (tmp_path / "rendered" / "all.yaml").write_text(worse)
    assert findings(layout, tmp_path / "rendered")["KSV-0014"] == "HIGH"


def test_trivy_finds_nothing_in_the_dockerfiles(layout: Layout, tmp_path: Path) -> None:
    from slipway_host.scaffold.repository import Wishes
    from slipway_host.scaffold.repository import scaffold as service

    examples = Path(__file__).parents[2] / "examples" / "game-stats"
    for part in ("api", "ui", "worker"):
        shutil.copytree(
            examples / part, tmp_path / part, ignore=shutil.ignore_patterns("Dockerfile", "slipway.yaml")
        )
    wishes = Wishes(registry="ghcr.io/acme", gitops="https://git.example/acme/k8s.git")
    outcome = service(Tree(tmp_path), wishes, folder="shop")
    written = tmp_path / "written"
    outcome.write(written)
    assert len([path for path in outcome.new if path.endswith("/Dockerfile")]) == 3
    # No HEALTHCHECK: Kubernetes looks after that, by the chart's probes.
    assert {name for name, severity in findings(layout, written).items() if severity != "LOW"} == set()
