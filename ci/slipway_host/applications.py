"""The ways to Argo CD's Applications: the Kubernetes API, or Argo CD's own server.

Whoever reads or changes an Application does so through `Applications`, and does not know which way it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from slipway_host import comparison
from slipway_host.application import GROUP, REFRESH, Application
from slipway_host.errors import NotFoundError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from pydantic import SecretStr

    from slipway_host.kube import KubeClient
    from slipway_host.pods import Json
    from slipway_host.settings import Target


class Applications(Protocol):
    """What is asked of Argo CD; each method raises the errors of `errors.py` and nothing else.

    Args:
        secrets: what it has come to know that nobody else may read.
    """

    secrets: tuple[SecretStr, ...]

    async def read(self, target: Target) -> Application:
        """Return the service's Application.

        Raises:
            NotFoundError: there is none, or there is no Argo CD at all.
        """
        ...

    async def find(self, namespace: str, name: str) -> Application | None:
        """Return an Application by its name, None where there is none."""
        ...

    async def windows(self, app: Application) -> list[Json] | None:
        """Return the sync windows that concern an Application, None where its project does not exist."""
        ...

    async def refresh(self, app: Application) -> None:
        """Ask for a new comparison: `Application.refreshing` until it is done."""
        ...

    async def request(self, app: Application, operation: Json) -> None:
        """Request an operation, where the Application has none.

        Raises:
            ConflictError: it has one by now, or has moved since it was read.
        """
        ...

    async def terminate(self, app: Application) -> None:
        """End the operation that runs."""
        ...

    async def change(self, app: Application, patch: Json) -> None:
        """Merge a patch of annotations and sync policy.

        Raises:
            ConflictError: it has moved since it was read, as far as this way can tell.
        """
        ...

    def changes(self, target: Target) -> AsyncIterator[object]:
        """Yield something whenever the service's Application may have changed, without an end."""
        ...


class KubernetesApplications:
    """Applications as objects of the Kubernetes API: what the rights on `argoproj.io` are for."""

    def __init__(self, kube: KubeClient) -> None:
        self._kube = kube
        self.secrets: tuple[SecretStr, ...] = ()

    async def read(self, target: Target) -> Application:
        """Return the service's Application; two messages tell what is missing (fault 78)."""
        found = await self.find(target.argocd_namespace, target.app)
        if found is not None:
            return found
        # Argo Rollouts shares the API group, so that the group alone proves nothing.
        group = await self._kube.find(GROUP) or {}
        if not any(item.get("name") == "applications" for item in group.get("resources", [])):
            raise NotFoundError(
                "Argo CD is not installed: the cluster has no CRD applications.argoproj.io",
                next_command="kubectl get crd applications.argoproj.io",
            )
        raise NotFoundError(
            f"Argo CD has no Application {target.app} in namespace {target.argocd_namespace}",
            next_command=f"kubectl -n {target.argocd_namespace} get applications",
        )

    async def find(self, namespace: str, name: str) -> Application | None:
        """Return an Application by its name, None where there is none."""
        body = await self._kube.find(f"{_collection(namespace)}/{name}")
        return None if body is None else Application(body)

    async def windows(self, app: Application) -> list[Json] | None:
        """Return the sync windows, which only the project names: a right of its own."""
        project = await self._kube.find(f"{GROUP}/namespaces/{app.namespace}/appprojects/{app.project}")
        return None if project is None else comparison.windows(project, app.body)

    async def refresh(self, app: Application) -> None:
        """Ask by annotation, as Argo CD itself does."""
        await self._patch(app, {"metadata": {"annotations": {REFRESH: "normal"}}})

    async def request(self, app: Application, operation: Json) -> None:
        """Set the operation and clear the last one's state, together with a refresh."""
        body = {
            "metadata": {"annotations": {REFRESH: "normal"}},
            "operation": operation,
            "status": {"operationState": None},
        }
        await self.change(app, body)

    async def terminate(self, app: Application) -> None:
        """Write what `argocd app terminate-op` does; the controller cleans up, and clears the operation."""
        await self.change(app, {"status": {"operationState": {"phase": "Terminating"}}})

    async def change(self, app: Application, patch: Json) -> None:
        """Merge a patch; of two at once the second gets a conflict and reads again (fault 80)."""
        version = app.body["metadata"]["resourceVersion"]
        await self._patch(
            app, {**patch, "metadata": {**patch.get("metadata", {}), "resourceVersion": version}}
        )

    def changes(self, target: Target) -> AsyncIterator[object]:
        """Watch the one Application."""
        path = _collection(target.argocd_namespace)
        return self._kube.watch(path, fields=f"metadata.name={target.app}")

    async def _patch(self, app: Application, body: Json) -> None:
        await self._kube.patch(f"{_collection(app.namespace)}/{app.name}", body)


def _collection(namespace: str) -> str:
    return f"{GROUP}/namespaces/{namespace}/applications"
