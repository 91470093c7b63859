"""Which migrations a rollback's warning names: by commits, and by the receipts of runs that brought none."""

from __future__ import annotations

from dataclasses import replace

from slipway_host import git, receipt_keeper, rollback
from slipway_host.progress import silent
from slipway_host.settings import MigrationSettings
from support.gitops_remote import Remote, change, deploy
from support.receipts import document, service, stage
from support.taken_back import TARGET, A, B, C, D, E, back, way, way_back

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
