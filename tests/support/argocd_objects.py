"""Argo CD's own objects, for tests that have some of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from slipway_lab import credentials
from slipway_lab.argocd import NAMESPACE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from slipway_lab.layout import Layout

Json = dict[str, Any]
AUTOMATED = {"prune": True, "selfHeal": True}
FINALIZER = "resources-finalizer.argocd.argoproj.io"


def application(
    name: str,
    url: str,
    path: str,
    *,
    namespace: str = "",
    values: str = "",
    project: str = "default",
    automated: bool = True,
    options: Sequence[str] = (),
    **metadata: object,
) -> Json:
    """Return the manifest of an Application that follows `main` of a repository.

    Args:
        name: of the Application, and of the Helm release where it has values.
        url: address of the repository.
        path: folder in the repository.
        namespace: where it deploys to; by default one of its own name.
        values: of a chart: its values file, as seen from `path`.
        project: its AppProject.
        automated: it syncs by itself, and prunes and heals.
        options: sync options.
        metadata: finalizers and annotations.
    """
    helm = {"helm": {"releaseName": name, "valueFiles": [values]}} if values else {}
    policy: Json = {"automated": AUTOMATED} if automated else {}
    if options:
        policy["syncOptions"] = list(options)
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Application",
        "metadata": {"name": name, "namespace": NAMESPACE, **metadata},
        "spec": {
            "project": project,
            "source": {"repoURL": url, "targetRevision": "main", "path": path, **helm},
            "destination": {"server": "https://kubernetes.default.svc", "namespace": namespace or name},
            **({"syncPolicy": policy} if policy else {}),
        },
    }


def closed_project(name: str) -> Json:
    """Return the manifest of an AppProject that allows everything, but no sync at any time."""
    window = {"kind": "deny", "schedule": "* * * * *", "duration": "1h", "applications": ["*"]}
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "AppProject",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {
            "sourceRepos": ["*"],
            "destinations": [{"namespace": "*", "server": "*"}],
            "syncWindows": [window],
        },
    }


def readable(layout: Layout, name: str, url: str) -> Json:
    """Return the manifest of Secret `name`, by which Argo CD reads a repository that needs an account."""
    account = {"username": credentials.GIT_READER, "password": credentials.read(layout, "git-reader")}
    labels = {"argocd.argoproj.io/secret-type": "repository"}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": NAMESPACE, "labels": labels},
        "stringData": {"type": "git", "url": url, **account},
    }
