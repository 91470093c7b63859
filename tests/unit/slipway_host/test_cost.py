"""What services cost, computed by hand, and what is said where something is not known."""

import json
from decimal import Decimal
from typing import Any

import pytest

from slipway_host import cost, cost_text
from slipway_host.errors import AccessDeniedError, ServiceUnavailableError
from slipway_host.expense import Expense
from slipway_host.pricing import Prices
from slipway_host.results import StageResult, Status
from support.target import api_target

OURS = Prices(cpuCoreHour=0.02, memoryGibHour=0.01, currency="EUR")
PATH = "/apis/apps/v1/namespaces/mosuon"
Json = dict[str, Any]


def spec(cpu: str = "100m", memory: str = "512Mi") -> Json:
    return {"containers": [{"name": "api", "resources": {"requests": {"cpu": cpu, "memory": memory}}}]}


def replica_set(number: int, pod: Json) -> Json:
    meta = {
        "name": f"api-{number}",
        "uid": f"rs{number}",
        "ownerReferences": [{"uid": "d"}],
        "annotations": {"deployment.kubernetes.io/revision": str(number)},
    }
    return {"metadata": meta, "spec": {"template": {"spec": pod}}}


class Cluster:
    """A Deployment of two pods, in the API's own shape."""

    def __init__(self, *revisions: Json) -> None:
        now = (revisions or (spec(),))[-1]
        self.objects: dict[str, Any] = {
            f"{PATH}/deployments/api": {
                "metadata": {"name": "api", "uid": "d", "generation": 1},
                "spec": {
                    "replicas": 2,
                    "selector": {"matchLabels": {"app": "api"}},
                    "template": {"spec": now},
                },
            },
            f"{PATH}/replicasets": [replica_set(at + 1, one) for at, one in enumerate(revisions)],
            "/api/v1/namespaces/mosuon/pods": [],
            "/apis/autoscaling/v2/namespaces/mosuon/horizontalpodautoscalers": [],
            "/api/v1/nodes": [{"status": {"allocatable": {"cpu": "4", "memory": "8Gi"}}}],
        }

    async def find(self, path: str) -> Json | None:
        found: Json | None = self.objects.get(path)
        return found

    async def list(self, path: str, *, selector: str = "", fields: str = "") -> list[Json]:  # noqa: ARG002
        found = self.objects[path]
        if isinstance(found, Exception):
            raise found
        return list(found)


async def spent(cluster: Cluster, **changes: Any) -> Expense:
    target = api_target(**{"prices": OURS, **changes})
    (found,) = await cost.expenses([target], kube=cluster)  # type: ignore[arg-type]
    return found


async def test_requests_of_all_pods_cost_what_an_hour_does_730_times() -> None:
    found = await spent(Cluster(spec(cpu="100m", memory="512Mi")))
    # 2 pods, each (0.1 * 0.02 + 0.5 * 0.01) an hour, 730 hours
    assert found.cost("requests", 2) == Decimal("10.22")
    assert found.cost("limits", 2) is None
    assert found.share == {"cpu": 0.05, "memory": 0.125}
    text = cost_text.screen([found], environment="prod")
    assert "Deployment/api in namespace mosuon: 2 pods\n" in text
    assert "requests  10.22 EUR a month\n" in text
    assert "limits    no upper bound: a container has no limit\n" in text
    assert "2 pods: 5.0 % of cpu, 12.5 % of memory that all nodes offer" in text
    assert "example" not in text.lower()


async def test_example_prices_are_called_so_wherever_money_is() -> None:
    found = await spent(Cluster(spec(), spec(cpu="200m")), prices=None)
    text = cost_text.screen([found, found], environment="prod")
    money = [line for line in text.splitlines() if " USD " in line]
    assert len(money) == 6
    assert all("example prices" in line or "EXAMPLE PRICES" in line for line in money)
    document = cost_text.document([found], environment="prod")
    assert document["prices"]["examples"] is True
    assert document["services"][0]["lastRollout"]["examplePrices"] is True


async def test_an_autoscaler_makes_it_a_range() -> None:
    cluster = Cluster(spec(cpu="100m", memory="512Mi"))
    scaled = {"kind": "Deployment", "name": "api"}
    other = {
        "metadata": {"name": "x"},
        "spec": {"scaleTargetRef": {**scaled, "name": "ui"}, "maxReplicas": 99},
    }
    own = {"metadata": {"name": "api-hpa"}, "spec": {"scaleTargetRef": scaled, "maxReplicas": 5}}
    path = "/apis/autoscaling/v2/namespaces/mosuon/horizontalpodautoscalers"
    cluster.objects[path] = [other, own]
    found = await spent(cluster)
    assert (found.replicas.now, found.replicas.least, found.replicas.most) == (2, 1, 5)
    text = cost_text.screen([found], environment="prod")
    assert "2 pods, autoscaler api-hpa scales them from 1 to 5" in text
    assert "10.22 EUR a month, 5.11 to 25.55 as it scales\n" in text


async def test_what_runs_counts_with_what_the_cluster_added_to_it() -> None:
    cluster = Cluster(spec())
    injected = {**spec(), "initContainers": [{"name": "mesh", "restartPolicy": "Always"}]}
    injected["initContainers"][0]["resources"] = {"requests": {"cpu": "1", "memory": "1Gi"}}
    meta = {"name": "p", "ownerReferences": [{"uid": "rs1"}], "creationTimestamp": "2026-11-24T00:00:00Z"}
    cluster.objects["/api/v1/namespaces/mosuon/pods"] = [{"metadata": meta, "spec": injected}]
    found = await spent(cluster)
    assert found.pod is not None
    assert found.pod.requests["cpu"] == Decimal("1.1")


