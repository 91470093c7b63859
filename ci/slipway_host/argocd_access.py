"""Which way leads to Argo CD's Applications: the one place that decides it, by the configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING

from slipway_host.applications import KubernetesApplications
from slipway_host.applications_server import ServerApplications

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from pydantic import SecretStr

    from slipway_host.applications import Applications
    from slipway_host.config import ArgoCD
    from slipway_host.kube import KubeClient


def server(config: ArgoCD, token: Callable[[], Awaitable[SecretStr]]) -> ServerApplications | None:
    """Return Argo CD's own API, None where the Kubernetes API is used."""
    return ServerApplications(config.server, config.ca, token) if config.server else None


def applications(own_api: ServerApplications | None, kube: KubeClient) -> Applications:
    """Return the configured way: what `server` returned, or the cluster."""
    return own_api or KubernetesApplications(kube)
