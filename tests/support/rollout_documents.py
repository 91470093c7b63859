"""What a cluster holds of a Rollout in one state after the other.

`rollout_documents.json` has what the controller of Argo Rollouts 1.10.1 wrote, read while it led Rollouts
through these states; left out is what nothing here looks at. Only the pods themselves were made up: of them,
names and owners are what counts here.
"""

import json
from pathlib import Path
from typing import Any

from slipway_host.settings import Target
from slipway_host.workload import Workload
from support.target import api_target

DOCUMENTS: dict[str, Any] = json.loads(Path(__file__).with_suffix(".json").read_text())
DIGEST = "sha256:" + "b" * 64


def workload(state: str) -> Workload:
    """Return a Rollout, its ReplicaSets and pods in one of the states."""
    found = DOCUMENTS[state]
    pods = tuple({"spec": {"containers": []}, "status": {}, **pod} for pod in found["pods"])
    sets = tuple(found["replica_sets"])
    return Workload(body=found["rollout"], replica_sets=sets, pods=pods)


def target(state: str, **changes: Any) -> Target:
    """Return what Slipway knows of the service of a state, on the way to its newest version."""
    body = DOCUMENTS[state]["rollout"]
    image = body["spec"]["template"]["spec"]["containers"][0]["image"]
    repository, _, tag = image.rpartition(":")
    return api_target(
        workload_kind="Rollout",
        workload_name=body["metadata"]["name"],
        namespace=body["metadata"]["namespace"],
        repository=repository,
        image_tag=tag,
        **changes,
    )
