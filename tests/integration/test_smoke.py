"""R14's smoke test Job on the lab's cluster, beside an old pod of the same image that is still alive."""

import secrets
import time
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any, cast

import anyio
import pytest

from slipway_host import job_manifest
from slipway_host.diagnosis_case import BrokenLinkError, Case, Unknown
from slipway_host.diagnosis_cluster import smoked
from slipway_host.errors import DeadlineError, DeliveryError, HealthDegradedError, SmokeTestError
from slipway_host.kube import KubeClient
from slipway_host.kube_http import Json
from slipway_host.results import StageResult, Status
from slipway_host.revision_job import Revision
from slipway_host.settings import SmokeSettings, Target
from slipway_host.smoke import smoke
from slipway_host.together import together
from slipway_host.workload import Workload, read_workload
from slipway_lab.kubernetes import apply, kubectl
from slipway_lab.layout import Layout
from support.revision_pods import REPOSITORY, TAG, old_and_new, pods_of
from support.target import api_target

SECRET = "canary-4711"
SERVER = """
import http.server, os
class H(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(os.environ["ANSWER"].encode())
    def log_message(self, *a): pass
http.server.ThreadingHTTPServer(("", 4000), H).serve_forever()
"""
ASK = """
import os, urllib.request
for url in os.environ["SMOKE_URLS"].split():
    print(url, "answers", urllib.request.urlopen(url, timeout=5).read().decode())
"""


@pytest.fixture(scope="module")
def place(layout: Layout) -> Iterator[str]:
    """The namespace, with an old and a new pod, both ready."""
    name = f"smoke{secrets.token_hex(3)}"
    old_and_new(layout, name, SERVER)
    secret = {"metadata": {"name": "api-secrets", "namespace": name}, "stringData": {"TOKEN": SECRET}}
    apply(layout, {"apiVersion": "v1", "kind": "Secret", **secret})
    yield name
    kubectl(layout, "delete", "namespace", name, "--wait=false")


@pytest.fixture
def target(place: str) -> Target:
    return api_target(
        environment="dev", repository=REPOSITORY, image_tag=TAG, namespace=place, smoke=script(ASK)
    )


@pytest.fixture
def revision(layout: Layout, place: str) -> Revision:
    status = pods_of(layout, place, "app=api")[0]["status"]["containerStatuses"][0]
    return Revision(status["imageID"].partition("@")[2])


def script(text: str, *, timeout_s: int = 60, **more: object) -> SmokeSettings:
    command = ("python3", "-uc", text)
    return replace(SmokeSettings(command=command, timeout_s=timeout_s, run_as_user=65534), **more)  # type: ignore[arg-type]


async def run(
    kube: KubeClient,
    target: Target,
    revision: Revision,
    settings: SmokeSettings | None = None,
    *,
    lines: list[str] | None = None,
    again: bool = False,
) -> StageResult:
    report = (lines if lines is not None else []).append
    chosen = replace(target, smoke=settings or target.smoke)
    return await smoke(kube, chosen, revision, run_id=f"r{secrets.token_hex(2)}", report=report, again=again)


async def jobs(kube: KubeClient, target: Target) -> list[Json]:
    return await kube.list(job_manifest.collection(target))


async def test_only_new_pods_are_asked_and_what_has_passed_runs_again_on_request_alone(
    kube: KubeClient, layout: Layout, target: Target, revision: Revision
) -> None:
    serving = pods_of(layout, target.namespace, "app=api")
    assert len(serving) == 2  # one of them old, of the same image, and ready
    lines: list[str] = []
    assert (await run(kube, target, revision, lines=lines)).status is Status.SUCCEEDED
    said = [line for line in lines if "answers" in line]
    assert len(said) == 1
    assert said[0].endswith(":4000 answers new")

    before = [job["metadata"]["uid"] for job in await jobs(kube, target)]
    assert (await run(kube, target, revision)).status is Status.SKIPPED
    assert [job["metadata"]["uid"] for job in await jobs(kube, target)] == before
    assert (await run(kube, target, revision, again=True)).status is Status.SUCCEEDED
    (after,) = [job["metadata"]["uid"] for job in await jobs(kube, target)]
    assert after not in before
    # The Deployment has not taken the Job's pod for its own.
    assert len(pods_of(layout, target.namespace, "app=api")) == 2


async def test_a_failed_test_ends_with_its_last_words_and_without_the_secret_that_it_was_given(
    kube: KubeClient, target: Target, revision: Revision
) -> None:
    broken = script(
        "import os, sys; print('GET /scores answers 500 to', os.environ['TOKEN']); sys.exit(3)",
        secret_keys=("TOKEN",),
    )
    for _ in range(2):
        with pytest.raises(HealthDegradedError) as caught:
            await run(kube, target, revision, broken)
        assert "ended with exit code 3; its last words: GET /scores answers 500 to ***" in str(caught.value)
        assert "Next: kubectl --namespace" in str(caught.value)
        assert SECRET not in str(caught.value)


