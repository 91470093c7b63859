"""What `kubectl rollout undo` knows: the revisions of a workload, and the patch that returns to one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from slipway_host.caller import command
from slipway_host.errors import NotFoundError
from slipway_host.workload import HASH, OF_REPLICA_SETS, Workload, owned, revision_number

if TYPE_CHECKING:
    from collections.abc import Sequence

    from slipway_host.kube import KubeClient
    from slipway_host.kube_http import Json, Objects
    from slipway_host.settings import Target

HASHES = {"pod-template-hash", HASH}
"""Labels that Kubernetes and Argo Rollouts put on a ReplicaSet's pods."""


@dataclass(frozen=True, kw_only=True)
class Revision:
    """One revision of a workload.

    Args:
        number: as `kubectl rollout history` shows it; a revision that is returned to gets a new one.
        name: of its ReplicaSet or ControllerRevision, which stays.
        images: of its containers.
        body: that object.
        kind: how the workload is patched to it.
    """

    number: int
    name: str
    images: tuple[str, ...]
    body: Json
    kind: Literal["json", "strategic"]

    def patch(self) -> Json | Objects:
        """Return the patch that gives the workload this revision's pods; never their number."""
        if self.kind == "strategic":
            return dict(self.body["data"])
        return [{"op": "replace", "path": "/spec/template", "value": template(self.body)}]

    def line(self) -> str:
        """Return number and images."""
        return f"revision {self.number} ({', '.join(self.images)})"


def template(replica_set: Json) -> Json:
    """Return a ReplicaSet's pods as its Deployment or Rollout describes them."""
    found = dict(replica_set["spec"]["template"])
    meta = dict(found.get("metadata") or {})
    labels = {key: value for key, value in (meta.get("labels") or {}).items() if key not in HASHES}
    return {**found, "metadata": {**meta, "labels": labels}}


async def read(kube: KubeClient, target: Target, workload: Workload) -> list[Revision]:
    """Return a workload's revisions, newest first; the first one is what it asks for now."""
    if target.workload_kind in OF_REPLICA_SETS:
        found = [
            Revision(
                number=revision_number(item),
                name=item["metadata"]["name"],
                images=_images(item["spec"]["template"]),
                body=item,
                kind="json",
            )
            for item in workload.replica_sets
        ]
    else:
        path = f"/apis/apps/v1/namespaces/{target.namespace}/controllerrevisions"
        items = owned(await kube.list(path), {workload.body["metadata"]["uid"]})
        found = [
            Revision(
                number=int(item["revision"]),
                name=item["metadata"]["name"],
                images=_images(item["data"]["spec"]["template"]),
                body=item,
                kind="strategic",
            )
            for item in items
        ]
    return sorted(found, key=lambda one: one.number, reverse=True)


def pick(revisions: Sequence[Revision], *, number: int, name: str, what: str) -> Revision:
    """Return the revision to return to: the numbered one, else the named one, else the one before now.

    Raises:
        NotFoundError: it is not there; names those that are.
    """
    if number:
        found = next((one for one in revisions if one.number == number), None)
    elif name:
        found = next((one for one in revisions if one.name == name), None)
    else:
        found = revisions[1] if len(revisions) > 1 else None
    if found is None:
        asked = f"no revision {number}" if number else "no earlier revision"
        there = "; ".join(one.line() for one in revisions[:5])
        raise NotFoundError(
            f"{what} has {asked}: there are {there or 'none'}",
            next_command=f"{command('rollback')}, which needs none: the image comes from the branch",
        )
    return found


def asked_for(workload: Workload, revision: Revision) -> bool:
    """Return whether the workload asks for that revision's pods."""
    body = revision.body
    found = template(body) if revision.kind == "json" else body["data"]["spec"]["template"]
    return bool(_plain(workload.body["spec"]["template"]) == _plain(found))


def _plain(found: Json) -> Json:
    """Return a template without what is not of its pods: empty metadata, and how a patch is to be applied."""
    meta = {key: value for key, value in (found.get("metadata") or {}).items() if value}
    meta.pop("creationTimestamp", None)
    return {"metadata": meta, "spec": found["spec"]}


def _images(found: Json) -> tuple[str, ...]:
    return tuple(str(container.get("image", "")) for container in found["spec"]["containers"])
