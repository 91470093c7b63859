"""Argo CD's way to a repository of a test's own."""

import json

from slipway_lab import credentials
from slipway_lab.kubernetes import kubectl
from slipway_lab.layout import GIT, Layout


def apply(layout: Layout, name: str) -> None:
    """Let Argo CD read repository `name` of the lab's git server, by a Secret of that name."""
    account = {"username": credentials.GIT_READER, "password": credentials.read(layout, "git-reader")}
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": name,
            "namespace": "argocd",
            "labels": {"argocd.argoproj.io/secret-type": "repository"},
        },
        "stringData": {"type": "git", "url": f"{GIT}/mosuon/{name}.git", **account},
    }
    kubectl(layout, "apply", "-f", "-", stdin=json.dumps(secret))