async def test_what_asks_for_nothing_is_not_free() -> None:
    found = await spent(Cluster({"containers": [{"name": "api"}]}))
    text = cost_text.screen([found], environment="prod")
    assert "  not free: container api requests no cpu and no memory, and takes what the node has left" in text


async def test_the_last_rollout_is_the_difference_of_the_two_newest_revisions() -> None:
    cluster = Cluster(spec(cpu="1"), spec(), spec(cpu="200m", memory="1Gi"))
    found = await spent(cluster)
    assert found.change is not None
    # 2 pods, each (0.1 * 0.02 + 0.5 * 0.01) an hour more, 730 hours
    assert cost_text.change_line(found.change, OURS, 2) == (
        "a pod's cpu 100m → 200m, memory 512Mi → 1Gi: +10.22 EUR a month for 2 pods"
    )
    assert "last rollout: revision 2 to 3, a pod's cpu" in cost_text.screen([found], environment="prod")
    same = await spent(Cluster(spec(), spec()))
    assert "revision 1 to 2, requests and limits as before" in cost_text.screen([same], environment="prod")
    assert (await spent(Cluster(spec()))).change is None


async def test_limits_alone_cost_nothing() -> None:
    limited = spec()
    limited["containers"][0]["resources"]["limits"] = {"cpu": "1"}
    found = await spent(Cluster(spec(), limited))
    assert found.change is not None
    line = cost_text.change_line(found.change, OURS, 2)
    assert line == "a pod's cpu limit none → 1, at the same cost"


async def test_what_may_not_be_read_is_said_in_its_place() -> None:
    cluster = Cluster(spec())
    denied = AccessDeniedError("ServiceAccount deployer may not list it")
    cluster.objects["/api/v1/nodes"] = denied
    cluster.objects["/apis/autoscaling/v2/namespaces/mosuon/horizontalpodautoscalers"] = denied
    found = await spent(cluster)
    assert found.cost("requests", 2) == Decimal("10.22")
    assert found.share is None
    text = cost_text.screen([found], environment="prod")
    assert "unknown: whether an autoscaler changes the number of pods: ServiceAccount deployer" in text
    assert "unknown: which share of the nodes that is: ServiceAccount deployer" in text


async def test_a_service_that_is_not_there_hides_no_other() -> None:
    cluster = Cluster(spec())
    targets = [api_target(prices=OURS, service="ghost", workload_name="ghost"), api_target(prices=OURS)]
    found = await cost.expenses(targets, kube=cluster)  # type: ignore[arg-type]
    text = cost_text.screen(found, environment="prod")
    assert "ghost in prod:\n  unknown: Deployment/ghost does not exist in namespace mosuon" in text
    assert "together: 10.22 EUR a month for what is requested, without 1 unknown" in text
    document = cost_text.document(found, environment="prod")
    assert "problem" in document["services"][0]
    assert document["services"][1]["perMonth"]["requests"] == {"now": 10.22, "least": 10.22, "most": 10.22}
    assert json.loads(json.dumps(document)) == document


def rolled_out(status: Status = Status.SUCCEEDED) -> StageResult:
    return StageResult(stage="rollout", status=status, summary="all 2 pods are updated", outputs={"pods": []})


async def test_a_rollout_tells_what_it_changed_and_only_that() -> None:
    target = api_target(prices=OURS)
    grown = Cluster(spec(), spec(cpu="200m"))
    found = await cost.noted(grown, target, rolled_out())  # type: ignore[arg-type]
    assert found.summary == ("all 2 pods are updated; a pod's cpu 100m → 200m: +2.92 EUR a month for 2 pods")
    assert found.outputs["resources"] == {
        "fromRevision": 1,
        "toRevision": 2,
        "before": {
            "requests": {"cpu": 0.1, "memory": 536870912.0},
            "limits": {"cpu": None, "memory": None},
        },
        "after": {
            "requests": {"cpu": 0.2, "memory": 536870912.0},
            "limits": {"cpu": None, "memory": None},
        },
        "pods": 2,
        "morePerMonth": 2.92,
        "currency": "EUR",
        "examplePrices": False,
    }
    for cluster, before in (
        (Cluster(spec(), spec()), rolled_out()),
        (Cluster(spec()), rolled_out()),
        (grown, rolled_out(Status.SKIPPED)),
    ):
        assert await cost.noted(cluster, target, before) == before  # type: ignore[arg-type]


async def test_a_rollout_does_not_fail_for_its_price() -> None:
    broken = Cluster(spec(), spec(cpu="a lot"))
    assert await cost.noted(broken, api_target(), rolled_out()) == rolled_out()  # type: ignore[arg-type]
    silent = Cluster(spec())
    silent.objects[f"{PATH}/replicasets"] = ServiceUnavailableError("no answer")
    assert await cost.noted(silent, api_target(), rolled_out()) == rolled_out()  # type: ignore[arg-type]


@pytest.mark.parametrize("currency", ["euro", "€", "eur", ""])
def test_a_currency_is_three_letters(currency: str) -> None:
    with pytest.raises(ValueError, match="currency"):
        Prices(cpuCoreHour=1.0, memoryGibHour=1.0, currency=currency)
