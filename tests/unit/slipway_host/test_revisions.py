from typing import Any

import pytest

from slipway_host import revisions
from slipway_host.errors import NotFoundError
from slipway_host.revisions import Revision
from slipway_host.workload import Workload


def pod(image: str, **labels: str) -> dict[str, Any]:
    return {
        "metadata": {"labels": {"app": "api", **labels}, "creationTimestamp": None},
        "spec": {"containers": [{"name": "api", "image": image}]},
    }


def replica_set(number: int, image: str) -> Revision:
    body = {
        "metadata": {"name": f"api-{number}"},
        "spec": {"replicas": 0, "template": pod(image, **{"pod-template-hash": str(number)})},
    }
    return Revision(number=number, name=f"api-{number}", images=(image,), body=body, kind="json")


FOUND = [replica_set(number, f"r/api:{number}") for number in (7, 6, 3)]


def test_the_one_before_now_is_the_default_and_a_name_or_number_goes_before_it() -> None:
    def picked(number: int, name: str) -> int:
        return revisions.pick(FOUND, number=number, name=name, what="Deployment/api").number

    assert picked(0, "") == 6
    assert picked(0, "api-3") == 3
    assert picked(7, "api-3") == 7


@pytest.mark.parametrize(
    ("number", "found", "said"), [(9, FOUND, "no revision 9"), (0, FOUND[:1], "no earlier")]
)
def test_what_is_not_there_is_refused_with_what_is(number: int, found: list[Revision], said: str) -> None:
    with pytest.raises(NotFoundError, match=rf"{said}.*there are revision 7 \(r/api:7\)"):
        revisions.pick(found, number=number, name="", what="Deployment/api")


def test_a_deployments_patch_is_its_pods_and_never_their_number() -> None:
    (operation,) = FOUND[1].patch()
    assert operation == {
        "op": "replace",
        "path": "/spec/template",
        "value": pod("r/api:6"),
    }


def test_a_workload_that_has_the_pods_already_is_recognised() -> None:
    workload = Workload(body={"spec": {"template": pod("r/api:6")}}, replica_sets=(), pods=())
    assert revisions.asked_for(workload, FOUND[1])
    assert not revisions.asked_for(workload, FOUND[0])


def test_a_statefulsets_patch_is_the_one_that_its_controller_keeps() -> None:
    data = {"spec": {"template": {**pod("r/api:1"), "$patch": "replace"}}}
    one = Revision(number=1, name="a", images=("r/api:1",), body={"data": data}, kind="strategic")
    assert one.patch() == data
    workload = Workload(body={"spec": {"template": pod("r/api:1")}}, replica_sets=(), pods=())
    assert revisions.asked_for(workload, one)
