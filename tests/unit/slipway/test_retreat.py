"""What a rollback looks at before it changes anything, and what it says afterwards."""

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

import pytest

from slipway import retreat
from slipway.retreat import Retreat, Return, Wish, summary
from slipway_host.errors import DeliveryError, NotFoundError, SettingsError
from slipway_host.passage import Accounts
from slipway_host.progress import silent
from slipway_host.recipe import REVISION
from slipway_host.remote_image import RemoteImage, Variant
from slipway_host.rollback import Way
from slipway_host.settings import GitSettings, SecretsSettings, Target
from support.target import api_target

pytestmark = pytest.mark.anyio
COMMIT, DIGEST = "aaaa1111" * 5, "sha256:" + "ab" * 32
GIT = GitSettings(url="https://h/x.git", branch="main")
ACCOUNTS = Accounts(registry=cast("Any", None), git=GIT, postgres=cast("Any", None))


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


@dataclass(frozen=True)
class FakeWork:
    """A service whose registry has what it is told."""

    name: str
    target: Target
    there: RemoteImage | None = field(default_factory=image)
    require_signature: bool = False

    @property
    def environment(self) -> Any:
        return SimpleNamespace(require_signature=self.require_signature)

    @property
    def checkout(self) -> Any:
        return SimpleNamespace(url="")

    async def tagged(self, tag: str) -> RemoteImage | None:
        assert tag == "good"
        return self.there

    def delivery(self, kube: Any, run_id: str) -> Any:
        return SimpleNamespace(target=self.target, kube=kube, run_id=run_id, report=silent)


def work(name: str = "api", **more: Any) -> FakeWork:
    return FakeWork(name, target(name), **more)


def way(**more: Any) -> Way:
    whole = {"left": "bad", "tag": "good", "source": "", "digest": "", "deploys": 1, "known": True}
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
    monkeypatch.setattr(retreat, "read_application", application)
    return found


async def back(
    monkeypatch: pytest.MonkeyPatch, works: list[FakeWork], ways: list[Way], wish: Wish | None = None
) -> list[Return]:
    async def known(*_: Any) -> list[Any]:
        return list(zip(works, ways, strict=True))

    monkeypatch.setattr(Retreat, "_ways", known)
    one = Retreat(cast("Any", None), wish or Wish(reason="500s", by="ann"), "run-1")
    return await one.back(cast("Any", works), ACCOUNTS, cast("Any", None))


async def test_the_commit_names_what_is_left_what_is_returned_to_and_what_is_held(
    monkeypatch: pytest.MonkeyPatch, written: list[Any]
) -> None:
    (one,) = await back(monkeypatch, [work()], [way()])
    ((change,),) = [list(changes.values()) for changes in written]
    assert (change.tag, change.rolled_back, change.digest) == ("good", "bad", DIGEST)
    # Nobody's trailer says it: the image's own label does.
    assert change.source_commit == COMMIT
    assert (change.hold.tag, change.hold.reason, change.hold.by) == ("bad", "500s", "ann")
    assert one.delivery.target.tag == "good"
    assert one.accounts.git.message == "rollback: revert to {tag}"


async def test_everything_is_held_on_request(monkeypatch: pytest.MonkeyPatch, written: list[Any]) -> None:
    await back(monkeypatch, [work()], [way()], Wish(everything=True))
    assert next(iter(written[0].values())).hold.tag == ""


async def test_a_rollback_that_was_made_already_neither_holds_nor_leaves_anything(
    monkeypatch: pytest.MonkeyPatch, written: list[Any]
) -> None:
    await back(monkeypatch, [work()], [way(left="good")])
    change = next(iter(written[0].values()))
    assert (change.rolled_back, change.hold) == (None, None)


async def test_an_image_that_is_gone_from_the_registry_stops_all_before_anything_is_written(
    monkeypatch: pytest.MonkeyPatch, written: list[Any]
) -> None:
    with pytest.raises(NotFoundError, match=r"r.invalid/acme/ui:good is not in the registry") as caught:
        await back(monkeypatch, [work("api"), work("ui", there=None)], [way(), way()])
    assert caught.value.stage == "preflight"
    assert written == []


async def test_a_moved_tag_of_one_service_stops_all(
    monkeypatch: pytest.MonkeyPatch, written: list[Any]
) -> None:
    moved = way(digest="sha256:" + "cd" * 32)
    with pytest.raises(DeliveryError, match=r"1 of 2 services failed: ui: preflight: .*the tag was moved"):
        await back(monkeypatch, [work("api"), work("ui")], [way(), moved])
    assert written == []


async def test_an_image_of_nobody_knows_which_commit_is_refused_where_signatures_are_required(
    monkeypatch: pytest.MonkeyPatch, written: list[Any]
) -> None:
    unknown = work(there=image(""), require_signature=True)
    with pytest.raises(SettingsError, match="nobody says which commit good was built from"):
        await back(monkeypatch, [unknown], [way()])
    assert written == []


async def test_two_ways_back_at_once_are_refused() -> None:
    with pytest.raises(SettingsError, match="--to and --revert"):
        await Retreat(cast("Any", None), Wish(to="a", revert="b")).run(None)


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
