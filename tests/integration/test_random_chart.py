"""Fault 58 on the lab's Argo CD: a chart's random Secret, which stops a deploy before anything is done."""

import json
import shutil
import time
from collections.abc import Iterator

import pytest
from anyio import to_thread
from pydantic import SecretStr

from slipway_host.application import Application
from slipway_host.applications import KubernetesApplications
from slipway_host.delivery import Delivery
from slipway_host.errors import ConflictError
from slipway_host.kube import KubeClient
from slipway_host.progress import silent
from slipway_host.settings import GitSettings, PostgresSettings
from slipway_lab import credentials, gitserver
from slipway_lab.kubernetes import apply, kubectl
from slipway_lab.layout import GIT, Layout
from support import argocd_objects
from support.target import api_target

SECRET = """\
apiVersion: v1
kind: Secret
metadata:
  name: api
stringData:
  # As many charts have it: "unless the cluster has one".
  {{- $old := lookup "v1" "Secret" .Release.Namespace "api" }}
  {{- if $old }}
  KEY: {{ $old.data.KEY | b64dec }}
  {{- else }}
  KEY: {{ randAlphaNum 32 }}
  {{- end }}
"""


@pytest.fixture
def application(layout: Layout, namespace: str) -> Iterator[str]:
    """An Application of a chart with such a Secret, in a repository of its own."""
    repository, source = f"mosuon/{namespace}", layout.run / namespace
    (source / "charts" / "app" / "templates").mkdir(parents=True)
    (source / "charts" / "app" / "Chart.yaml").write_text("apiVersion: v2\nname: app\nversion: 0.1.0\n")
    (source / "charts" / "app" / "templates" / "secret.yaml").write_text(SECRET)
    (source / "apps" / "api").mkdir(parents=True)
    (source / "apps" / "api" / "values.yaml").write_text("image:\n  tag: x\n")
    gitserver.publish(layout, repository, source, message="seed")
    url = f"{GIT}/{repository}.git"
    kubectl(layout, "create", "namespace", namespace)
    apply(
        layout,
        argocd_objects.readable(layout, namespace, url),
        argocd_objects.application(namespace, url, "charts/app", automated=False),
    )
    yield namespace
    kubectl(layout, "-n", "argocd", "delete", "application", namespace)
    kubectl(layout, "-n", "argocd", "delete", "secret", namespace)
    shutil.rmtree(source)
    shutil.rmtree(gitserver.repository(layout, repository))


def read(layout: Layout, name: str) -> Application:
    return Application(json.loads(kubectl(layout, "-n", "argocd", "get", "application", name, "-o", "json")))


def compared(layout: Layout, name: str) -> None:
    """Wait until Argo CD has rendered the chart."""
    deadline = time.monotonic() + 60
    while not read(layout, name).status.get("resources"):
        assert time.monotonic() < deadline
        time.sleep(0.5)


def sync(layout: Layout, name: str) -> str:
    """Sync once, past Argo CD's cache of manifests, and return the Secret's value."""
    kubectl(layout, "-n", "argocd", "annotate", "application", name, "argocd.argoproj.io/refresh=hard")
    deadline = time.monotonic() + 60
    while read(layout, name).refreshing and time.monotonic() < deadline:
        time.sleep(0.5)
    before = read(layout, name).last.get("finishedAt")
    operation = json.dumps({"operation": {"sync": {"revision": "main"}}})
    kubectl(layout, "-n", "argocd", "patch", "application", name, "--type=merge", "--patch", operation)
    while time.monotonic() < deadline:
        now = read(layout, name)
        if now.operation is None and now.phase == "Succeeded" and now.last.get("finishedAt") != before:
            return kubectl(layout, "-n", name, "get", "secret", "api", "-o", "jsonpath={.data.KEY}")
        time.sleep(0.5)
    pytest.fail(f"no sync of {name}: {read(layout, name).summary()}")


async def test_argo_cd_makes_new_values_with_every_sync_and_preflight_refuses_such_a_chart(
    layout: Layout, application: str, kube: KubeClient, postgres: PostgresSettings
) -> None:
    await to_thread.run_sync(compared, layout, application)
    target = api_target(
        app=application,
        environment="dev",
        commit="0" * 40,
        repository="registry.invalid/acme/api",
        namespace=application,
    )
    settings = GitSettings(
        url=f"{GIT}/mosuon/{application}.git",
        branch="main",
        username=credentials.GIT_WRITER,
        token=SecretStr(credentials.read(layout, "git-writer")),
    )
    delivery = Delivery(
        target=target, kube=kube, applications=KubernetesApplications(kube), run_id="r", report=silent
    )
    with pytest.raises(ConflictError, match=r"charts/app/templates/secret\.yaml .* randAlphaNum"):
        await delivery.preflight(settings, postgres)
    first, second = sync(layout, application), sync(layout, application)
    assert first
    assert first != second
