from dataclasses import replace

import pytest

from slipway_host import git, holds, receipt_keeper, rollback
from slipway_host.errors import ConflictError, HeldError, NotFoundError, SettingsError
from slipway_host.gitops import GitOpsResult
from slipway_host.progress import silent
from slipway_host.results import Status
from slipway_host.rollback import Way, hold_of
from slipway_host.settings import MigrationSettings, SecretsSettings
from support.gitops_remote import VALUES, Remote, change, deploy, path
from support.receipts import document, service, stage
from support.taken_back import DIGEST, taken_back
from support.target import api_target

A, B, C, D, E = (one * 5 for one in ("aaaa1111", "bbbb2222", "cccc3333", "dddd4444", "eeee5555"))
TARGET = api_target(
    environment="dev",
    commit=C,
    repository="r.invalid/acme/api",
    namespace="n",
    values=path("api"),
    health_port=80,
    secrets=SecretsSettings(name="s"),
)


async def way_back(remote: Remote, *, to: str = "", revert: str = "") -> Way | None:
    async with git.clone(remote.settings, protocols=("file",)) as copy:
        await copy.fetch()
        return await rollback.find(copy, TARGET, to=to, revert=revert)


async def back(remote: Remote, *, to: str = "", everything: bool = False) -> GitOpsResult:
    """Do what `dagger call rollback` does to the GitOps repository."""
    way = await way_back(remote, to=to)
    assert way
    change_back = taken_back(way, everything=everything)
    return await deploy(remote, change_back, message=rollback.MESSAGE)


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


def way(**more: object) -> Way:
    whole = {"left": "c", "tag": "b", "source": "", "digest": "", "known": True}
    return Way(**{**whole, **more})  # type: ignore[arg-type]


def test_a_tag_that_was_moved_is_refused() -> None:
    rollback.check_digest(way(digest=DIGEST), DIGEST, repository="r")
    rollback.check_digest(way(), DIGEST, repository="r")
    with pytest.raises(ConflictError, match=r"r:b was sha256:abab.*the tag was moved"):
        rollback.check_digest(way(digest=DIGEST), DIGEST.replace("ab", "cd"), repository="r")


MIGRATING = replace(TARGET, migration=MigrationSettings(command=("migrate", "up")))
UNCHANGED = ": the database stays as it is; whether {} works with it, only its authors know"


def test_where_no_deploy_says_that_its_migration_ran_it_is_taken_to_have_run() -> None:
    said = rollback.warning(way(unsaid=2), MIGRATING)
    has = "api has a migration (migrate up), which ran before each of"
    assert said == f"{has} 2 deploy(s) since b{UNCHANGED.format('b')}"
    assert rollback.warning(way(known=False), MIGRATING).startswith(f"{has} the deploys since b")
    for harmless in (
        rollback.warning(way(unsaid=2), TARGET),
        rollback.warning(way(unsaid=2, tag="c"), MIGRATING),
        rollback.warning(way(), MIGRATING),
    ):
        assert harmless == ""


async def migrated(remote: Remote, commit: str, job: str) -> None:
    await deploy(remote, replace(change(commit=commit), migration=job))


async def test_the_warning_names_exactly_the_deploys_whose_migration_ran(remote: Remote) -> None:
    await migrated(remote, A, "api-migrate-aaaa1111-00000000")
    await migrated(remote, B, "api-migrate-bbbb2222-00000000")
    way = await way_back(remote)
    assert way
    assert rollback.warning(way, MIGRATING) == (
        "api: a migration ran in 1 deploy(s) since aaaa1111: bbbb2222bbbb (Job api-migrate-bbbb2222-00000000)"
        + UNCHANGED.format("aaaa1111")
    )
    # What was deployed anew after a rollback had its migration already; what says nothing may have run one.
    await back(remote)
    await migrated(remote, A, "api-migrate-aaaa1111-00000000")
    await deploy(remote, change(commit=C))
    await migrated(remote, D, "api-migrate-dddd4444-00000000")
    further = await way_back(remote, to=B[:8])
    assert further
    assert [one.tag for one in further.migrations] == [D[:8]]
    said = rollback.warning(further, MIGRATING)
    assert "in 1 deploy(s) since bbbb2222: dddd4444dddd (Job api-migrate-dddd4444-00000000); 1 more" in said
    # Without a migration in today's slipway.yaml, what ran is said all the same.
    assert "in 1 deploy(s) since bbbb2222" in rollback.warning(further, TARGET)
    assert "more deploy(s)" not in rollback.warning(further, TARGET)


async def test_a_migration_whose_run_brought_no_commit_is_known_by_its_receipt(remote: Remote) -> None:
    settings = replace(remote.settings, receipts="slipway-receipts")

    async def keep(day: int, commit: str, job: str, *, written: str = "", how: str = "Succeeded") -> None:
        stages = [stage("migrate", how, **({"job": job} if job else {}))]
        if written:
            stages.append(stage("gitops", commit=written))
        told = document(
            {**service(status="Failed"), "stages": stages},
            run=f"209908{day:02}T000000-000a",
            environment="dev",
            commit=commit,
        )
        await receipt_keeper.store(settings, told, [TARGET], report=silent, protocols=("file",))

    await migrated(remote, A, "api-migrate-aaaa1111-00000000")
    await migrated(remote, B, "api-migrate-bbbb2222-00000000")
    await keep(1, C, "api-migrate-cccc3333-00000000")
    await keep(4, C, "api-migrate-cccc3333-00000000")
    await keep(2, B, "api-migrate-bbbb2222-00000000")
    await keep(3, D, "api-migrate-dddd4444-00000000", written="d" * 40)
    # It failed half way, and again, and then it could not be started; the other one came through at last.
    for day, job in ((5, "api-migrate-eeee5555-00000000"), (6, "api-migrate-eeee5555-00000000"), (7, "")):
        await keep(day, E, job, how="Failed")
    await keep(8, C, "api-migrate-cccc3333-00000000", how="Failed")
    async with git.clone(settings, protocols=("file",)) as copy:
        await copy.fetch()
        way = await rollback.find(copy, MIGRATING, to="", revert="")
        assert way
        found = await rollback.with_runs(copy, settings.receipts, MIGRATING, way)
        assert [(one.receipt.commit, one.receipt.run[:8]) for one in found.uncommitted] == [(C, "20990801")]
        assert [(one.receipt.commit, one.receipt.run[:8]) for one in found.broken_off] == [(E, "20990806")]
        later = replace(way, since="2100-01-01T00:00:00+00:00")
        for nothing in (
            await rollback.with_runs(copy, "", MIGRATING, way),
            await rollback.with_runs(copy, settings.receipts, TARGET, way),
            await rollback.with_runs(copy, settings.receipts, MIGRATING, later),
        ):
            assert (nothing.uncommitted, nothing.broken_off) == ((), ())
    said = rollback.warning(found, MIGRATING)
    assert "in 2 deploy(s) since aaaa1111: bbbb2222bbbb (Job api-migrate-bbbb2222-00000000), " in said
    assert "cccc3333cccc (run 20990801T000000-000a, no commit); " in said
    half_way = "a migration failed after it had begun, in 1 run(s) since aaaa1111, and may have changed the "
    half_way += "database in part: eeee5555eeee (run 20990806T000000-000a, Job api-migrate-eeee5555-00000000)"
    assert said.endswith(half_way + UNCHANGED.format("aaaa1111"))
    alone = replace(found, migrations=(), uncommitted=(), unsaid=0)
    assert rollback.warning(alone, MIGRATING) == f"api: {half_way}{UNCHANGED.format('aaaa1111')}"


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
