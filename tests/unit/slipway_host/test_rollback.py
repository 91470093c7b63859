from dataclasses import replace

import pytest

from slipway_host import git, holds, rollback
from slipway_host.errors import ConflictError, HeldError, NotFoundError, SettingsError
from slipway_host.results import Status
from slipway_host.rollback import hold_of
from support.gitops_remote import VALUES, Remote, change, deploy, path
from support.taken_back import DIGEST, A, B, C, D, back, taken_back, way, way_back


def tag(remote: Remote) -> str:
    return remote.show(path("api")).partition("tag: ")[2].partition(" ")[0].strip('"\n')


async def three(remote: Remote) -> None:
    for commit in (A, B, C):
        await deploy(remote, change(commit=commit))


async def test_one_commit_returns_to_the_previous_tag_and_holds_the_one_that_is_left(remote: Remote) -> None:
    # R16, fault 94.
    await three(remote)
    before = remote.head()

    result = await back(remote)

    assert (result.status, tag(remote)) == (Status.SUCCEEDED, B[:8])
    assert remote.log("%P", "-1") == before
    message = remote.log("%B", "-1")
    assert message.startswith(f"rollback: revert to {B[:8]}\n\n")
    assert f"Slipway-Source-Commit: {B}" in message
    assert f"Slipway-Rolled-Back: {C[:8]}" in message
    (held,) = holds.parse(remote.show(f"{path('api')}.hold").encode(), "x")
    assert (held.tag, held.reason, held.by) == (C[:8], "broken", "ann")


async def test_the_same_rollback_again_changes_nothing_and_never_bounces_to_the_bad_tag(
    remote: Remote,
) -> None:
    await three(remote)
    await back(remote)
    head = remote.head()
    for _ in range(2):
        result = await back(remote)
        assert (result.status, tag(remote), remote.head()) == (Status.SKIPPED, B[:8], head)


async def test_a_bad_fix_leads_back_to_the_good_tag_and_not_to_the_first_bad_one(remote: Remote) -> None:
    await three(remote)
    await back(remote)
    await deploy(remote, change(commit=D, ancestors=frozenset({A, B, C})))
    await back(remote)
    assert tag(remote) == B[:8]


async def test_a_named_tag_leads_further_back(remote: Remote) -> None:
    await three(remote)
    await back(remote)
    await back(remote, to=A[:8])
    assert tag(remote) == A[:8]


async def test_a_deploy_of_the_tag_that_was_left_is_refused_until_the_hold_is_lifted(remote: Remote) -> None:
    # Peers: automation undoes a rollback.
    await three(remote)
    await back(remote)
    head = remote.head()
    with pytest.raises(HeldError, match=r"cccc3333 is held by ann since .*: broken") as caught:
        await deploy(remote, change(commit=C, ancestors=frozenset({A, B})))
    assert caught.value.next_command.endswith("dagger call hold --service=api --lift --tag=cccc3333")
    assert remote.head() == head
    # A service's key may be another name than its application's: it is what commands take.
    keyed = replace(change(commit=C, ancestors=frozenset({A, B})), service="backend")
    with pytest.raises(HeldError, match="backend: tag cccc3333 is held") as named:
        await deploy(remote, keyed)
    assert "hold --service=backend --lift" in named.value.next_command
    fix = change(commit=D, ancestors=frozenset({A, B, C}))
    assert (await deploy(remote, fix)).status is Status.SUCCEEDED


async def test_a_rollback_that_holds_everything_stops_every_other_deploy_and_no_rollback(
    remote: Remote,
) -> None:
    await three(remote)
    await back(remote, everything=True)
    with pytest.raises(HeldError, match="every deploy is held by ann"):
        await deploy(remote, change(commit=D))
    await back(remote, to=A[:8])
    assert tag(remote) == A[:8]


async def test_a_named_tag_that_is_held_is_refused(remote: Remote) -> None:
    await three(remote)
    await back(remote)
    with pytest.raises(HeldError, match="cccc3333 is held"):
        await back(remote, to=C[:8])


async def test_others_repositories_have_a_way_back_too(remote: Remote) -> None:
    # R36: no trailer, no Slipway.
    for name in ("v1", "v2"):
        remote.put({path("api"): VALUES.format(app="api").replace("latest", name)})
    await back(remote)
    assert tag(remote) == "v1"
    assert "Slipway-Source-Commit" not in remote.log("%B", "-1")


async def test_without_a_previous_tag_there_is_no_way_back(remote: Remote) -> None:
    with pytest.raises(NotFoundError, match="has named no other tag") as caught:
        await way_back(remote)
    assert caught.value.next_command == "dagger call rollback --service=api --to=<tag>"


async def test_a_named_tag_that_the_repository_never_had_is_marked_as_unknown(remote: Remote) -> None:
    way = await way_back(remote, to="v9")
    assert way is not None
    assert (way.tag, way.left, way.known) == ("v9", "latest", False)
    with pytest.raises(SettingsError, match="not an image tag"):
        await way_back(remote, to="a b")


async def test_revert_of_the_newest_deploy_returns_to_what_ran_before(remote: Remote) -> None:
    await three(remote)
    way = await way_back(remote, revert=remote.head()[:10])
    assert way is not None
    assert (way.left, way.tag, way.source) == (C[:8], B[:8], B)


async def test_revert_of_an_older_deploy_names_the_newer_one(remote: Remote) -> None:
    await deploy(remote, change(commit=A))
    older = remote.head()
    await deploy(remote, change(commit=B))
    with pytest.raises(ConflictError, match=f"commit {remote.head()[:8]} .* has changed the image since"):
        await way_back(remote, revert=older)


async def test_revert_of_a_commit_that_changed_no_image_finds_nothing(remote: Remote) -> None:
    await deploy(remote, change(commit=A))
    remote.pull()
    assert await way_back(remote, revert=remote.put({"x": "1"})) is None


async def test_a_rollback_of_several_is_one_commit(remote: Remote) -> None:
    await three(remote)
    await deploy(remote, change("ui", A))
    way = await way_back(remote)
    assert way
    second = replace(taken_back(way), app="ui", path=path("ui"), rolled_back=A[:8], hold=None)
    count = len(remote.log("%H").split())
    await deploy(remote, taken_back(way), second, message=rollback.MESSAGE)
    assert len(remote.log("%H").split()) == count + 1
    assert f"Slipway-Rolled-Back: {C[:8]} (api)" in remote.log("%B", "-1")


def test_a_tag_that_was_moved_is_refused() -> None:
    rollback.check_digest(way(digest=DIGEST), DIGEST, repository="r")
    rollback.check_digest(way(), DIGEST, repository="r")
    with pytest.raises(ConflictError, match=r"r:b was sha256:abab.*the tag was moved"):
        rollback.check_digest(way(digest=DIGEST), DIGEST.replace("ab", "cd"), repository="r")


async def test_a_hold_placed_between_read_and_push_stops_the_deploy(
    remote: Remote, monkeypatch: pytest.MonkeyPatch
) -> None:
    await three(remote)
    push = git.Clone.push

    async def rival_first(copy: git.Clone, commit: str) -> None:
        monkeypatch.setattr(git.Clone, "push", push)
        remote.pull()
        remote.put(
            {f"{path('api')}.hold": holds.text([hold_of(way(), everything=True, reason="", by="x")]).decode()}
        )
        await push(copy, commit)

    monkeypatch.setattr(git.Clone, "push", rival_first)
    with pytest.raises(HeldError, match="every deploy is held by x"):
        await deploy(remote, change(commit=D))
    assert tag(remote) == C[:8]
