"""R24: a canary by `dagger call deploy`, promoted when it is good, taken back when it is not; one story."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from slipway_host.scaffold import templates
from slipway_lab.kubernetes import kubectl
from support import shared_gitops
from support.app import App
from support.asking import asking

STEPS = "canary: {steps: [{setWeight: 50}, {pause: {duration: 2s}}]}\n"
AUTOMATIC = "\nenvironments:\n  dev:\n    rollback: automatic\n\nservices:"


@pytest.fixture(scope="module")
def canary(app: App) -> Iterator[App]:
    """The application with a chart of its own, the scaffold's, whose values ask for steps."""
    changed: list[str] = []

    def become(work: Path) -> None:
        chart, folder = work / "charts" / app.name, work / "apps" / app.name
        for path, text in templates.chart().items():
            (chart / path).parent.mkdir(parents=True, exist_ok=True)
            (chart / path).write_text(text)
        with (folder / "values.yaml").open("a") as values:
            values.write(STEPS)
        application = (folder / "app.yaml").read_text()
        changed[:] = [application.replace("path: charts/app", f"path: charts/{app.name}")]
        (folder / "app.yaml").write_text(changed[0])

    shared_gitops.change(app.layout, become, f"{app.name} becomes a canary")
    kubectl(app.layout, "apply", "--server-side", "--force-conflicts", "-f", "-", stdin=changed[0])
    config = (app.folder / "slipway.yaml").read_text()
    assert f"  {app.name}:\n" in config
    kind = f"  {app.name}:\n    workload: {{kind: Rollout}}\n"
    text = config.replace("\nservices:", AUTOMATIC).replace(f"  {app.name}:\n", kind)
    app.commit({"slipway.yaml": text})
    yield app
    shared_gitops.change(
        app.layout, lambda work: shutil.rmtree(work / "charts" / app.name), f"{app.name} is gone"
    )


def pods(app: App) -> dict[str, str]:
    """Return the image tag of every pod that is not on its way out, by name."""
    found = json.loads(app.kubectl("get", "pods", "--selector=rollouts-pod-template-hash", "-o", "json"))
    return {
        pod["metadata"]["name"]: pod["spec"]["containers"][0]["image"].rpartition(":")[2]
        for pod in found["items"]
        if "deletionTimestamp" not in pod["metadata"]
    }


def test_a_good_canary_is_promoted_and_nobody_notices(canary: App) -> None:
    old = canary.head()
    canary.deploy()
    canary.edit("main.go", "package main", "// The second version.\npackage main")

    with asking(canary) as asked:
        receipt = canary.deploy()

    (service,) = receipt["services"]
    said = {stage["stage"]: stage["summary"] for stage in service["stages"]}
    assert "fully promoted, all 2 pods" in said["rollout"]
    assert asked.failures == []
    assert {version[:8] for version in asked.seen} == {old[:8], canary.head()[:8]}
    assert list(pods(canary).values()) == [canary.head()[:8]] * 2


def test_a_bad_canary_is_taken_back_and_nobody_notices(canary: App) -> None:
    good, before = canary.head()[:8], pods(canary)
    canary.edit("main.go", "func main() {", "func init() { os.Exit(1) }\n\nfunc main() {")

    with asking(canary) as asked:
        said = canary.call("deploy")

    assert said.code == 1
    assert said.error.startswith("Error: StageError: rollout: "), said.error
    assert (
        f"rolled back to {good}, which 2 ready pod(s) run, proven; {canary.head()[:8]} is held" in said.error
    )
    assert asked.failures == []
    assert {version[:8] for version in asked.seen} == {good}
    # No new pod was ever ready, so none of the old ones has gone for it.
    assert pods(canary) == before
