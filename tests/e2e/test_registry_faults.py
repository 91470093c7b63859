"""Faults C 22 to 29: a registry that fails while the engine pushes, by a script before the real one."""

import pytest

from slipway_lab.layout import REGISTRY
from support.app import App, Call
from support.faults import Fault, faulty

# Not 5999, at which others have a registry that is nowhere.
PORT = 5998
PROXY = f"10.86.0.1:{PORT}"


def push(app: App, *faults: Fault) -> tuple[Call, list[Fault]]:
    """Push a commit of its own through the proxy; return how it ended and which faults were met."""
    app.edit("main.go", "package main", "package main\n")
    with faulty(app.layout, REGISTRY, PORT, *faults) as asked:
        said = app.call("push")
    return said, [fault for _, _, fault in asked if fault]


@pytest.fixture(scope="module", autouse=True)
def through_the_proxy(app: App) -> None:
    """Go through the proxy, with an image that takes no time to build."""
    (app.folder / "Dockerfile").write_text(
        "FROM gcr.io/distroless/static-debian13:nonroot\nARG REVISION\nCOPY main.go /main.go\n"
    )
    app.edit("slipway.yaml", REGISTRY, PROXY)


MANIFEST = {"method": "PUT", "path": "/manifests/"}
BLOB = {"method": "PUT", "path": "/blobs/uploads/"}


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param({**MANIFEST, "status": 503, "times": 2}, id="503-twice"),
        pytest.param({**MANIFEST, "status": 500, "times": 1}, id="500"),
        pytest.param({**MANIFEST, "status": 429, "headers": {"Retry-After": "1"}, "times": 1}, id="429"),
        pytest.param({**BLOB, "cut": 1000, "times": 1}, id="cut-in-a-layer"),
        pytest.param({**MANIFEST, "cut": 10, "times": 1}, id="cut-in-the-manifest"),
        pytest.param({**MANIFEST, "mute": True, "times": 1}, id="answer-lost"),
    ],
)
def test_passing_fault_is_survived(app: App, fault: Fault) -> None:
    said, met = push(app, fault)
    assert said.code == 0, said.error
    assert met, "the fault was never met: the test proves nothing"
    assert f"{PROXY}/mosuon/{app.name}@sha256:" in said.out


@pytest.mark.parametrize("status", [401, 403])
def test_denied_push_is_not_tried_again(app: App, status: int) -> None:
    said, met = push(app, {**MANIFEST, "status": status, "times": 100})
    assert said.code == 1
    assert f"push: registry {PROXY} does not let user 'mosuon-ci' push" in said.error, said.error
    assert "Landed: nothing" in said.error
    # The engine itself asks once more with fresh credentials.
    assert len(met) <= 3


def test_registry_that_stays_broken_ends_after_a_few_tries(app: App) -> None:
    said, met = push(app, {**MANIFEST, "status": 503, "times": 1000})
    assert said.code == 1
    assert f"push: registry {PROXY} did not take" in said.error, said.error
    assert len(met) >= 5
