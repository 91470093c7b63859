"""R26's load check on the lab's cluster, by the real Vegeta, beside an old pod that would spoil it."""

import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any, cast

import anyio
import pytest

from slipway_host import job_manifest
from slipway_host.diagnosis_case import BrokenLinkError, Case, Unknown
from slipway_host.diagnosis_cluster import loaded
from slipway_host.errors import DeliveryError, LoadCheckError, OverBudgetError
from slipway_host.kube import KubeClient
from slipway_host.kube_http import Json
from slipway_host.load import load
from slipway_host.results import StageResult, Status
from slipway_host.revision_job import Revision
from slipway_host.settings import LoadSettings, Target
from slipway_host.together import together
from slipway_host.workload import Workload, read_workload
from slipway_lab.kubernetes import kubectl
from slipway_lab.layout import Layout
from support.load import budget, settings
from support.revision_pods import REPOSITORY, TAG, old_and_new, pods_of
from support.target import api_target

SERVER = """
import http.server, itertools, os, time
count = itertools.count()
class H(http.server.BaseHTTPRequestHandler):
    protocol_version, disable_nagle_algorithm = "HTTP/1.1", True
    def do_GET(self):
        if self.path == "/slow?by=0.3":
            time.sleep(0.3)
        bad = os.environ["ANSWER"] == "old" or (self.path == "/flaky" and next(count) % 4 == 0)
        self.send_response(503 if bad and self.path != "/" else 200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")
    def log_message(self, *a): pass
http.server.ThreadingHTTPServer(("", 4000), H).serve_forever()
"""
FAST = settings(path="/fast", rate_per_s=20, duration_s=3, budget=budget(p95Ms=5000))
SLOW = replace(FAST, path="/slow?by=0.3", budget=budget(p50Ms=200))


@pytest.fixture(scope="module")
def place(layout: Layout) -> Iterator[str]:
    """The namespace, with an old pod that answers 503 and a new one, both ready."""
    name = f"load{secrets.token_hex(3)}"
    old_and_new(layout, name, SERVER)
    yield name
    kubectl(layout, "delete", "namespace", name, "--wait=false")


@pytest.fixture
def target(place: str) -> Target:
    return api_target(environment="dev", repository=REPOSITORY, image_tag=TAG, namespace=place)


@pytest.fixture
def revision(layout: Layout, place: str) -> Revision:
    status = pods_of(layout, place, "app=api")[0]["status"]["containerStatuses"][0]
    return Revision(status["imageID"].partition("@")[2])


async def run(
    kube: KubeClient, target: Target, revision: Revision, given: LoadSettings, *, again: bool = False
) -> StageResult:
    chosen = replace(target, load=given)
    return await load(kube, chosen, revision, run_id="r", report=lambda _: None, again=again)


async def uids(kube: KubeClient, target: Target) -> set[str]:
    return {job["metadata"]["uid"] for job in await kube.list(job_manifest.collection(target))}


async def until(held: Callable[[], bool]) -> None:
    while True:
        if held():
            return
        await anyio.sleep(0.2)


async def test_new_pods_alone_are_measured_once_and_again_on_request(
    kube: KubeClient, layout: Layout, target: Target, revision: Revision
) -> None:
    assert len(pods_of(layout, target.namespace, "app=api")) == 2
    first = await run(kube, target, revision, FAST)
    assert first.status is Status.SUCCEEDED, first.summary
    figures = first.outputs["load"]
    # None of them is the old pod's 503.
    assert (figures["statusCodes"], figures["requests"], figures["failed"]) == ({"200": 60}, 60, 0)
    assert 0 < figures["p50Ms"] <= figures["p95Ms"] <= figures["p99Ms"] <= figures["maxMs"] < 5000
    assert figures["achievedPerS"] == 20

    made = await uids(kube, target)
    second = await run(kube, target, revision, FAST)
    assert (second.status, second.outputs["load"]) == (Status.SKIPPED, figures)
    assert await uids(kube, target) == made
    assert (await run(kube, target, revision, FAST, again=True)).status is Status.SUCCEEDED
    assert not await uids(kube, target) & made


