"""R18: pods that do not come up, each for a reason of its own, and what a diagnosis says of them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from support.worlds import PORT, World, Worlds, deployment, of_kind

if TYPE_CHECKING:
    from collections.abc import Callable

    from slipway_host.kube import KubeClient
    from slipway_host.settings import Target

CRASH = "import sys; print('connecting to postgres://api:canary-4711@db/api'); sys.exit('no database')"
HUNGRY = "import time; time.sleep(1); x = bytearray(10**9); time.sleep(60)"
DEAD_END = {"httpGet": {"path": "/dead", "port": PORT}, "periodSeconds": 1, "failureThreshold": 1}
ENV_503 = [{"name": "health", "value": "503"}]
QUOTA = {
    "apiVersion": "v1",
    "kind": "ResourceQuota",
    "metadata": {"name": "small"},
    "spec": {"hard": {"requests.cpu": "10m"}},
}
SECRET = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "keys"}, "stringData": {"A": "1"}}


def key_of(kind: str, name: str, key: str) -> list[dict[str, object]]:
    return [{"name": "X", "valueFrom": {f"{kind}KeyRef": {"name": name, "key": key}}}]


def own_secret(target: Target) -> Target:
    return replace(target, secrets=replace(target.secrets, name="own", asked=("REDIS_URL",)))


def elsewhere(target: Target) -> Target:
    return replace(target, health_port=4001)


def kind(name: str) -> Callable[[Target], Target]:
    return lambda target: replace(target, workload_kind=name)


WORLDS = {
    "well": World(link="", says="", fix=""),
    "set": World(
        link="",
        says="",
        fix="",
        objects=(of_kind("StatefulSet", deployment()),),
        settings=kind("StatefulSet"),
    ),
    "set-crash": World(
        link="pods",
        says=r"crashes: exit code 1.*; its last words: .*no database",
        fix="dagger call logs --service={app} --previous",
        objects=(of_kind("StatefulSet", deployment(CRASH)),),
        settings=kind("StatefulSet"),
    ),
    "daemon": World(
        link="",
        says="",
        fix="",
        objects=(of_kind("DaemonSet", deployment()),),
        settings=kind("DaemonSet"),
    ),
    "daemon-waits": World(
        link="pods",
        says=r'secret "keys" not found',
        fix="kubectl -n {app} create secret generic keys --from-literal=KEY=VALUE",
        objects=(of_kind("DaemonSet", deployment(envFrom=[{"secretRef": {"name": "keys"}}])),),
        settings=kind("DaemonSet"),
    ),
    "wrong-secret": World(
        link="pods",
        says=r"refuses the node's credentials.*does not have the account that Slipway has for",
        fix="dagger call secrets --service={app}",
        pull="wrong",
        objects=(deployment(imagePullPolicy="Always"),),
    ),
    "no-secret": World(
        link="pods",
        says=r"refuses the node's credentials.*pull secret registry-credentials does not exist in namespace",
        fix="dagger call secrets --service={app}",
        pull="absent",
        objects=(deployment(imagePullPolicy="Always"),),
    ),
    "unnamed-secret": World(
        link="pods",
        says=r"refuses the node's credentials.*the pod names no pull secret",
        fix="add registry-credentials to imagePullSecrets in apps/{app}/values.yaml",
        objects=(deployment(pod={"imagePullSecrets": []}, imagePullPolicy="Always"),),
    ),
    "unready": World(
        link="pods",
        says=r"is not ready: Readiness probe failed: HTTP probe failed with statuscode: 503",
        fix="dagger call logs --service={app} --tail=50",
        objects=(deployment(env=ENV_503),),
    ),
    "killed": World(
        link="pods",
        says=r"crashes: .*the kubelet kills it: Liveness probe failed: .*statuscode: 404",
        fix="dagger call logs --service={app} --previous",
        objects=(deployment(livenessProbe=DEAD_END, readinessProbe=DEAD_END),),
    ),
    "crash": World(
        link="pods",
        says=r"container app .*crashes: exit code 1.*its last words: .*no database",
        fix="dagger call logs --service={app} --previous",
        objects=(deployment(CRASH),),
    ),
    "init-crash": World(
        link="pods",
        says=r"init container migrate .*crashes: exit code 1.*its last words: .*no database",
        fix="dagger call logs --service={app} --previous",
        objects=(
            deployment(
                pod={
                    "initContainers": [
                        {
                            "name": "migrate",
                            "image": "{{ .Values.image.repository }}:{{ .Values.image.tag }}",
                            "command": ["python3", "-uc", CRASH],
                        }
                    ]
                }
            ),
        ),
    ),
    "no-memory": World(
        link="pods",
        says=r"crashes: exit code 137 \(OOMKilled\)",
        fix="raise resources.limits.memory in apps/{app}/values.yaml",
        objects=(deployment(HUNGRY, resources={"limits": {"memory": "40Mi"}}),),
    ),
    "quota": World(
        link="workload",
        says=r"replicaset/\S+ cannot create its pods: FailedCreate: .*exceeded quota: small",
        fix="kubectl -n {app} edit resourcequota small",
        before=(QUOTA,),
        objects=(deployment(resources={"requests": {"cpu": "500m"}}),),
    ),
    "too-large": World(
        link="pods",
        says=r"fits on no node: .*Insufficient cpu",
        fix="correct resources.requests in apps/{app}/values.yaml, then dagger call sync --service={app}",
        objects=(deployment(resources={"requests": {"cpu": "500"}}),),
    ),
    "no-node": World(
        link="pods",
        says=r"fits on no node: .*didn't match Pod's node affinity/selector",
        fix="correct nodeSelector or tolerations in apps/{app}/values.yaml",
        objects=(deployment(pod={"nodeSelector": {"disk": "golden"}}),),
    ),
    "own-key": World(
        link="pods",
        says=r"asks for configuration that is not there .*couldn't find key REDIS_URL in Secret",
        fix="dagger call --app-secrets=env://REDIS_URL secrets --service={app}",
        settings=own_secret,
        before=({**SECRET, "metadata": {"name": "own"}},),
        objects=(deployment(env=key_of("secret", "own", "REDIS_URL")),),
    ),
    "own-secret": World(
        link="pods",
        says=r'secret "own" not found',
        fix="dagger call secrets --service={app}",
        settings=own_secret,
        objects=(deployment(envFrom=[{"secretRef": {"name": "own"}}]),),
    ),
    "key": World(
        link="pods",
        says=r"couldn't find key B in Secret",
        fix="""kubectl -n {app} patch secret keys -p '{{"stringData":{{"B":"VALUE"}}}}'""",
        before=(SECRET,),
        objects=(deployment(env=key_of("secret", "keys", "B")),),
    ),
    "config-map": World(
        link="pods",
        says=r'configmap "settings" not found',
        fix="kubectl -n {app} create configmap settings --from-literal=KEY=VALUE",
        objects=(deployment(envFrom=[{"configMapRef": {"name": "settings"}}]),),
    ),
    "volume": World(
        link="pods",
        says=r'waits for a volume: MountVolume.SetUp failed .*secret "cert" not found',
        fix="kubectl -n {app} create secret generic cert --from-literal=KEY=VALUE",
        objects=(
            deployment(
                pod={"volumes": [{"name": "c", "secret": {"secretName": "cert"}}]},
                volumeMounts=[{"name": "c", "mountPath": "/c"}],
            ),
        ),
    ),
    "no-registry": World(
        link="pods",
        says=r"container side of pod .* cannot pull its image: the node does not reach the registry",
        fix="curl -sS https://",
        objects=(
            deployment(
                pod={
                    "initContainers": [
                        {"name": "side", "image": "10.86.0.1:5999/nobody/side:1", "command": ["true"]}
                    ]
                }
            ),
        ),
    ),
    "wrong-port": World(
        link="health",
        says=r"/health on port 4001 is not healthy: .*the workload declares port 4000",
        fix="write services.{app}.health.port: 4000 to slipway.yaml",
        settings=elsewhere,
    ),
    "wrong-path": World(
        link="health",
        says=r"/healthz on port 4000 is not healthy: pod \S+: HTTP 404",
        fix="write the right services.{app}.health.path to slipway.yaml",
        settings=lambda target: replace(target, health_path="/healthz"),
    ),
    "ill": World(
        link="health",
        says=r"/health on port 4000 is not healthy: pod \S+: HTTP 503",
        fix="dagger call logs --service={app} --tail=50",
        objects=(deployment(env=ENV_503, readinessProbe={"tcpSocket": {"port": PORT}}),),
    ),
    "paused": World(
        link="workload",
        says=r"deployment/\S+ is paused \(spec.paused\)",
        fix="kubectl -n {app} rollout resume deployment/{app}",
        objects=({**deployment(), "spec": {**deployment()["spec"], "paused": True}},),
    ),
    "scaled": World(
        link="workload",
        says=r"is scaled to 0",
        fix="kubectl -n {app} scale deployment/{app} --replicas=1",
        objects=({**deployment(), "spec": {**deployment()["spec"], "replicas": 0}},),
    ),
}


@pytest.mark.parametrize("name", WORLDS)
async def test_the_first_broken_link_is_named_with_its_fix(
    worlds: Worlds, kube: KubeClient, name: str
) -> None:
    await worlds.check(name, kube)
