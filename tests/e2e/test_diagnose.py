"""R18: `dagger call diagnose` before a deploy, after it, and after somebody broke what was deployed.

The tests of this file are one story and run in their order.
"""

import json

from support.app import App


def test_before_the_first_deploy_the_empty_tag_is_the_broken_link(app: App) -> None:
    done = app.call("diagnose", progress="logs")
    assert done.code == 1
    assert f"diagnose: values is broken: apps/{app.name}/values.yaml" in done.stderr
    assert f"Landed: nothing. Next: dagger call deploy --service={app.name}" in done.stderr
    assert "✓ commit" in done.stderr
    assert "✗ values" in done.stderr


def test_after_a_deploy_every_link_holds(app: App) -> None:
    digest = app.deploy()["services"][0]["digest"]
    done = app.call("diagnose", "--head")
    assert done.code == 0, done.error
    assert [line.split()[1] for line in done.out.splitlines() if line.startswith("✓")] == [
        *("commit", "tests", "build", "scan", "push", "values", "registry", "application", "sync"),
        *("workload", "pods", "health", "proof"),
    ]
    assert done.out.rstrip().endswith(f"every ready pod runs {digest}")


def test_a_key_that_somebody_removed_is_named_with_the_stage_that_makes_it(app: App) -> None:
    secret = f"{app.name}-secrets"
    app.kubectl("delete", "secret", secret)
    app.kubectl("delete", "pod", "--all", "--wait=false")

    def found() -> dict[str, object]:
        done = app.call("diagnose", "--as-json")
        assert done.code == 0, done.error
        (service,) = json.loads(done.out)["services"]
        return dict(service)

    document = found()
    for _ in range(10):
        if f'secret "{secret}" not found' in str(document["cause"]):
            break
        document = found()
    assert document["broken"] == "pods"
    assert f'secret "{secret}" not found' in str(document["cause"])
    assert document["fix"] == f"dagger call secrets --service={app.name}"
