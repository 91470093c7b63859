"""Reading pods: states, troubles, image references."""

from __future__ import annotations

from typing import Any

import pytest

from slipway_host import pods
from slipway_host.settings import SecretsSettings
from support.target import api_target

Json = dict[str, Any]
DIGEST = "sha256:" + "a" * 64
TARGET = api_target(
    app="game-stats-api",
    values="apps/game-stats-api/values.yaml",
    workload_name="game-stats-api",
    secrets=SecretsSettings(name="game-stats-api-secrets"),
)


def pod(status: Json | None = None, *, phase: str = "Pending", conditions: Json | None = None) -> Json:
    return {
        "metadata": {"name": "api-7d9-x2x", "namespace": "mosuon"},
        "spec": {"containers": [{"name": "app", "image": f"{TARGET.repository}:{TARGET.tag}"}]},
        "status": {
            "phase": phase,
            "conditions": [{"type": kind, **item} for kind, item in (conditions or {}).items()],
            "containerStatuses": [{"name": "app", "image": "i", "restartCount": 0, **status}]
            if status
            else [],
        },
    }


def waiting(reason: str, message: str = "") -> Json:
    return {"state": {"waiting": {"reason": reason, "message": message}}}


READY = {"Ready": {"status": "True"}}


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        ("registry.test:5000/acme/api:0e123456", ("registry.test:5000/acme/api", "0e123456", "")),
        ("registry.test:5000/acme/api", ("registry.test:5000/acme/api", "", "")),
        ("acme/api:1", ("docker.io/acme/api", "1", "")),
        ("index.docker.io/acme/api:1", ("docker.io/acme/api", "1", "")),
        ("postgres", ("docker.io/library/postgres", "", "")),
        ("localhost/api:1", ("localhost/api", "1", "")),
        (f"ghcr.io/a/b:1@{DIGEST}", ("ghcr.io/a/b", "1", DIGEST)),
        (f"docker-pullable://ghcr.io/a/b@{DIGEST}", ("ghcr.io/a/b", "", DIGEST)),
    ],
)
def test_an_image_reference_comes_apart(reference: str, expected: tuple[str, str, str]) -> None:
    image = pods.Image.parse(reference)
    assert (image.repository, image.tag, image.digest) == expected


@pytest.mark.parametrize(
    ("suffix", "ours"),
    [
        (":0e123456", True),
        (f":0e123456@{DIGEST}", True),
        (f"@{DIGEST}", True),
        (":latest", False),
        # The digest decides: a tag beside it means nothing to the kubelet.
        (f":0e123456@sha256:{'b' * 64}", False),
    ],
)
def test_a_template_carries_our_image_by_digest_or_else_by_tag(suffix: str, ours: bool) -> None:  # noqa: FBT001
    template = {"spec": {"containers": [{"name": "app", "image": TARGET.repository + suffix}]}}
    assert pods.carries(template, TARGET, DIGEST) is ours


def test_a_template_without_our_repository_does_not_carry_our_image() -> None:
    template = {"spec": {"containers": [{"name": "app", "image": "nginx:0e123456"}]}}
    assert not pods.carries(template, TARGET, DIGEST)


