"""Worlds that are broken in one place each: a namespace, an Application and a folder in a GitOps repository.

All worlds of a file are made at once, and come to rest side by side.
"""

from __future__ import annotations

import copy
import json
import re
import secrets
import shutil
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import anyio
from pydantic import SecretStr

from slipway_host.applications import KubernetesApplications
from slipway_host.diagnosis import Diagnosis, diagnose
from slipway_host.diagnosis_case import Case
from slipway_host.pull_secret import PULL_KEY, PULL_TYPE
from slipway_host.secret_data import encoded
from slipway_host.settings import GitSettings, RegistrySettings, SecretsSettings, Target
from slipway_lab import credentials, gitserver
from slipway_lab.kubernetes import apply, kubectl
from slipway_lab.layout import GIT, REGISTRY
from support import argocd_objects
from support.target import api_target
from support.world_images import Images

if TYPE_CHECKING:
    from collections.abc import Callable

    from slipway_host.kube import KubeClient
    from slipway_lab.layout import Layout

Json = dict[str, Any]
COMMIT = "1a2b3c4d" + "0" * 32
TAG = COMMIT[:8]
PORT = 4000
SETTLED_S = 60
"""A kubelet starts a dozen pods one after the other, and kills slowly."""
SERVER = """
import http.server, os
class H(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        usual = "200" if self.path == "/health" else "404"
        self.send_response(int(os.environ.get(self.path.strip("/"), usual)))
        self.end_headers()
    def log_message(self, *a): pass
http.server.ThreadingHTTPServer(("", 4000), H).serve_forever()
"""
TEMPLATE = """\
{{- range .Values.objects }}
---
{{ tpl (toJson .) $ }}
{{- end }}
"""


def deployment(command: str = SERVER, *, pod: Json | None = None, **container: Any) -> Json:
    """Return a Deployment of one pod, quick to come up; `pod` and `container` change what they name."""
    app = {
        "name": "app",
        "image": "{{ .Values.image.repository }}:{{ .Values.image.tag }}",
        "command": ["python3", "-uc", command],
        "ports": [{"containerPort": PORT}],
        "readinessProbe": {"httpGet": {"path": "/health", "port": PORT}, "periodSeconds": 1},
        **container,
    }
    spec = {
        "containers": [app],
        "imagePullSecrets": [{"name": "registry-credentials"}],
        "terminationGracePeriodSeconds": 0,
        "automountServiceAccountToken": False,
        **(pod or {}),
    }
    labels = {"app": "{{ .Release.Name }}"}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "{{ .Release.Name }}"},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": spec},
        },
    }


def of_kind(kind: str, body: Json) -> Json:
    """Return a Deployment's manifest as one of a StatefulSet or DaemonSet."""
    spec = {key: value for key, value in body["spec"].items() if kind != "DaemonSet" or key != "replicas"}
    if kind == "StatefulSet":
        spec["serviceName"] = "{{ .Release.Name }}"
    return {**body, "kind": kind, "spec": spec}


@dataclass(frozen=True, kw_only=True)
class World:
    """One broken world, and what is to be said of it.

    Args:
        link: the first link that does not hold; empty where all hold.
        says: words of cause or evidence, as a regular expression.
        fix: beginning of the command; `{app}` is filled in.
        objects: manifests that the chart renders.
        tag: image tag in the values file.
        values: the values file's first lines, in place of the usual ones.
        before: more objects in the namespace, made before the Application.
        pull: what the pull secret says: right, wrong or absent.
        application: changes the Application's manifest; None makes none.
        settings: changes what Slipway knows of the service.
        git: changes where Slipway commits.
        registry: changes the registry's account.
        namespaced: the namespace is made.
    """

    link: str
    says: str
    fix: str
    objects: tuple[Json, ...] = field(default_factory=lambda: (deployment(),))
    tag: str = TAG
    values: str = ""
    before: tuple[Json, ...] = ()
    pull: str = "right"
    application: Callable[[Json], object] | None = lambda _app: None
    settings: Callable[[Target], Target] = lambda target: target
    git: Callable[[GitSettings], GitSettings] = lambda settings: settings
    registry: Callable[[RegistrySettings], RegistrySettings] = lambda settings: settings
    namespaced: bool = True


