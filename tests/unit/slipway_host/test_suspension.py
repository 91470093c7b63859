import json
from dataclasses import replace
from typing import Any

import pytest

from slipway_host import suspension, undo
from slipway_host.application import GROUP, Application
from slipway_host.applications import KubernetesApplications
from slipway_host.errors import AccessDeniedError, ConflictError, DeadlineError, UnknownOutcomeError
from slipway_host.progress import silent
from slipway_host.results import Status
from slipway_host.settings import SecretsSettings
from slipway_host.suspension import ANNOTATION, SKIP, TRACKING, Suspension
from support.kube import FakeKube
from support.target import api_target

TARGET = api_target(
    environment="dev",
    commit="c" * 40,
    repository="r.invalid/acme/api",
    namespace="n",
    values="x",
    health_port=80,
    secrets=SecretsSettings(name="s"),
)
APPS = f"{GROUP}/namespaces/argocd/applications"
AUTOMATED = {"prune": True, "selfHeal": True, "allowEmpty": False}
WANTED = Suspension(automated=None, skip=None, by="ann", since="now", goal="api-1")


def application(**metadata: Any) -> dict[str, Any]:
    return {
        "metadata": {"name": "api", "namespace": "argocd", **metadata},
        "spec": {"syncPolicy": {"automated": dict(AUTOMATED), "retry": {"limit": 2}}},
    }


def managed() -> dict[str, Any]:
    return application(annotations={TRACKING: "root:argoproj.io/Application:argocd/api"})


def by(kube: FakeKube) -> KubernetesApplications:
    return KubernetesApplications(kube)  # type: ignore[arg-type]


async def suspend(kube: FakeKube, wanted: Suspension = WANTED, *, deadline_s: float = 5) -> str:
    return await suspension.suspend(by(kube), TARGET, wanted, report=silent, deadline_s=deadline_s)


async def resume(kube: FakeKube) -> Status:
    done = await undo.resume(by(kube), TARGET, report=silent, deadline_s=5)
    return done.status


def there(kube: FakeKube) -> dict[str, Any]:
    return kube.objects[f"{APPS}/api"]


async def test_a_second_suspension_keeps_what_the_first_one_remembered(kube: FakeKube) -> None:
    kube.put(f"{APPS}/api", application())
    await suspend(kube)
    await suspend(kube, replace(WANTED, by="bob", goal="api-2"))
    writes = len(kube.writes)
    await suspend(kube, replace(WANTED, by="bob", goal="api-2"))

    remembered = json.loads(there(kube)["metadata"]["annotations"][ANNOTATION])
    assert len(kube.writes) == writes
    assert remembered == {
        "automated": AUTOMATED,
        "skip": None,
        "by": "ann",
        "since": "now",
        "goal": "api-2",
    }
    assert there(kube)["spec"]["syncPolicy"]["automated"] is None
    assert there(kube)["spec"]["syncPolicy"]["retry"] == {"limit": 2}


async def test_resume_puts_back_exactly_what_was_once(kube: FakeKube) -> None:
    kube.put(f"{APPS}/api", managed())
    assert await suspend(kube) == "root"
    assert there(kube)["metadata"]["annotations"][SKIP] == "true"

    assert await resume(kube) is Status.SUCCEEDED
    assert there(kube)["spec"]["syncPolicy"]["automated"] == AUTOMATED
    assert there(kube)["metadata"]["annotations"][SKIP] is None
    assert await resume(kube) is Status.SKIPPED


async def test_an_application_without_automated_sync_gets_none_by_resume(kube: FakeKube) -> None:
    body = application()
    del body["spec"]["syncPolicy"]
    kube.put(f"{APPS}/api", body)
    await suspend(kube)
    await resume(kube)
    assert all("spec" not in patch for patch in kube.patches)


async def test_a_lost_answer_and_a_rival_are_read_again(kube: FakeKube) -> None:
    kube.put(f"{APPS}/api", application())
    kube.before["patch"] = [lambda: kube.put(f"{APPS}/api", application(labels={"x": "y"}))]
    kube.after["patch"] = [UnknownOutcomeError("lost")]
    await suspend(kube)
    assert suspension.read(Application(there(kube))) is not None
    assert there(kube)["metadata"]["labels"] == {"x": "y"}


async def test_an_operation_that_had_begun_is_waited_for(kube: FakeKube) -> None:
    body = application()
    body["operation"] = {"initiatedBy": {"automated": True}}
    kube.put(f"{APPS}/api", body)
    with pytest.raises(DeadlineError, match=r"has not ended in 0.2 s; .* and the workload not touched"):
        await suspend(kube, deadline_s=0.2)


async def test_what_an_applicationset_makes_is_refused_untouched(kube: FakeKube) -> None:
    kube.put(f"{APPS}/api", application(ownerReferences=[{"kind": "ApplicationSet", "name": "all"}]))
    with pytest.raises(ConflictError, match="made by ApplicationSet all"):
        await suspend(kube)
    assert kube.writes == []


async def test_a_label_counts_as_tracking_only_where_it_names_an_application(kube: FakeKube) -> None:
    labelled = Application(application(labels={"app.kubernetes.io/instance": "root"}))
    assert await suspension.manager(by(kube), labelled) == ""
    kube.put(f"{APPS}/root", application())
    assert await suspension.manager(by(kube), labelled) == "root"
    kube.before["find"] = [AccessDeniedError("no")]
    assert await suspension.manager(by(kube), labelled) == "root"


async def test_a_tracking_mark_that_was_copied_from_another_is_none(kube: FakeKube) -> None:
    copied = Application(application(annotations={TRACKING: "root:argoproj.io/Application:argocd/other"}))
    assert await suspension.manager(by(kube), copied) == ""


def test_an_annotation_that_cannot_be_read_is_not_guessed() -> None:
    with pytest.raises(ConflictError, match="slipway/suspended of api cannot be read"):
        suspension.read(Application(application(annotations={ANNOTATION: "{"})))