def test_states_are_pending_running_ready_terminating() -> None:  # R13
    assert pods.state(pod(waiting("ContainerCreating"))) == "Pending (ContainerCreating)"
    assert pods.state(pod({"state": {"running": {}}}, phase="Running")) == "Running"
    assert pods.state(pod({"state": {"running": {}}}, phase="Running", conditions=READY)) == "Ready"
    leaving = pod({"state": {"running": {}}}, phase="Running", conditions=READY)
    leaving["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    assert pods.state(leaving) == "Terminating"
    assert not pods.ready(leaving)


def test_an_evicted_pod_is_not_alive_and_not_in_trouble() -> None:
    evicted = pod(phase="Failed")
    evicted["status"]["reason"] = "Evicted"
    assert pods.state(evicted) == "Failed (Evicted)"
    assert not pods.alive(evicted)
    assert pods.trouble(evicted) is None


def test_a_crash_loop_is_certain_and_names_the_exit_code() -> None:  # fault 85
    last = {
        "lastState": {"terminated": {"exitCode": 137, "reason": "OOMKilled"}},
        "restartCount": 1,
    }
    found = pods.trouble(pod(waiting("CrashLoopBackOff") | last, phase="Running"))
    assert found is not None
    assert found.certain
    assert found.container == "app"
    assert "exit code 137 (OOMKilled)" in found.cause
    assert found.next_command == "kubectl -n mosuon logs api-7d9-x2x -c app --previous"


def test_two_failed_restarts_are_a_crash_loop_between_backoffs() -> None:
    status = {
        "state": {"running": {}},
        "lastState": {"terminated": {"exitCode": 1, "reason": "Error"}},
        "restartCount": 2,
    }
    found = pods.trouble(pod(status, phase="Running"))
    assert found is not None
    assert found.reason == "CrashLoopBackOff"


def test_old_restarts_of_a_ready_pod_are_no_trouble() -> None:
    status = {
        "ready": True,
        "state": {"running": {}},
        "lastState": {"terminated": {"exitCode": 1}},
        "restartCount": 5,
    }
    assert pods.trouble(pod(status, phase="Running", conditions=READY)) is None


def test_a_crashing_init_container_is_named_as_such() -> None:
    broken = pod(waiting("PodInitializing"))
    broken["status"]["initContainerStatuses"] = [
        {
            "name": "migrate",
            "restartCount": 1,
            "lastState": {"terminated": {"exitCode": 1, "reason": "Error"}},
            **waiting("CrashLoopBackOff"),
        }
    ]
    found = pods.trouble(broken)
    assert found is not None
    assert found.cause.startswith("init container migrate of pod api-7d9-x2x crashes: exit code 1,")


def test_container_creating_is_no_trouble() -> None:
    assert pods.trouble(pod(waiting("ContainerCreating"))) is None
    assert pods.trouble(pod()) is None


@pytest.mark.parametrize(
    ("message", "cause"),
    [
        (
            'failed to resolve reference "r.test/denied/api:x": r.test/denied/api:x: not found',
            "no such tag",
        ),
        ("manifest unknown: manifest tagged by x is not found", "no such tag"),
        (
            "pull access denied, repository does not exist or may require authorization",
            "refuses the node's credentials",
        ),
        ('unexpected status from HEAD request to "https://r/v2": 401 Unauthorized', "credentials"),
        (
            'failed to do request: Head "https://r": dial tcp 10.0.0.1:443: connect: refused',
            "reach",
        ),
        ("Get https://r/v2/: x509: certificate signed by unknown authority", "reach"),
        ("http: server gave HTTP response to HTTPS client", "reach"),
        ("unexpected status: 503 Service Unavailable", "reach"),
        ("429 Too Many Requests - toomanyrequests: You have reached your pull rate limit", "rate"),
        ('Back-off pulling image "registry.test/a/not found:x"', "no cause"),
    ],
)
def test_a_failed_pull_tells_tag_rights_and_registry_apart(message: str, cause: str) -> None:
    # fault 86
    assert cause in pods.pull_cause(message)


@pytest.mark.parametrize("reason", ["ErrImagePull", "ImagePullBackOff"])
def test_a_failed_pull_keeps_one_key_and_gets_a_moment(reason: str) -> None:
    found = pods.trouble(pod(waiting(reason, "not found")))
    assert found is not None
    assert found.key == ("api-7d9-x2x", "app")
    assert not found.certain


def test_missing_configuration_names_the_key() -> None:
    message = "couldn't find key JWT_SECRET in Secret mosuon/game-stats-api-secrets"
    found = pods.trouble(pod(waiting("CreateContainerConfigError", message)))
    assert found is not None
    assert message in found.cause
    assert found.next_command == "kubectl -n mosuon describe pod api-7d9-x2x"


def test_an_invalid_image_name_is_certain() -> None:
    found = pods.trouble(pod(waiting("InvalidImageName", "couldn't parse image")))
    assert found is not None
    assert found.certain


def test_an_unschedulable_pod_quotes_the_scheduler() -> None:  # fault 88
    message = "0/1 nodes are available: 1 Insufficient memory."
    scheduled = {"PodScheduled": {"status": "False", "reason": "Unschedulable", "message": message}}
    found = pods.trouble(pod(conditions=scheduled))
    assert found is not None
    assert message in found.cause


def test_a_volume_that_is_still_made_is_no_trouble() -> None:
    message = "0/1 nodes are available: pod has unbound immediate PersistentVolumeClaims."
    scheduled = {"PodScheduled": {"status": "False", "reason": "Unschedulable", "message": message}}
    assert pods.trouble(pod(conditions=scheduled)) is None
