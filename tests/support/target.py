"""The service that most tests are about, every default filled in."""

from dataclasses import replace
from typing import Any

from slipway_host.settings import SecretsSettings, Target

_API = Target(
    service="api",
    app="api",
    environment="prod",
    commit="0e123456" + "0" * 32,
    repository="registry.test:5000/acme/api",
    namespace="mosuon",
    values="apps/api/values.yaml",
    argocd_namespace="argocd",
    workload_kind="Deployment",
    workload_name="api",
    health_path="/health",
    health_port=4000,
    health_stable_s=0,
    database=None,
    secrets=SecretsSettings(name="api-secrets"),
)


def api_target(**changes: Any) -> Target:
    """Return the service `api` of namespace `mosuon` in prod, with some fields of its own."""
    return replace(_API, **changes)
