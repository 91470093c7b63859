"""What a plan says of the gates before a new image (R21), and what binds an image to its plan."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from slipway.chain import Chain
from slipway.foreseen import gates
from slipway.trust import Means
from slipway_host.allowance import Allowed
from slipway_host.environments import Environment
from slipway_host.errors import MovedError
from slipway_host.progress import silent
from support.plan import service

pytestmark = pytest.mark.anyio

UNSIGNED, SIGNED = Means(signs=False, verifies=False), Means(signs=True, verifies=True)


def said(environment: Environment, means: Means = UNSIGNED, test: str = "") -> list[str]:
    tests = SimpleNamespace(command=test) if test else None
    work = SimpleNamespace(environment=environment, service=SimpleNamespace(test=tests))
    return list(gates(cast("Any", work), means))


def test_gates_are_those_of_the_environment() -> None:
    assert said(Environment()) == ["scan: findings are reported, and stop nothing"]
    scan = {"gate": "fail", "severity": "HIGH", "onlyNew": True}
    strict = Environment.model_validate({"scan": scan, "requireSignature": True})
    assert said(strict, Means(signs=False, verifies=True), test="go test ./...") == [
        "test: `go test ./...` has to pass",
        "scan: findings of HIGH and above that the running image has not stop the run",
        "signature: verified before the GitOps commit",
    ]
    assert said(Environment(), SIGNED)[-1].startswith("signature: signed where it is not yet")


async def test_an_image_that_came_since_the_plan_is_not_taken_for_the_planned_one() -> None:
    class Work(SimpleNamespace):
        async def pushed(self) -> Any:
            return SimpleNamespace(digest="sha256:1", manifests=frozenset())

    work = Work(name="api", address="registry.test/api:1")
    delivery = SimpleNamespace(report=silent, allowed=Allowed(service()))
    chain = Chain(cast("Any", work), cast("Any", delivery), cast("Any", None), signs=False, verifies=False)
    with pytest.raises(MovedError, match="is sha256:1, and was absent in the plan"):
        await chain._image()
