"""The walk of a diagnosis: its order, its end, and how it is told."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from slipway_host import diagnosis
from slipway_host.diagnosis import Diagnosis, diagnose
from slipway_host.diagnosis_case import BrokenLinkError, Case, Unknown
from slipway_host.errors import AccessDeniedError, DeliveryError
from support.target import api_target

if TYPE_CHECKING:
    import pytest

    from slipway_host.applications import Applications
    from slipway_host.kube import KubeClient
    from slipway_host.settings import GitSettings, RegistrySettings

TARGET = api_target()
GATES = ["tests", "build", "scan", "push"]
LINKS = [
    *("commit", *GATES, "values", "registry", "application", "sync", "workload", "pods", "health"),
    *("smoke", "load", "proof"),
]


async def walk(
    monkeypatch: pytest.MonkeyPatch, broken: dict[str, DeliveryError], *, unknown: tuple[str, ...] = ()
) -> Diagnosis:
    async def look(case: Case, name: str) -> str | Unknown:
        if name in unknown:
            return Unknown(f"nobody knows of {name}")
        if name in broken:
            raise broken[name]
        case.notes.append(f"note of {name}")
        return f"{name} holds"

    def link(name: str) -> object:
        return lambda case: look(case, name)

    assert list(diagnosis.LINKS) == LINKS
    monkeypatch.setattr(diagnosis, "LINKS", {name: link(name) for name in LINKS})
    case = Case(
        target=TARGET,
        kube=cast("KubeClient", None),
        applications=cast("Applications", None),
        git=cast("GitSettings", None),
        registry=cast("RegistrySettings", None),
    )
    return await diagnose(case)


async def test_where_all_links_hold_there_is_nothing_to_mend(monkeypatch: pytest.MonkeyPatch) -> None:
    found = await walk(monkeypatch, {})
    assert [link.name for link in found.links] == LINKS
    assert found.failure() is None
    assert found.document()["healthy"] is True
    assert "fix" not in found.text()


async def test_the_walk_ends_with_the_first_broken_link(monkeypatch: pytest.MonkeyPatch) -> None:
    broken: dict[str, DeliveryError] = {
        "registry": BrokenLinkError("no such tag.", fix="dagger call push", evidence="404"),
        "pods": BrokenLinkError("crashes", fix="x"),
    }
    found = await walk(monkeypatch, broken)
    assert [link.name for link in found.links] == ["commit", *GATES, "values", "registry"]
    document = found.document()
    assert (document["broken"], document["fix"]) == ("registry", "dagger call push")
    assert document["notes"] == [f"note of {name}" for name in ("commit", *GATES, "values")]
    lines = found.text().splitlines()
    assert lines[0] == "✓ commit       commit holds"
    assert lines[6:8] == ["✗ registry     no such tag.", "               404"]
    assert lines[-1] == "fix: dagger call push"
    failure = found.failure()
    assert failure is not None
    assert str(failure.at("diagnose")) == (
        "diagnose: registry is broken: no such tag: 404. Landed: nothing. Next: dagger call push"
    )


async def test_a_link_that_may_still_come_to_hold_is_not_called_broken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    waits = BrokenLinkError("1 of 2 pods updated", fix="dagger call diagnose", under_way=True)
    found = await walk(monkeypatch, {"pods": waits})
    assert found.text().splitlines()[10] == "… pods         1 of 2 pods updated"
    assert found.document()["healthy"] is False
    assert "pods is under way" in str(found.failure())


async def test_what_nobody_knows_is_said_and_breaks_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    found = await walk(monkeypatch, {}, unknown=("tests",))
    assert found.text().splitlines()[1] == "? tests        nobody knows of tests"
    assert found.document()["links"][1]["status"] == "unknown"
    assert (found.document()["healthy"], found.failure()) == (True, None)


async def test_a_clients_own_error_is_a_finding_with_a_command(monkeypatch: pytest.MonkeyPatch) -> None:
    found = await walk(monkeypatch, {"application": AccessDeniedError("forbidden")})
    assert found.document()["broken"] == "application"
    assert found.document()["fix"] == "dagger call diagnose --service=api"
