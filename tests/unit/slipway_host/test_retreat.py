"""What a rollback looks at before it changes anything, and what it says afterwards."""

import json
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, Self, cast

import pytest
from pydantic import SecretStr

from slipway_host import holding, retreat
from slipway_host.applications import KubernetesApplications
from slipway_host.call import Call
from slipway_host.errors import DeliveryError, NotFoundError, SettingsError
from slipway_host.loader import load_config
from slipway_host.passage import Accounts
from slipway_host.progress import silent
from slipway_host.recipe import REVISION
from slipway_host.record import Log
from slipway_host.remote_image import RemoteImage, Variant
from slipway_host.results import StageResult, Status
from slipway_host.retreat import Retreat, summary
from slipway_host.rollback import Way
from slipway_host.settings import GitSettings, RegistrySettings, SecretsSettings, SmokeSettings, Target
from slipway_host.way_back import Return, Wish
from support.load import settings
from support.target import api_target

pytestmark = pytest.mark.anyio
COMMIT, DIGEST = "aaaa1111" * 5, "sha256:" + "ab" * 32
GIT = GitSettings(url="https://h/x.git", branch="main")
REGISTRY = RegistrySettings(host="r.invalid", username="u", password=SecretStr("p"))
SIGNED = {"dev": {"requireSignature": True}}
ACCOUNTS = Accounts(registry=REGISTRY, git=GIT, postgres=cast("Any", None))


def target(name: str) -> Target:
    return api_target(
        service=name,
        app=name,
        environment="dev",
        commit="c" * 40,
        repository=f"r.invalid/acme/{name}",
        namespace="n",
        values=f"apps/{name}/values.yaml",
        workload_name=name,
        health_port=80,
        secrets=SecretsSettings(name="s"),
    )


def image(commit: str = COMMIT) -> RemoteImage:
    labels = {REVISION: commit} if commit else {}
    variant = Variant(platform="linux/amd64", digest=DIGEST, image_id=DIGEST, labels=labels)
    return RemoteImage(digest=DIGEST, variants=(variant,))


def call(*names: str, environments: dict[str, Any] | None = None) -> Call:
    """A call of a rollback whose accounts are never asked for."""

    async def nobody() -> Any:
        raise AssertionError("no account is needed")

    document = {
        "registry": "r.invalid/acme",
        "gitops": {"repository": "https://h.invalid/x.git"},
        "services": {name: {} for name in names},
        "environments": environments or {},
    }
    return Call(
        config=load_config(json.dumps(document), path="slipway.yaml"),
        environment="dev",
        targets=tuple(target(name) for name in names),
        registry=nobody,
        git=nobody,
        postgres=nobody,
        argocd_token=nobody,
        recipients=nobody,
        connect=cast("Any", None),
        report=Log(silent),
        by="ann",
        run_id="run-1",
    )


