"""The namespace that a service is deployed to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from slipway_host.creation import MANAGED, STAGE, create, until_settled
from slipway_host.errors import ConflictError, MovedError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from slipway_host.kube import KubeClient


async def ensure_namespace(
    kube: KubeClient, name: str, *, labels: Mapping[str, str], allowed: bool = True
) -> bool:
    """Create the namespace unless it is there, and return whether it was created.

    One that is there keeps its labels as they are. `allowed` says whether it may be created.

    Raises:
        ConflictError: the namespace is being deleted: what is created in it now would go as well.
        MovedError: it is not there, and may not be created.
    """

    async def once() -> bool:
        if not await absent(kube, name):
            return False
        if not allowed:
            raise MovedError(f"namespace {name} is gone: to create it is not in the plan", stage=STAGE)
        metadata = {"name": name, "labels": {**MANAGED, **labels}}
        body = {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}
        await create(kube, "/api/v1/namespaces", body)
        return True

    return await until_settled(once)


async def absent(kube: KubeClient, name: str) -> bool:
    """Return whether the namespace has to be created.

    Raises:
        ConflictError: it is being deleted.
    """
    found = await kube.find(f"/api/v1/namespaces/{name}")
    if found and found.get("status", {}).get("phase") == "Terminating":
        raise ConflictError(
            f"namespace {name} is being deleted (Terminating): wait until it is gone",
            stage=STAGE,
            next_command=f"kubectl wait --for=delete namespace/{name} --timeout=5m",
        )
    return found is None