async def test_diagnose_says_how_the_test_of_this_revision_has_ended(
    kube: KubeClient, target: Target, revision: Revision
) -> None:
    async def link(settings: SmokeSettings | None) -> str | Unknown | None:
        case = Case(
            target=replace(target, smoke=settings),
            kube=kube,
            applications=cast("Any", None),
            git=cast("Any", None),
            registry=cast("Any", None),
            digest=revision.digest,
        )
        case.workload = cast("Workload", await read_workload(kube, case.target))
        return await smoked(case)

    assert await link(None) is None
    good, bad = script(ASK, memory="65Mi"), script("raise SystemExit(1)", memory="66Mi")
    unknown = await link(good)
    assert isinstance(unknown, Unknown)
    assert "has not run" in unknown.said
    await run(kube, target, revision, good)
    assert str(await link(good)).endswith(" has passed")
    with pytest.raises(HealthDegradedError):
        await run(kube, target, revision, bad)
    with pytest.raises(BrokenLinkError) as caught:
        await link(bad)
    assert caught.value.cause.endswith(" has failed: BackoffLimitExceeded")
    assert caught.value.next_command.startswith("dagger call smoke --service=api")


async def test_what_cannot_run_is_told_in_time_and_what_takes_too_long_is_stopped(
    kube: KubeClient, target: Target, revision: Revision
) -> None:
    errors: dict[str, tuple[DeliveryError, float]] = {}

    async def failing(name: str, settings: SmokeSettings) -> None:
        began = time.monotonic()
        with pytest.raises(DeliveryError) as caught:
            await run(kube, target, revision, settings)
        errors[name] = caught.value, time.monotonic() - began

    cases = {
        "image": script(ASK, image="registry.invalid/acme/none:1"),
        "program": SmokeSettings(command=("/app/smoke",), run_as_user=65534),
        "root": SmokeSettings(command=("/usr/bin/true",)),
        "memory": script("print('filling'); b'x' * (200 << 20); print('full')", memory="32Mi"),
        "slow": script("import time; print('begun'); time.sleep(600)", timeout_s=5),
    }
    await together(*(partial(failing, name, settings) for name, settings in cases.items()))
    words = {
        "image": (SmokeTestError, "cannot pull its image"),
        "program": (SmokeTestError, "could not start: "),
        "root": (SmokeTestError, "asks for configuration that is not there"),
        "memory": (HealthDegradedError, "ended with exit code 137 (OOMKilled); its last words: filling"),
        "slow": (DeadlineError, "stopped after 5 s; its last words: begun"),
    }
    for name, (kind, said) in words.items():
        error, seconds = errors[name]
        assert type(error) is kind, f"{name}: {error}"
        assert said in str(error)
        assert seconds < 20, f"{name}: {seconds}"
    # What never began is gone: it could begin when nobody expects it any more.
    left = {job["spec"]["template"]["spec"]["containers"][0]["image"] for job in await jobs(kube, target)}
    assert "registry.invalid/acme/none:1" not in left


async def test_a_cancelled_run_leaves_neither_job_nor_pod(
    kube: KubeClient, layout: Layout, target: Target, revision: Revision
) -> None:
    slow = script("import time; print('begun'); time.sleep(600)  # cancelled")
    before = {job["metadata"]["uid"] for job in await jobs(kube, target)}
    with anyio.move_on_after(30) as hurried:

        def cancel(line: str) -> None:
            if line == "smoke: begun":
                hurried.cancel()

        await smoke(kube, replace(target, smoke=slow), revision, run_id="r", report=cancel)
    assert hurried.cancelled_caught
    assert {job["metadata"]["uid"] for job in await jobs(kube, target)} == before
    left = [pod for pod in pods_of(layout, target.namespace, "") if "# cancelled" in str(pod["spec"])]
    with anyio.fail_after(20):
        while not all("deletionTimestamp" in pod["metadata"] for pod in left):
            await anyio.sleep(0.2)
            left = [pod for pod in pods_of(layout, target.namespace, "") if "# cancelled" in str(pod["spec"])]


async def test_a_quota_that_leaves_no_room_is_named(
    kube: KubeClient, layout: Layout, target: Target, revision: Revision
) -> None:
    quota = {"metadata": {"name": "full", "namespace": target.namespace}, "spec": {"hard": {"pods": "0"}}}
    apply(layout, {"apiVersion": "v1", "kind": "ResourceQuota", **quota})
    try:
        with pytest.raises(SmokeTestError, match=r"gets no pod: .*exceeded quota: full"):
            await run(kube, target, revision, script("print('quota')"))
    finally:
        kubectl(layout, "-n", target.namespace, "delete", "resourcequota", "full")