def way(**more: Any) -> Way:
    whole = {"left": "bad", "tag": "good", "source": "", "digest": "", "known": True}
    return Way(**{**whole, **more})


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The changes that were to be committed."""
    found: list[Any] = []

    async def write(changes: Any) -> None:
        found.append(changes)
        for one in changes:
            one.run.error = DeliveryError("stop here")

    async def application(*_: Any) -> Any:
        return SimpleNamespace(body={"metadata": {}}, summary=lambda: "Synced, Healthy")

    monkeypatch.setattr(retreat, "write", write)
    monkeypatch.setattr(KubernetesApplications, "read", application)
    return found


async def back(
    monkeypatch: pytest.MonkeyPatch,
    called: Call,
    ways: list[Way],
    wish: Wish | None = None,
    *,
    images: dict[str, RemoteImage | None] | None = None,
    verify: Any = None,
) -> list[Return]:
    there: dict[str, RemoteImage | None] = {one.repository: image() for one in called.targets}
    for name, found in (images or {}).items():
        there[f"r.invalid/acme/{name}"] = found

    async def known(*_: Any) -> list[Any]:
        return list(zip(called.targets, ways, strict=True))

    class Registry:
        """Has what it is told, under the tag to return to."""

        def __init__(self, _settings: Any) -> None: ...

        async def __aenter__(self) -> Self:
            return self

        async def __aexit__(self, *_: object) -> None: ...

        async def find(self, path: str, tag: str) -> RemoteImage | None:
            assert tag == "good"
            return there[f"r.invalid/{path}"]

    monkeypatch.setattr(Retreat, "_ways", known)
    monkeypatch.setattr(retreat, "RegistryClient", Registry)
    one = Retreat(called, wish or Wish(reason="500s", by="ann"), verify)
    return await one.back(called.targets, ACCOUNTS, cast("Any", None))


async def test_the_commit_names_what_is_left_what_is_returned_to_and_what_is_held(
    monkeypatch: pytest.MonkeyPatch, written: list[Any]
) -> None:
    (one,) = await back(monkeypatch, call("api"), [way()])
    ((change,),) = [list(changes.values()) for changes in written]
    assert (change.tag, change.rolled_back, change.digest) == ("good", "bad", DIGEST)
    # Nobody's trailer says it: the image's own label does.
    assert change.source_commit == COMMIT
    assert (change.hold.tag, change.hold.reason, change.hold.by) == ("bad", "500s", "ann")
    assert one.delivery.target.tag == "good"
    assert one.accounts.git.message == "rollback: revert to {tag}"


async def test_everything_is_held_on_request(monkeypatch: pytest.MonkeyPatch, written: list[Any]) -> None:
    await back(monkeypatch, call("api"), [way()], Wish(everything=True))
    assert next(iter(written[0].values())).hold.tag == ""


async def test_a_rollback_that_was_made_already_neither_holds_nor_leaves_anything(
    monkeypatch: pytest.MonkeyPatch, written: list[Any]
) -> None:
    await back(monkeypatch, call("api"), [way(left="good")])
    change = next(iter(written[0].values()))
    assert (change.rolled_back, change.hold) == (None, None)


async def test_a_hold_of_everything_is_placed_also_where_the_branch_names_the_tag_already(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    placed: list[Any] = []

    async def write(_: Any) -> None: ...

    async def hold(_settings: Any, wanted: Any, **_: Any) -> str:
        placed.append(wanted)
        return "Succeeded: commit 12345678 on main\napi: every deploy is held"

    async def arrive(_: Any) -> None: ...

    async def application(*_: Any) -> Any:
        return SimpleNamespace(body={"metadata": {}}, summary=lambda: "Synced, Healthy")

    monkeypatch.setattr(retreat, "write", write)
    monkeypatch.setattr(KubernetesApplications, "read", application)
    monkeypatch.setattr(holding, "hold", hold)
    monkeypatch.setattr(Return, "arrive", arrive)
    wish = Wish(everything=True, reason="incident 7", by="ann")
    done, other = await back(monkeypatch, call("api", "ui"), [way(left="good"), way()], wish)
    (wanted,) = placed
    assert [one.service for one in wanted.targets] == ["api"]
    assert (wanted.tag, wanted.reason, wanted.by, wanted.lift) == ("", "incident 7", "ann", False)
    assert done.run.results["hold"].summary == "commit 12345678 on main"
    assert (done.run.status, "hold" in other.run.results) == ("Deployed", False)


async def test_an_image_that_is_gone_from_the_registry_stops_all_before_anything_is_written(
    monkeypatch: pytest.MonkeyPatch, written: list[Any]
) -> None:
    with pytest.raises(NotFoundError, match=r"r.invalid/acme/ui:good is not in the registry") as caught:
        await back(monkeypatch, call("api", "ui"), [way(), way()], images={"ui": None})
    assert caught.value.stage == "preflight"
    assert written == []


async def test_a_moved_tag_of_one_service_stops_all(
    monkeypatch: pytest.MonkeyPatch, written: list[Any]
) -> None:
    moved = way(digest="sha256:" + "cd" * 32)
    with pytest.raises(DeliveryError, match=r"1 of 2 services failed: ui: preflight: .*the tag was moved"):
        await back(monkeypatch, call("api", "ui"), [way(), moved])
    assert written == []


async def test_an_image_of_nobody_knows_which_commit_is_refused_where_signatures_are_required(
    monkeypatch: pytest.MonkeyPatch, written: list[Any]
) -> None:
    asked: list[Any] = []
    with pytest.raises(SettingsError, match="nobody says which commit good was built from"):
        await back(
            monkeypatch,
            call("api", environments=SIGNED),
            [way()],
            images={"api": image("")},
            verify=asked.append,
        )
    assert (written, asked) == ([], [])


async def test_where_signatures_are_required_the_one_of_the_returned_image_is_verified_before(
    monkeypatch: pytest.MonkeyPatch, written: list[Any]
) -> None:
    asked: list[Any] = []

    async def verify(*words: str) -> StageResult:
        asked.append((*words, list(written)))
        return StageResult(stage="verify", status=Status.SUCCEEDED, summary="signed")

    await back(monkeypatch, call("api", environments=SIGNED), [way()], verify=verify)
    assert asked == [("api", COMMIT, DIGEST, [])]
    assert len(written) == 1


async def test_where_nothing_verifies_a_required_signature_nothing_is_rolled_back(
    monkeypatch: pytest.MonkeyPatch, written: list[Any]
) -> None:
    with pytest.raises(SettingsError, match="nothing here verifies them"):
        await back(monkeypatch, call("api", environments=SIGNED), [way()])
    assert written == []


async def test_what_tests_today_s_commit_does_not_test_an_older_one(
    monkeypatch: pytest.MonkeyPatch, written: list[Any]
) -> None:
    called, smoke = call("api"), SmokeSettings(command=("/app/smoke",))
    tested = replace(called, targets=(replace(called.targets[0], smoke=smoke, load=settings()),))
    await back(monkeypatch, tested, [way()])
    (one,) = [one.delivery.target for changes in written for one in changes]
    assert (one.smoke, one.load) == (None, None)


async def test_two_ways_back_at_once_are_refused() -> None:
    with pytest.raises(SettingsError, match="--to and --revert"):
        await Retreat(call("api"), Wish(to="a", revert="b")).run(chosen=True)


async def test_of_several_services_those_to_roll_back_are_named() -> None:
    with pytest.raises(SettingsError) as caught:
        await Retreat(call("api", "ui"), Wish()).run(chosen=False)
    assert caught.value.next_command == "dagger call rollback --service=api --service=ui"


@pytest.mark.parametrize(
    ("status", "said"),
    [
        ("Deployed", "api: rolled back from bad, which is held"),
        ("Unchanged", "api: good was returned to before; further back: dagger call rollback --service=api"),
    ],
)
def test_the_summary_says_what_is_held_or_how_to_go_on(status: str, said: str) -> None:
    service = {
        "service": "api",
        "app": "api",
        "status": status,
        "namespace": "n",
        "pods": [1],
        "digest": DIGEST,
        "stages": [],
        "rollback": {"from": "bad", "to": "good", "warning": "a migration"},
    }
    text = summary({"services": [service], "tag": "good", "environment": "dev", "seconds": 1.0})
    assert said in text
    assert text.endswith("WARNING: a migration")