async def test_slow_answers_and_errors_are_over_budget_where_that_is_enforced(
    kube: KubeClient, target: Target, revision: Revision
) -> None:
    found: dict[str, StageResult | OverBudgetError] = {}

    async def outcome(name: str, given: LoadSettings) -> None:
        try:
            found[name] = await run(kube, target, revision, given)
        except OverBudgetError as error:
            found[name] = error

    cases = {
        "slow": SLOW,
        "flaky": replace(FAST, path="/flaky"),
        "reported": replace(SLOW, duration_s=2, enforced=False),
    }
    await together(*(partial(outcome, name, given) for name, given in cases.items()))

    slow, flaky, reported = found["slow"], found["flaky"], found["reported"]
    assert isinstance(slow, OverBudgetError)
    figures = slow.outputs["load"]
    assert slow.cause.startswith(
        f"over budget: p50 {figures['p50Ms']:g} ms (at most 200 ms); 60 requests at 20/s: "
    )
    # Each begins when it is due, although those before it are not answered yet.
    assert (figures["requests"], figures["statusCodes"]) == (60, {"200": 60})
    assert 300 <= figures["p50Ms"] < 2000
    assert isinstance(flaky, OverBudgetError)
    assert flaky.outputs["load"]["statusCodes"] == {"200": 45, "503": 15}
    assert (
        "15 of 60 requests failed, 25 % (at most 1 %; 15 answered 503, 503 Service Unavailable)"
        in flaky.cause
    )
    assert isinstance(reported, StageResult)
    assert reported.status is Status.SUCCEEDED
    assert reported.summary.startswith("over budget, which dev only reports: p50 3")


async def test_a_check_that_cannot_measure_is_neither_a_pass_nor_over_budget(
    kube: KubeClient, target: Target, revision: Revision
) -> None:
    errors: dict[str, tuple[DeliveryError, float]] = {}

    async def failing(name: str, given: LoadSettings, at: Target = target) -> None:
        began = time.monotonic()
        with pytest.raises(LoadCheckError) as caught:
            await run(kube, at, revision, given)
        errors[name] = caught.value, time.monotonic() - began

    # At a port where nobody listens each request costs next to nothing, and yet there are too many.
    closed = replace(target, health_port=4001)
    await together(
        partial(failing, "image", replace(FAST, image="registry.invalid/acme/none:1")),
        partial(failing, "program", replace(FAST, image=f"{REPOSITORY}:{TAG}")),
        partial(failing, "rate", replace(FAST, rate_per_s=10_000, duration_s=2, cpu="100m"), closed),
    )
    words = {
        "image": "cannot pull its image",
        "program": "ended with exit code 127; its last words: there is no program vegeta in this image",
        "rate": "of 20000 requests were sent (",
    }
    for name, said in words.items():
        error, seconds = errors[name]
        assert said in str(error)
        assert seconds < 30, f"{name}: {seconds}"
    lenient = await run(kube, closed, revision, replace(FAST, memory="257Mi", enforced=False))
    assert lenient.status is Status.SUCCEEDED  # nobody answers, which was measured
    assert lenient.outputs["load"]["statusCodes"] == {"0": 60}


async def test_diagnose_says_what_was_measured_of_this_revision(
    kube: KubeClient, target: Target, revision: Revision
) -> None:
    async def link(given: LoadSettings | None) -> str | Unknown | None:
        nobody = cast("Any", None)
        case = Case(
            target=replace(target, load=given),
            kube=kube,
            applications=nobody,
            git=nobody,
            registry=nobody,
            digest=revision.digest,
        )
        case.workload = cast("Workload", await read_workload(kube, case.target))
        return await loaded(case)

    assert await link(None) is None
    unknown = await link(replace(FAST, path="/never"))
    assert isinstance(unknown, Unknown)
    await run(kube, target, revision, FAST)
    assert str(await link(FAST)).startswith("60 requests at 20/s: p50 ")
    # As if the budget had been tightened since, beyond what a file may say.
    tight = replace(FAST, budget=budget().model_copy(update={"p95_ms": 0}))
    with pytest.raises(BrokenLinkError, match=r"was over budget: p95 .* \(at most 0 ms\)") as caught:
        await link(tight)
    assert caught.value.next_command.startswith("dagger call load --service=api")
    assert str(await link(replace(tight, enforced=False))).startswith(
        "over budget, which is only reported: 60 "
    )


async def test_a_cancelled_run_leaves_neither_job_nor_pod(
    kube: KubeClient, layout: Layout, target: Target, revision: Revision
) -> None:
    before = await uids(kube, target)
    marked = replace(FAST, path="/cancelled", duration_s=600)

    def requested() -> list[Json]:
        found = pods_of(layout, target.namespace, "app.kubernetes.io/component=load")
        return [pod for pod in found if "/cancelled" in str(pod["spec"])]

    def requesting() -> bool:
        return any(pod["status"].get("phase") == "Running" for pod in requested())

    with anyio.fail_after(60):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(run, kube, target, revision, marked)
            await until(requesting)
            tasks.cancel_scope.cancel()
        assert await uids(kube, target) == before
        await until(lambda: all("deletionTimestamp" in pod["metadata"] for pod in requested()))