class Worlds:
    """Makes the worlds of a file, and removes them."""

    def __init__(self, layout: Layout, worlds: dict[str, World]) -> None:
        self.layout, self.worlds = layout, worlds
        self.id = f"dg{secrets.token_hex(3)}"
        self.repository = f"slipway/{self.id}"
        self.private = f"mosuon/{self.id}"
        self.images = Images(layout, f"mosuon/{self.id}")

    @property
    def url(self) -> str:
        return f"{GIT}/{self.repository}.git"

    def name(self, world: str) -> str:
        """Return the name of a world's namespace, Application and Deployment."""
        return f"{self.id}-{world}"

    def up(self) -> None:
        """Make all of them."""
        self.images.push(TAG)
        self.publish()
        documents = [doc for name, world in self.worlds.items() for doc in self._objects(name, world)]
        apply(self.layout, *(doc for doc in documents if doc["kind"] == "Namespace"))
        apply(self.layout, *(doc for doc in documents if doc["kind"] != "Namespace"))

    def publish(self) -> None:
        """Put every world into the GitOps repository as it is now, in one commit."""
        source = self.layout.run / self.id
        (source / "chart" / "templates").mkdir(parents=True)
        (source / "chart" / "Chart.yaml").write_text("apiVersion: v2\nname: app\nversion: 0.1.0\n")
        (source / "chart" / "templates" / "all.yaml").write_text(TEMPLATE)
        for name, world in self.worlds.items():
            folder = source / "apps" / self.name(name)
            folder.mkdir(parents=True)
            head = world.values or (
                f'image:\n  repository: {REGISTRY}/{self.images.repository}\n  tag: "{world.tag}"\n'
            )
            if world.application is None:
                (folder / "app.yaml").write_text(json.dumps(self.application(self.name(name))))
            (folder / "values.yaml").write_text(f"{head}objects: {json.dumps(world.objects)}\n")
        for repository in (self.repository, self.private):
            gitserver.publish(self.layout, repository, source, message="worlds")
        shutil.rmtree(source)

    def _objects(self, name: str, world: World) -> list[Json]:
        space = self.name(name)
        found: list[Json] = []
        if world.namespaced:
            found.append({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": space}})
        if world.namespaced and world.pull != "absent":
            password = credentials.read(self.layout, "registry") if world.pull == "right" else "wrong"
            entry = {"username": credentials.REGISTRY_USER, "password": password}
            entry["auth"] = encoded(":".join(entry.values()))
            found.append(
                {
                    "apiVersion": "v1",
                    "kind": "Secret",
                    "metadata": {"name": "registry-credentials", "namespace": space},
                    "type": PULL_TYPE,
                    "data": {PULL_KEY: encoded(json.dumps({"auths": {REGISTRY: entry}}))},
                }
            )
        for one in world.before:
            found.append(copy.deepcopy(one))
            found[-1]["metadata"]["namespace"] = space
        if world.application:
            found.append(self.application(space))
            world.application(found[-1])
        return found

    def application(self, name: str) -> Json:
        """Return the manifest of an Application with nothing wrong about it."""
        values = f"../apps/{name}/values.yaml"
        return argocd_objects.application(name, self.url, "chart", values=values)

    def case(self, name: str, kube: KubeClient) -> Case:
        """Return what Slipway would know of a world's service."""
        world, space = self.worlds[name], self.name(name)
        password = SecretStr(credentials.read(self.layout, "registry"))
        registry = RegistrySettings(host=REGISTRY, username=credentials.REGISTRY_USER, password=password)
        token = SecretStr(credentials.read(self.layout, "git-writer"))
        git = GitSettings(url=self.url, branch="main", username=credentials.GIT_WRITER, token=token)
        target = api_target(
            service=space,
            app=space,
            environment="dev",
            commit=COMMIT,
            repository=f"{REGISTRY}/{self.images.repository}",
            namespace=space,
            values=f"apps/{space}/values.yaml",
            workload_name=space,
            health_port=PORT,
            secrets=SecretsSettings(name=f"{space}-secrets", asked=("REDIS_URL",)),
        )
        return Case(
            target=world.settings(target),
            kube=kube,
            applications=KubernetesApplications(kube),
            git=world.git(git),
            registry=world.registry(registry),
        )

    async def check(self, name: str, kube: KubeClient) -> Diagnosis:
        """Diagnose a world until it is at rest, and compare what is said with what is expected."""
        world, app = self.worlds[name], self.name(name)
        until = anyio.current_time() + SETTLED_S
        while True:
            found = await diagnose(self.case(name, kube))
            said = found.document()
            words = f"{said['cause']}; {said['evidence']}"
            there = said["broken"] == (world.link or None) and found.links[-1].status != "under way"
            if (there and re.search(world.says, words)) or anyio.current_time() > until:
                break
            await anyio.sleep(1)
        text = found.text()
        assert said["broken"] == (world.link or None), text
        assert re.search(world.says, words), text
        assert (said["fix"] or "").startswith(world.fix.format(app=app)), text
        assert "canary" not in text
        return found

    def down(self) -> None:
        """Remove all of it."""
        spaces = [self.name(name) for name in self.worlds]
        gone = ("--ignore-not-found", "--wait=false")
        kubectl(self.layout, "-n", "argocd", "delete", "application", *spaces, *gone)
        kubectl(self.layout, "delete", "namespace", *spaces, *gone)
        for repository in (self.repository, self.private):
            shutil.rmtree(gitserver.repository(self.layout, repository))
        self.images.remove()


def private(address: str) -> str:
    """Return the address of the same repository where reading it needs an account."""
    return address.replace("/slipway/", "/mosuon/")


def at_private(settings: GitSettings) -> GitSettings:
    """Commit to the repository that needs an account."""
    return replace(settings, url=private(settings.url))
