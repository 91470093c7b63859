"""What Slipway's account has to be allowed in the cluster: one list, for whoever asks and whoever grants.

`dagger call doctor` asks the API server for each of them, `dagger call rbac` prints the manifests that
grant exactly these. Nothing is a wildcard, and no Secret can be listed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import anyio

from slipway_host.application import GROUP as ARGOCD_GROUP
from slipway_host.together import together
from slipway_host.workload import GROUPS, OF_REPLICA_SETS, ROLLOUT

if TYPE_CHECKING:
    from collections.abc import Iterable

    from slipway_host.kube import KubeClient
    from slipway_host.pods import Json
    from slipway_host.settings import PostgresSettings, Target

REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
RBAC = "rbac.authorization.k8s.io"
ARGOCD = ARGOCD_GROUP.split("/")[2]
NAME = "slipway"
ARGOCD_ACTIONS = {
    "get": "every stage that looks at Argo CD",
    "sync": "sync, and the end of a foreign sync",
    "update": "undo and resume",
}
"""What an account of Argo CD's own API has to be allowed, and what needs it."""
AT_ONCE = 4
"""Questions at once: they are many, and other checks share the connections."""


@dataclass(frozen=True, kw_only=True, order=True)
class Right:
    """One verb on one resource.

    Args:
        namespace: where; empty for the whole cluster.
        group: API group; empty for the core one.
        resource: plural, with its subresource after a slash.
        verb: RBAC's word.
        name: the one object that is meant; empty for all. `create` cannot be limited to a name.
        use: stage or function that needs it.
    """

    namespace: str
    group: str = ""
    resource: str
    verb: str
    name: str = ""
    use: str

    def __str__(self) -> str:
        what = f"{self.resource}.{self.group}" if self.group else self.resource
        one = f" {self.name}" if self.name else ""
        where = f" in namespace {self.namespace}" if self.namespace else ""
        return f"{self.verb} {what}{one}{where}"

    @property
    def review(self) -> Json:
        """The question for the API server."""
        resource, _, subresource = self.resource.partition("/")
        attributes = {
            "namespace": self.namespace,
            "verb": self.verb,
            "group": self.group,
            "resource": resource,
            "subresource": subresource,
            "name": self.name,
        }
        asked = {key: value for key, value in attributes.items() if value}
        return {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "metadata": {},
            "spec": {"resourceAttributes": asked},
        }


def rights(target: Target, postgres: PostgresSettings, *, create_namespace: bool = False) -> list[Right]:
    """Return what a service's stages and functions need, each once.

    Args:
        target: the service.
        postgres: the server of its database.
        create_namespace: whether the namespace still has to be made: where it is there, nobody needs that.
    """
    own, workload = target.namespace, f"{target.workload_kind.lower()}s"
    group = GROUPS.get(target.workload_kind, "apps/v1").partition("/")[0]

    def several(
        namespace: str, use: str, resource: str, *verbs: str, group: str = "", name: str = ""
    ) -> None:
        found.extend(
            # RBAC cannot tell by name what does not exist yet.
            Right(
                namespace=namespace,
                group=group,
                resource=resource,
                verb=verb,
                name="" if verb == "create" and "/" not in resource else name,
                use=use,
            )
            for verb in verbs
        )

    found: list[Right] = []
    several("", "secrets", "namespaces", "get", name=own)
    if create_namespace:
        several("", "secrets", "namespaces", "create")
    for secret in (target.secrets.name, target.secrets.pull_secret):
        several(own, "secrets", "secrets", "get", "create", "patch", name=secret)
    if target.database and postgres.dsn is None:
        several(postgres.namespace, "database", "pods", "list")
        several(postgres.namespace, "database", "pods/exec", "get", "create")
        if postgres.admin_password is None:
            several(postgres.namespace, "database", "secrets", "get", name=postgres.secret)
    if not target.argocd_server:
        app = {"group": ARGOCD, "name": target.app}
        several(target.argocd_namespace, "sync", "applications", "get", "list", "watch", "patch", **app)
    several(own, "rollout", workload, "get", "list", "watch", group=group, name=target.workload_name)
    # New pods, for who reads a Secret that has changed.
    several(own, "rotate", workload, "patch", group=group, name=target.workload_name)
    if target.migration or target.smoke or target.load:
        use = "migrate" if target.migration else "smoke" if target.smoke else "load"
        several(own, use, "jobs", "get", "list", "watch", "create", "delete", group="batch")
    if target.workload_kind in OF_REPLICA_SETS:
        several(own, "rollout", "replicasets", "list", "watch", group="apps")
    else:
        several(own, "undo", "controllerrevisions", "list", group="apps")
    if target.workload_kind == ROLLOUT:
        several(own, "rollout", "analysisruns", "list", group=group)
        several(own, "promote", f"{workload}/status", "patch", group=group, name=target.workload_name)
    several(own, "rollout", "pods", "list", "watch")
    several(own, "rollout", "events", "list")
    several(own, "logs", "pods/log", "get")
    several(own, "health", "pods/proxy", "get")
    return list(dict.fromkeys(found))


def sync_windows(target: Target) -> list[Right]:
    """Return the right to know a project's sync windows before they hold a deploy back: no stage needs it.

    Argo CD's own API tells them to whoever may see the Application.
    """
    if target.argocd_server:
        return []
    place = target.argocd_namespace
    return [Right(namespace=place, group=ARGOCD, resource="appprojects", verb="get", use="diagnose")]


def for_plan(target: Target, asked: Iterable[Right]) -> list[Right]:
    """Return those of a service's rights that `plan` needs: to look, and to run psql where that is how.

    Args:
        target: the service.
        asked: all of its rights.
    """
    looks = {("get", ""), ("list", "pods"), ("list", "replicasets"), ("create", "pods/exec")}
    found = [
        right
        for right in asked
        if right.use in {"secrets", "database", "sync", "rollout", "migrate", "smoke", "load"}
        and ((right.verb, "") in looks or (right.verb, right.resource) in looks)
    ]
    # Which project it is, only the Application tells.
    return [*found, *(replace(right, use="plan") for right in sync_windows(target))]


def for_previews(target: Target, asked: Iterable[Right]) -> list[Right]:
    """Return a preview's rights as those of every preview: their namespaces and Applications are yet to be.

    Args:
        target: the service in one of them.
        asked: all of its rights there.
    """
    everywhere = [
        replace(
            right,
            namespace="" if right.namespace == target.namespace else right.namespace,
            name="" if right.name in {target.namespace, target.app} else right.name,
        )
        for right in asked
    ]
    whole = [
        Right(namespace="", resource="namespaces", verb=verb, use=use)
        for verb, use in (("create", "secrets"), ("delete", "remove-preview"))
    ]
    return list(dict.fromkeys([*everywhere, *whole]))


async def denied(kube: KubeClient, asked: Iterable[Right]) -> list[Right]:
    """Return those that this account does not have, by the API server's own word.

    Raises:
        DeliveryError: the API server does not answer, or knows no such account.
    """
    every, few = list(asked), anyio.CapacityLimiter(AT_ONCE)

    async def allowed_one(right: Right) -> bool:
        async with few:
            return await _allowed(kube, right)

    allowed = await together(*(partial(allowed_one, right) for right in every))
    return [right for right, granted in zip(every, allowed, strict=True) if not granted]


async def _allowed(kube: KubeClient, right: Right) -> bool:
    answer = await kube.create(REVIEWS, right.review)
    return bool(answer.get("status", {}).get("allowed"))
