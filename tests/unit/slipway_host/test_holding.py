from typing import Any

import pytest

from slipway_host import holding, holds
from slipway_host.errors import ConflictError, HeldError, NotFoundError, SettingsError
from slipway_host.holding import Holding
from slipway_host.holds import Hold
from slipway_host.progress import silent
from slipway_host.settings import SecretsSettings, Target
from support.gitops_remote import Remote, change, deploy, path
from support.target import api_target

FILE = f"{path('api')}.hold"


def target(app: str = "api") -> Target:
    return api_target(
        service=app,
        app=app,
        environment="dev",
        commit="c" * 40,
        repository=f"r.invalid/acme/{app}",
        namespace="n",
        values=path(app),
        workload_name=app,
        health_port=80,
        secrets=SecretsSettings(name="s"),
    )


def wish(**more: Any) -> Holding:
    whole = {"targets": (target(),), "tag": "", "reason": "", "by": "ann", "lift": False, "run_id": "run-1"}
    return Holding(**{**whole, **more})


async def hold(remote: Remote, **more: Any) -> str:
    return await holding.hold(remote.settings, wish(**more), report=silent, protocols=("file",))


async def test_a_hold_stops_deploys_of_its_service_alone_until_it_is_lifted(remote: Remote) -> None:
    said = await hold(remote, reason="incident 7")
    assert said.startswith("Succeeded: commit ")
    assert "api: every deploy is held by ann since " in said
    assert "incident 7" in said
    with pytest.raises(HeldError, match="incident 7") as caught:
        await deploy(remote, change())
    assert caught.value.next_command == "dagger call hold --service=api --lift"
    await deploy(remote, change("ui"))

    assert "api: nothing is held" in await hold(remote, lift=True)

    assert FILE not in remote.git("ls-tree", "-r", "--name-only", "main", at=remote.bare)
    await deploy(remote, change())


async def test_the_same_hold_twice_is_one_commit_and_keeps_who_was_first(remote: Remote) -> None:
    await hold(remote, reason="first")
    head = remote.head()
    said = await hold(remote, reason="second", by="bob")
    assert said.startswith("Skipped: no change")
    assert "held by ann" in said
    assert remote.head() == head
    assert (await hold(remote, lift=True)).startswith("Succeeded")
    assert (await hold(remote, lift=True)).startswith("Skipped")


async def test_a_question_changes_nothing(remote: Remote) -> None:
    head = remote.head()
    assert await hold(remote) == "api: nothing is held"
    assert remote.head() == head


async def test_one_tag_is_lifted_without_the_others(remote: Remote) -> None:
    await hold(remote, tag="aaaa1111", reason="x")
    await hold(remote, tag="bbbb2222", reason="y")
    said = await hold(remote, tag="aaaa1111", lift=True)
    assert "tag bbbb2222 is held" in said
    assert "aaaa1111 is held" not in said


async def test_several_services_are_held_by_one_commit(remote: Remote) -> None:
    before = len(remote.log("%H").split())
    await hold(remote, targets=(target(), target("ui")), reason="freeze")
    assert len(remote.log("%H").split()) == before + 1
    assert remote.log("%B", "-1") == "chore(api, ui): hold\n\nfreeze\n\nSlipway-Run: run-1"


async def test_other_bytes_of_the_repository_stay(remote: Remote) -> None:
    before = remote.head()
    await hold(remote, reason="x")
    assert remote.git("diff", "--name-only", before, "main", at=remote.bare) == FILE


async def test_an_application_that_is_not_there_is_not_held(remote: Remote) -> None:
    with pytest.raises(NotFoundError, match=r"apps/none/values.yaml does not exist"):
        await hold(remote, targets=(target("none"),), reason="x")


async def test_a_hold_file_that_cannot_be_read_stops_deploys(remote: Remote) -> None:
    remote.put({FILE: "held, please\n"})
    with pytest.raises(ConflictError, match=f"{FILE} in the GitOps repository is there and no list of holds"):
        await deploy(remote, change())


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"lift": True, "reason": "x"}, "--lift and --reason"),
        ({"reason": "two\nlines"}, "--reason has to be one line"),
        ({"reason": "x", "by": "b" * 301}, "--by has to be one line of at most 300"),
        ({"reason": "x", "tag": "a b"}, "is not an image tag"),
    ],
)
async def test_nonsense_is_refused_before_anything_is_read(more: dict[str, Any], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        holding.check(wish(**more))


def test_what_people_write_cannot_break_the_file_or_a_terminal() -> None:
    hostile = Hold(tag="", reason='"}] \x1b[31m ::error::', by="ann", since="now")
    assert holds.parse(holds.text([hostile]), "x") == (hostile,)
    assert "\x1b" not in hostile.line()
    assert "::error" not in hostile.line()
