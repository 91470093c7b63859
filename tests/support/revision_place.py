"""A Deployment in the middle of its life with a Job beside it that asks its new pods."""

from __future__ import annotations

import anyio.lowlevel

from support.migration import DIGEST, Cluster, Json
from support.target import api_target

TARGET = api_target()


def template(tag: str = TARGET.tag) -> Json:
    return {"spec": {"containers": [{"name": "app", "image": f"{TARGET.repository}:{tag}"}]}}


def deployment(revision: str = "2", tag: str = TARGET.tag) -> Json:
    return {
        "metadata": {
            "name": "api",
            "uid": "d",
            "generation": 7,
            "annotations": {"deployment.kubernetes.io/revision": revision},
        },
        "spec": {"selector": {"matchLabels": {"app": "api"}}, "template": template(tag)},
    }


def replica_set(name: str, revision: str, tag: str = TARGET.tag) -> Json:
    return {
        "metadata": {
            "name": name,
            "uid": name,
            "ownerReferences": [{"uid": "d"}],
            "annotations": {"deployment.kubernetes.io/revision": revision},
        },
        "spec": {"template": template(tag)},
    }


def serving(name: str, address: str, owner: str, *, digest: str = DIGEST, ready: bool = True) -> Json:
    return {
        "metadata": {"name": name, "namespace": "mosuon", "ownerReferences": [{"uid": owner}]},
        **template(),
        "status": {
            "phase": "Running",
            "podIP": address,
            "conditions": [{"type": "Ready", "status": str(ready)}],
            "containerStatuses": [{"name": "app", "imageID": f"{TARGET.repository}@{digest}"}],
        },
    }


class Place(Cluster):
    """A Deployment in the middle of its life, beside the Job."""

    def __init__(self, found: Json | None = None) -> None:
        super().__init__(found)
        self.deployment: Json | None = deployment()
        self.sets = [replica_set("new", "2")]
        self.serving = [serving("api-a", "10.0.0.2", "new")]
        self.events: list[Json] = []

    async def find(self, path: str) -> Json | None:
        if path.endswith("/deployments/api"):
            return self.deployment
        return await super().find(path)

    async def create(self, path: str, body: Json) -> Json:
        await anyio.lowlevel.checkpoint()
        assert path == "/apis/batch/v1/namespaces/mosuon/jobs"
        self.created += 1
        self.job = {**body, "metadata": {**body["metadata"], "uid": f"u{self.created}"}}
        return self.job

    async def list(self, path: str, *, selector: str = "", fields: str = "") -> list[Json]:
        await anyio.lowlevel.checkpoint()
        if path.endswith("/events"):
            assert fields.startswith("involvedObject.name=api-")
            return self.events
        if selector == "app=api":
            return self.sets if path.endswith("/replicasets") else self.serving
        owner = [{"uid": self.job["metadata"]["uid"]}] if self.job else []
        return [{**pod, "metadata": {**pod["metadata"], "ownerReferences": owner}} for pod in self.pods]

    @property
    def given(self) -> dict[str, str]:
        assert self.job
        env = self.job["spec"]["template"]["spec"]["containers"][0]["env"]
        return {item["name"]: item["value"] for item in env}
